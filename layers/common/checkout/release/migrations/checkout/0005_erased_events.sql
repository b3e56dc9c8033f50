ALTER TABLE stripe_events ADD COLUMN erased_at TIMESTAMPTZ;
COMMENT ON COLUMN stripe_events.erased_at IS
    'When what the event said about a person was taken out of its payload; what we read of it is still there.';
CREATE INDEX stripe_events_to_erase ON stripe_events (received_at)
    WHERE erased_at IS NULL AND outcome IN ('applied', 'ignored');
