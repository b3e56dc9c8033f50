"""One SQLite file that forgets nothing: objects, events, deliveries, timers, idempotency keys."""
