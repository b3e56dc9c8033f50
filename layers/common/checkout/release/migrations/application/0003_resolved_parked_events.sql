-- A parked record is never deleted: what became of it is written beside it.
ALTER TABLE parked_events
    ADD COLUMN request_id        TEXT,
    ADD COLUMN resolution        TEXT CHECK (resolution IN ('replayed', 'discarded')),
    ADD COLUMN resolution_reason TEXT,
    ADD COLUMN operator          TEXT,
    ADD COLUMN resolved_at       TIMESTAMPTZ,
    ADD CONSTRAINT resolved_at_a_time CHECK ((resolution IS NULL) = (resolved_at IS NULL));
COMMENT ON COLUMN parked_events.resolution IS
    'Null while an operator has not decided. A discarded effect is never applied, unless it is replayed after all.';

-- Older reversals stay without: they were not parked with their credit, and are decided alone.
UPDATE parked_events SET request_id = substr(effect_key, 9) WHERE effect_key LIKE 'success:%';
CREATE INDEX parked_events_of_request ON parked_events (request_id) WHERE request_id IS NOT NULL;
CREATE INDEX parked_events_open ON parked_events (id) WHERE resolution IS NULL;
