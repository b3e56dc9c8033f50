"""Worlds in which several processes work at once: each is a thread with real connections, which stops
before each statement until the seed lets it go on. So locks, waits and SKIP LOCKED are PostgreSQL's own."""
