"""What can become of a Stripe event other than being applied."""


class Ignored(Exception):
    """Not ours, or without meaning for us: acknowledged."""


class Waiting(Exception):
    """Its time has not come: tried again by every run of the reconciler."""


class Held(Exception):
    """Ours, but it cannot be applied: kept, loud, replayable."""
