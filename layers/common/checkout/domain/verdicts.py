"""What can become of a Stripe event other than being applied."""


class Ignored(Exception):
    """Not ours, or without meaning for us: acknowledged."""


class Held(Exception):
    """Ours, but it cannot be applied: kept, loud, replayable."""
