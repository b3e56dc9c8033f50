"""One SQLite file with everything: objects, events, deliveries, timers, idempotency keys."""
