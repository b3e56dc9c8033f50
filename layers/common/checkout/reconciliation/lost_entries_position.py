"""How far a search for lost entries has come: a note in reconciler_state, from which the next run goes on."""

from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from checkout.base.errors import InvariantBroken
from checkout.base.postgres import Transaction
from checkout.outbox.effects import TOP_UP
from checkout.outbox.finished_event import iso_utc
from checkout.reconciliation import state as reconciler_state
from checkout.reconciliation import stripe_lists
from checkout.reconciliation.lost_entries_table import Scope

MARGIN_SECONDS = 3600
"""An entry can be younger than the moment at which it was seen: by the difference of two servers' clocks, and
by how long a transaction of the release before could last, which noted when it began."""

PAYMENTS, REVERSALS, DONE = range(3)


@dataclass(frozen=True, slots=True)
class Progress:
    """Of payments and reversals: how many were compared with the ledger, of how many; how many are missing
    that were seen there once; how many of these were parked, since their user may be another person now; and
    how many are neither in the ledger nor parked yet, seen there once or not. `events_before` is the time
    before which Stripe no longer lists the events that were asked for; None if it has them all."""

    looked_at: int
    of: int
    missing: int
    to_decide: int
    uncredited: int
    events_before: str | None
    complete: bool


@dataclass(frozen=True, slots=True)
class Position:
    """The position of a search since then. Times are by the checkout database's clock, in epoch seconds.

    `is_hurried` once what was never seen in the ledger is due. `phase` is PAYMENTS, REVERSALS or DONE;
    `is_compared` once all of the phase was. `left` counts the rows that were locked: they are compared once
    more, in another of the `passes` through the phase.
    """

    since: int
    began: float
    events_from: int
    last_id: int
    newest_user: int
    of: int = 0
    phase: int = PAYMENTS
    after_id: int = 0
    after_key: str = ""
    is_hurried: bool = False
    is_compared: bool = False
    left: int = 0
    passes: int = 1
    looked_at: int = 0
    missing: int = 0
    to_decide: int = 0
    events_until: float | None = None

    @property
    def scope(self) -> Scope:
        return Scope(TOP_UP, self.since - MARGIN_SECONDS, self.began, self.last_id)

    @property
    def before(self) -> datetime:
        """The search is complete when everything older is entered or parked."""
        return datetime.fromtimestamp(max(self.began, self.events_until or 0), UTC)

    @property
    def done(self) -> tuple[int, ...]:
        return self.phase, self.looked_at, self.missing, self.to_decide

    def progress(self, uncredited: int) -> Progress:
        reachable = int(self.began) - stripe_lists.STRIPE_KEEPS_SECONDS
        is_cut = self.events_from < reachable
        return Progress(
            looked_at=self.looked_at,
            of=self.of,
            missing=self.missing,
            to_decide=self.to_decide,
            uncredited=uncredited,
            events_before=iso_utc(datetime.fromtimestamp(reachable, UTC)) if is_cut else None,
            complete=self.phase == DONE,
        )


_NAME = "lost entries since"


def _name(since: int) -> str:
    return f"{_NAME} {since}"


def forget(tx: Transaction) -> None:
    """Every search begins anew: what one has seen entered, another restore has taken away."""
    reconciler_state.forget(tx, _NAME)


def load(tx: Transaction, since: int, *, lock: bool = False) -> Position | None:
    saved = reconciler_state.load(tx, _name(since), lock=lock)
    return None if saved is None else Position(**saved)


def locked(tx: Transaction, since: int) -> Position:
    position = load(tx, since, lock=True)
    if position is None:
        raise InvariantBroken("the position of a run vanished")
    return position


def save(tx: Transaction, position: Position) -> None:
    reconciler_state.save(tx, _name(position.since), asdict(position))
