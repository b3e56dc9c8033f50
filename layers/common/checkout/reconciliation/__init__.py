"""Finds what was missed, left unfinished or never credited, and compares our books with those of Stripe."""
