"""Checkout sessions: how one is made, for a user and for a record of checkout.requests."""
