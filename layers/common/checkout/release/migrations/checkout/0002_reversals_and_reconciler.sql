ALTER TABLE checkout_transactions
    ADD COLUMN refunded_cents BIGINT NOT NULL DEFAULT 0 CHECK (refunded_cents >= 0),
    ADD COLUMN disputed_cents BIGINT NOT NULL DEFAULT 0,
    ADD COLUMN reread_at TIMESTAMPTZ;
COMMENT ON COLUMN checkout_transactions.refunded_cents IS 'Refunded less what a failed refund returned; minor units.';
COMMENT ON COLUMN checkout_transactions.disputed_cents IS 'Withdrawn for disputes less what was reinstated; minor units.';
COMMENT ON COLUMN checkout_transactions.reread_at IS 'When the reconciler reads the unfinished session from Stripe next.';
CREATE INDEX checkout_transactions_unfinished ON checkout_transactions (COALESCE(reread_at, updated_at))
    WHERE status IN ('session_pending', 'session_created', 'payment_processing');

ALTER TABLE stripe_events ADD COLUMN payment_intent_id TEXT;
CREATE INDEX stripe_events_of_payment_intent ON stripe_events (payment_intent_id)
    WHERE payment_intent_id IS NOT NULL;
CREATE INDEX stripe_events_without_a_handler ON stripe_events (type) WHERE outcome = 'ignored';

ALTER TABLE reversals
    ADD COLUMN kind TEXT NOT NULL CHECK (kind IN ('refunded', 'refund_failed', 'disputed', 'dispute_won')),
    ADD COLUMN source_id TEXT NOT NULL,
    ADD COLUMN event_id TEXT,
    ADD COLUMN emitted_at TIMESTAMPTZ,
    ADD COLUMN credited_at TIMESTAMPTZ,
    ADD COLUMN recheck_at TIMESTAMPTZ,
    ADD COLUMN rechecks INT NOT NULL DEFAULT 0,
    ADD CONSTRAINT reversals_state CHECK (state IN ('waiting', 'emitted', 'held'));
COMMENT ON COLUMN reversals.state IS
    'waiting for its payment to succeed; emitted with or after it; held: its currency is not the payment''s.';
COMMENT ON COLUMN reversals.source_id IS 'The refund, or the dispute''s balance transaction.';
CREATE INDEX reversals_to_check ON reversals (COALESCE(recheck_at, emitted_at))
    WHERE state = 'emitted' AND credited_at IS NULL;

CREATE TABLE reconciler_state (
    name       TEXT PRIMARY KEY,
    value      JSONB NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL DEFAULT now()
);
COMMENT ON TABLE reconciler_state IS 'Where the reconciler goes on: its cursor in Stripe''s list of events.';
