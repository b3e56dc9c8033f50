"""A Stripe account on one machine: the API, the hosted checkout page and the webhooks of a top-up.

`python -m stripe_simulator --help` runs it; `app.create_app` builds it for tests. Everything it holds
is test data: any `sk_test_…` key is let in, all keys are one account, and no card is real.

storage/    one SQLite file, one writer, group commit
resources/  what Stripe's objects do; every function works inside one transaction
api/        HTTP in front of them: authentication, parameters, idempotency, errors
page/       the hosted checkout page
webhooks/   signing, delivery, retries
"""
