"""What can become of a Stripe event other than being applied."""


class Ignored(Exception):
    """Not ours, or without meaning for us: acknowledged."""


class NotOurs(Ignored):
    """Another application's. `app_id` is its `checkout_app`, if it has one: looked at again if that is
    ours."""

    def __init__(self, app_id: str | None) -> None:
        super().__init__("not of this application")
        self.app_id = app_id


class Waiting(Exception):
    """Its time has not come: tried again by every run of the reconciler."""


class Behind(Waiting):
    """What Stripe answers is older than its own event. It is held if that does not end within a day."""


class Unconfirmed(Exception):
    """The signed body alone does not decide: Stripe is asked, and its answer applied in the place of the
    body."""


class Held(Exception):
    """Ours, but it cannot be applied: kept, loud, replayable."""
