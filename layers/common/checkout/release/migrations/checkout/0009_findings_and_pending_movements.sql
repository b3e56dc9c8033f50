CREATE TABLE verify_findings (
    finding_id  TEXT PRIMARY KEY,
    name        TEXT NOT NULL,
    facts       JSONB NOT NULL,
    shown_at    TIMESTAMPTZ NOT NULL DEFAULT now(),
    accepted_at TIMESTAMPTZ,
    operator    TEXT,
    reason      TEXT,
    CONSTRAINT accepted_by_somebody CHECK ((accepted_at IS NULL) = (operator IS NULL AND reason IS NULL))
);
COMMENT ON TABLE verify_findings IS
    'What verify showed lately, and what of it a person has accepted: that does not count any more.';
COMMENT ON COLUMN verify_findings.finding_id IS 'A digest of name and facts: with other facts it is another finding.';

ALTER TABLE stripe_balance_transactions
    ADD COLUMN category  TEXT,
    ADD COLUMN reread_at TIMESTAMPTZ;
COMMENT ON COLUMN stripe_balance_transactions.category IS
    'Stripe''s reporting category; null in what an earlier release stored.';
COMMENT ON COLUMN stripe_balance_transactions.movement IS
    'What it is with us: paid:<payment intent>, the effect key of a reversal, or other:<id> if we do not know.';
COMMENT ON COLUMN stripe_balance_transactions.compared_from IS
    'By then we must have it; infinity while the charge or refund is pending.';
COMMENT ON COLUMN stripe_balance_transactions.reread_at IS 'When Stripe was last asked whether it is still pending.';
CREATE INDEX stripe_balance_transactions_pending ON stripe_balance_transactions (reread_at)
    WHERE compared_from = 'infinity';
-- The categories that earlier releases left out are read, as far back as Stripe's events go.
DELETE FROM reconciler_state WHERE name = 'stripe_balance_transactions';
