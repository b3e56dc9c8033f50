"""Top up a balance with Stripe Checkout; every payment is credited exactly once.

A folder for each station of the money. docs/architecture.md says what each holds, and which may import which.
"""
