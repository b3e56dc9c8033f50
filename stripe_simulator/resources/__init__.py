"""Stripe's objects and what happens to them. Every function works inside one `Transaction`; none commits."""
