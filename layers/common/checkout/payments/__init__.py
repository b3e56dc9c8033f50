"""Payments and their states: the webhook, what its events say, and refunds and disputes."""
