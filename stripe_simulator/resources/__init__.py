"""Stripe's objects and their behaviour. Every function works inside one `Transaction`; none commits."""
