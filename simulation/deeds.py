"""What people and others have done in a world. The checker needs this, and what is in Stripe's model."""

from simulation.accepted import Accepted
from simulation.discarded import Discarded
from simulation.wanted import Move, Ordered, Request


class Deeds:
    def __init__(self) -> None:
        self.signed_up: list[int] = []
        self.older: dict[int, int] = {}
        """By user, what was in the balance before the ledger."""
        self.former: set[str] = set()
        """Payments of a person whose number somebody else has now."""
        self.requests: list[Request] = []
        self.moves: list[Move] = []
        self.attempted: set[Move] = set()
        """What an operator has tried to move, and may have."""
        self.poison: set[bytes] = set()
        """Values of records that can never be applied."""
        self.paid: set[str] = set()
        """Sessions that an applied webhook has reported as paid since the last restore."""
        self.paid_elsewhere: set[str] = set()
        """request_ids that are named by a session that was not begun here."""
        self.forged: set[str] = set()
        """Effect keys of payments that somebody has written into our table."""
        self.usurped: set[tuple[str, int]] = set()
        """(payment intent, user) pairs: a foreign record has credited the payment to the wrong user."""
        self.misleading: set[str] = set()
        """Sessions that are complete and yet no payment to us."""
        self.forgotten: set[str] = set()
        """Sessions that Stripe does not know any more."""
        self.contradicted: set[str] = set()
        """Paid sessions that an event reports as expired."""
        self.refunds: dict[str, Ordered] = {}
        """By key, what an operator first wanted to refund."""
        self.mixed_up: set[str] = set()
        """Keys under which somebody has asked for something else, too."""
        self.approved: set[str] = set()
        """Keys of refunds that a second operator has approved."""
        self.decided: set[str] = set()
        """Payment intents for which an operator has discarded something, or may have."""
        self.discarded = Discarded()
        self.discarded_records: set[int] = set()
        """Parked records that stay discarded, until an operator replays some or the database is restored."""
        self.replays_at_work = 0
        """How many operators are replaying parked records."""
        self.accepted = Accepted()
        self.ignored: set[str] = set()
        """Events that an operator has discarded."""
        self.replayed: set[str] = set()
        """Events that an operator has replayed, or may have."""
