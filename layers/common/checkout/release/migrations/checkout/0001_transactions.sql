CREATE TABLE checkout_transactions (
    id                 BIGSERIAL PRIMARY KEY,
    request_id         TEXT NOT NULL UNIQUE CHECK (char_length(request_id) BETWEEN 1 AND 255),
    user_id            USER_ID_COLUMN NOT NULL USER_ID_CHECK,
    amount_cents       BIGINT NOT NULL CHECK (amount_cents > 0),
    currency           TEXT NOT NULL,
    purpose            TEXT NOT NULL,
    stripe_session_id  TEXT UNIQUE,
    stripe_session_url TEXT,
    payment_intent_id  TEXT,
    status             TEXT NOT NULL CHECK (status IN (
        'session_pending', 'session_failed', 'session_created', 'session_expired',
        'payment_processing', 'payment_failed', 'payment_succeeded')),
    error_message      TEXT,
    metadata           JSONB NOT NULL DEFAULT '{}',
    stripe_parameters  JSONB,
    stripe_attempt     INT NOT NULL DEFAULT 1,
    expires_at         TIMESTAMPTZ,
    paid_cents         BIGINT CHECK (paid_cents > 0),
    paid_currency      TEXT,
    paid_event_id      TEXT,
    created_at         TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at         TIMESTAMPTZ NOT NULL DEFAULT now(),
    completed_at       TIMESTAMPTZ,
    credited_at        TIMESTAMPTZ,
    recheck_at         TIMESTAMPTZ,
    rechecks           INT NOT NULL DEFAULT 0,
    CONSTRAINT paid_when_succeeded CHECK (
        (status = 'payment_succeeded') = (paid_cents IS NOT NULL AND paid_currency IS NOT NULL))
);
COMMENT ON COLUMN checkout_transactions.amount_cents IS 'Asked for, in minor units; the ledger has what was paid.';
COMMENT ON COLUMN checkout_transactions.stripe_parameters IS
    'What Stripe is asked, sent again unchanged with the same idempotency key; null where a webhook made the row.';
COMMENT ON COLUMN checkout_transactions.stripe_attempt IS
    'Rises when Stripe answered with an error, which it would replay to the same idempotency key.';
COMMENT ON COLUMN checkout_transactions.credited_at IS 'When the reconciler saw the ledger entry; it looks no more.';
COMMENT ON COLUMN checkout_transactions.recheck_at IS 'When the reconciler looks for the ledger entry next.';

CREATE INDEX checkout_transactions_of_user ON checkout_transactions (user_id, id DESC);
CREATE INDEX checkout_transactions_of_payment_intent ON checkout_transactions (payment_intent_id);
CREATE INDEX checkout_transactions_to_check ON checkout_transactions (COALESCE(recheck_at, completed_at))
    WHERE status = 'payment_succeeded' AND credited_at IS NULL;

CREATE TABLE stripe_events (
    event_id    TEXT PRIMARY KEY,
    type        TEXT NOT NULL,
    payload     JSON NOT NULL,
    outcome     TEXT NOT NULL CHECK (outcome IN ('applied', 'ignored', 'waiting', 'held')),
    reason      TEXT,
    request_id  TEXT,
    received_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at  TIMESTAMPTZ NOT NULL DEFAULT now()
);
COMMENT ON COLUMN stripe_events.payload IS 'As received; JSON, since JSONB refuses NUL, which Stripe may relay.';
CREATE INDEX stripe_events_unsettled ON stripe_events (received_at) WHERE outcome IN ('waiting', 'held');
CREATE INDEX stripe_events_of_request ON stripe_events (request_id) WHERE request_id IS NOT NULL;

CREATE TABLE reversals (
    effect_key        TEXT PRIMARY KEY,
    payment_intent_id TEXT NOT NULL,
    amount_cents      BIGINT NOT NULL CHECK (amount_cents > 0),
    currency          TEXT NOT NULL,
    state             TEXT NOT NULL,
    created_at        TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at        TIMESTAMPTZ NOT NULL DEFAULT now()
);
CREATE INDEX reversals_of_payment_intent ON reversals (payment_intent_id);

CREATE TABLE outbox (
    id         BIGSERIAL PRIMARY KEY,
    effect_key TEXT NOT NULL UNIQUE,
    topic      TEXT NOT NULL,
    key        TEXT NOT NULL,
    value      BYTEA NOT NULL,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now()
);
COMMENT ON TABLE outbox IS 'What must reach Kafka; a row goes once the broker has acknowledged it.';
