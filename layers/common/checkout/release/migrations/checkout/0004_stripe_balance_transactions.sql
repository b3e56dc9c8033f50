CREATE TABLE stripe_balance_transactions (
    id                TEXT PRIMARY KEY,
    movement          TEXT NOT NULL,
    payment_intent_id TEXT NOT NULL,
    amount_cents      BIGINT NOT NULL,
    currency          TEXT NOT NULL,
    is_ours           BOOLEAN NOT NULL,
    created_at        TIMESTAMPTZ NOT NULL,
    compared_from     TIMESTAMPTZ NOT NULL
);
COMMENT ON TABLE stripe_balance_transactions IS
    'Stripe''s own books of what customers paid and got back, read by the reconciler: verify compares ours with them.';
COMMENT ON COLUMN stripe_balance_transactions.movement IS
    'What it is with us: paid:<payment intent>, or the effect key of a reversal.';
COMMENT ON COLUMN stripe_balance_transactions.amount_cents IS 'Signed, before fees, in the currency of the payment.';
COMMENT ON COLUMN stripe_balance_transactions.is_ours IS
    'Its source says so itself; the others are ours where their payment intent is.';
COMMENT ON COLUMN stripe_balance_transactions.compared_from IS 'By then we must have it; later where the charge or refund is pending.';
CREATE INDEX stripe_balance_transactions_of_payment ON stripe_balance_transactions (payment_intent_id);
CREATE INDEX stripe_balance_transactions_by_time ON stripe_balance_transactions (created_at);
