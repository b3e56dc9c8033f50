ALTER TABLE outbox ADD COLUMN traceparent TEXT;
COMMENT ON COLUMN outbox.traceparent IS 'W3C trace context of what committed it, where tracing is on.';
