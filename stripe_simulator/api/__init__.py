"""The HTTP API in front of the resources, with Stripe's parameters, errors and idempotency."""
