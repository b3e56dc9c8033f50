-- A reversal is decided together with its credit, which it finds by the payment intent, and what is given back
-- together with what was taken: a failed refund by the refund's id, a dispute that was won by the dispute's.
ALTER TABLE parked_events
    ADD COLUMN payment_intent_id TEXT,
    ADD COLUMN dispute_id        TEXT,
    ADD COLUMN is_refused        BOOLEAN NOT NULL DEFAULT false;
COMMENT ON COLUMN parked_events.is_refused IS
    'The database refused it, or a rule that the application made there; it is not tried again if Kafka delivers it again.';
CREATE INDEX parked_events_of_payment_intent ON parked_events (payment_intent_id) WHERE payment_intent_id IS NOT NULL;

ALTER TABLE ledger_entries ADD COLUMN dispute_id TEXT;
CREATE INDEX ledger_entries_disputed ON ledger_entries (user_id) WHERE kind = 'disputed';

-- What cannot be read here is found by its request_id, as before.
DO $$
DECLARE
    parked_id BIGINT;
BEGIN
    FOR parked_id IN SELECT id FROM parked_events WHERE effect_key IS NOT NULL AND erased_at IS NULL LOOP
        BEGIN
            UPDATE parked_events SET payment_intent_id = convert_from(value, 'UTF8')::json ->> 'payment_intent_id'
                WHERE id = parked_id;
        EXCEPTION WHEN OTHERS THEN
            NULL;
        END;
    END LOOP;
END $$;
