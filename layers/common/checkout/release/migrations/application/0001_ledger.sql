-- The application may have `users` already, as a table or a view (release/application_users.py): then the balance is
-- added to a table that has none, and entries refer to its rows, which they cannot to those of a view.
DO $$ BEGIN
    -- Not IF NOT EXISTS, which looks into the first schema of the search path alone: the application would find an
    -- empty table before its own.
    IF to_regclass('users') IS NULL THEN
        CREATE TABLE users (
            id      USER_ID_COLUMN PRIMARY KEY,
            email   TEXT,
            balance BIGINT NOT NULL DEFAULT 0
        );
    ELSIF (SELECT relkind IN ('r', 'p') FROM pg_class WHERE oid = 'users'::regclass) THEN
        ALTER TABLE users ADD COLUMN IF NOT EXISTS balance BIGINT NOT NULL DEFAULT 0;
    END IF;
END $$;

CREATE TABLE ledger_entries (
    id                BIGSERIAL PRIMARY KEY,
    effect_key        TEXT NOT NULL UNIQUE,
    user_id           USER_ID_COLUMN NOT NULL,
    amount_cents      BIGINT NOT NULL CHECK (amount_cents <> 0),
    currency          TEXT NOT NULL,
    kind              TEXT NOT NULL,
    request_id        TEXT,
    source_id         TEXT,
    payment_intent_id TEXT,
    topic             TEXT,
    partition         INT,
    kafka_offset      BIGINT,
    created_at        TIMESTAMPTZ NOT NULL DEFAULT now()
);
DO $$ BEGIN
    IF (SELECT relkind IN ('r', 'p') FROM pg_class WHERE oid = 'users'::regclass) THEN
        ALTER TABLE ledger_entries
            ADD CONSTRAINT ledger_entries_user_id_fkey FOREIGN KEY (user_id) REFERENCES users (id);
    END IF;
END $$;
COMMENT ON TABLE ledger_entries IS
    'Every movement of every balance, signed minor units. users.balance is the sum of the user''s entries.';
CREATE INDEX ledger_entries_of_user ON ledger_entries (user_id, id);

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only: correct it by a new entry', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER ledger_entries_are_final BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_entries
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE TABLE parked_events (
    id           BIGSERIAL PRIMARY KEY,
    topic        TEXT NOT NULL,
    partition    INT NOT NULL,
    kafka_offset BIGINT NOT NULL,
    key          BYTEA,
    value        BYTEA NOT NULL,
    reason       TEXT NOT NULL,
    effect_key   TEXT,
    user_id      USER_ID_COLUMN,
    amount_cents BIGINT,
    currency     TEXT,
    created_at   TIMESTAMPTZ NOT NULL DEFAULT now()
);
COMMENT ON TABLE parked_events IS 'Records that cannot be applied, with their bytes and the reason; replayable.';
-- A broker can begin again at offset 0, so the coordinates alone do not name a record.
CREATE UNIQUE INDEX parked_events_once ON parked_events (topic, partition, kafka_offset, sha256(value));
CREATE INDEX parked_events_of_effect ON parked_events (effect_key) WHERE effect_key IS NOT NULL;
