CREATE TABLE discarded_effects (
    effect_key        TEXT NOT NULL,
    user_id           USER_ID_COLUMN NOT NULL,
    amount_cents      BIGINT NOT NULL,
    currency          TEXT NOT NULL,
    request_id        TEXT,
    payment_intent_id TEXT,
    dispute_id        TEXT,
    topic             TEXT NOT NULL,
    partition         INT NOT NULL,
    kafka_offset      BIGINT NOT NULL,
    value             BYTEA,
    parked_for        TEXT NOT NULL,
    reason            TEXT NOT NULL,
    operator          TEXT,
    decided_at        TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (effect_key, user_id, amount_cents, currency)
);
COMMENT ON TABLE discarded_effects IS
    'Copies of the parked_events that an operator has discarded: the decision outlives a restore of the application''s database.';
COMMENT ON COLUMN discarded_effects.amount_cents IS 'Signed, in minor units.';
COMMENT ON COLUMN discarded_effects.value IS 'What the record says, without any field that is not of the contract; null if its bytes were erased.';
COMMENT ON COLUMN discarded_effects.parked_for IS 'Why the record could not be applied.';
