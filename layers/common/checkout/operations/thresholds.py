"""How long something may wait, in seconds, before the console or `verify` asks a person to look at it."""

OUTBOX_SLOW = 60
"""From then on the console says so; it may still be a broker that restarts."""

OUTBOX_STUCK = 900

EVENTS_STUCK = 2 * 3600
"""By then the reconciler has retried each waiting event several times."""

UNCREDITED = 60
