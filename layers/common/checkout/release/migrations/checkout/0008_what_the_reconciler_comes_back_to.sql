ALTER TABLE outbox
    ADD COLUMN refusals INT NOT NULL DEFAULT 0,
    ADD COLUMN retry_at TIMESTAMPTZ;
COMMENT ON COLUMN outbox.refusals IS 'How often the brokers refused this very message; it does not stand in the way of others.';
COMMENT ON COLUMN outbox.retry_at IS 'When the relay publishes a refused message next.';

ALTER TABLE checkout_transactions ADD COLUMN rereads INT NOT NULL DEFAULT 0;
COMMENT ON COLUMN checkout_transactions.rereads IS
    'How often the reconciler claimed the unfinished row; the wait until the next claim grows with it.';
