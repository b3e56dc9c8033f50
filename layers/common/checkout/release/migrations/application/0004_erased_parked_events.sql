ALTER TABLE parked_events
    ADD COLUMN erased_at  TIMESTAMPTZ,
    ADD COLUMN value_hash BYTEA,
    ADD CONSTRAINT erased_with_its_hash CHECK (erased_at IS NULL OR (value_hash IS NOT NULL AND resolved_at IS NOT NULL));
COMMENT ON COLUMN parked_events.erased_at IS 'When the bytes of a decided record were taken out; it cannot be replayed any more.';
COMMENT ON COLUMN parked_events.value_hash IS 'SHA-256 of the bytes that were erased, so that the record is still known when Kafka delivers it again.';
CREATE UNIQUE INDEX parked_events_known
    ON parked_events (topic, partition, kafka_offset, COALESCE(value_hash, sha256(value)));
DROP INDEX parked_events_once;
CREATE INDEX parked_events_to_erase ON parked_events (resolved_at) WHERE erased_at IS NULL AND resolved_at IS NOT NULL;
