COMMENT ON COLUMN checkout_transactions.stripe_parameters IS
    'What Stripe is asked, sent again unchanged with the same idempotency key; null where a webhook made the row, or our rules refused it.';
COMMENT ON COLUMN checkout_transactions.completed_at IS
    'When the row came into a final state; a session_failed row with it was refused for good, one without may be tried again.';
