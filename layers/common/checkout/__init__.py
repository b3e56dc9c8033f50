"""Top up a balance with Stripe Checkout; every payment is credited exactly once.

`domain` decides, `services` carry out (and commit), `adapters` speak to PostgreSQL, Kafka, Stripe and HTTP,
`config` reads the environment, `bootstrap` wires it all together.
"""
