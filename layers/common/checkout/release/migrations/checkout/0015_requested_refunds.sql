CREATE TABLE requested_refunds (
    refund_key        TEXT PRIMARY KEY CHECK (refund_key <> ''),
    payment_intent_id TEXT NOT NULL,
    amount_cents      BIGINT NOT NULL CHECK (amount_cents > 0),
    currency          TEXT NOT NULL,
    created_at        TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE requested_refunds IS
    'What each key of a refund stands for, written before Stripe is asked: a key has one payment and one amount, also when Stripe has forgotten it.';
COMMENT ON COLUMN requested_refunds.amount_cents IS 'The money that goes back, in minor units.';
CREATE INDEX requested_refunds_of_payment ON requested_refunds (payment_intent_id);
