"""A Stripe account on one machine: the API, the hosted checkout page and the webhooks of a top-up.

`python -m stripe_simulator` runs it, `--help` lists its options, and `app.create_app` builds it for tests.
All its data is test data: it accepts any `sk_test_…` key, all keys are one account, and no card is real.

storage/    one SQLite file, one writer, group commit
resources/  the behaviour of Stripe's objects; every function works inside one transaction
api/        HTTP in front of them: authentication, parameters, idempotency, errors
page/       the hosted checkout page
webhooks/   signing, delivery, retries
"""
