"""`erase` and `erase-user`: take personal data out of what we keep.

Effects, amounts, states and ids stay: they are what the money is accounted by. If the process dies, what was
committed is erased, and the next run continues.
"""

import time
from argparse import Namespace
from dataclasses import asdict, dataclass

from checkout.base import telemetry, timing
from checkout.base.text import MAX_BIGINT
from checkout.base.user_ids import UserId
from checkout.operations import erasure_table as erasure
from checkout.operations.event_erasure import EventsOfUser, Progress, erase_events
from checkout.operations.verb import (
    BY_DECISION,
    BY_RULE,
    Outcome,
    Verbs,
    number,
    of_user,
    reasoned,
)
from checkout.system import System

AT_ONCE = 500
MOST_DAYS = 36_500
KEPT = "the email, until Stripe has answered the request, which the reconciler repeats"


def declare(verbs: Verbs) -> None:
    verbs.add(
        "erase", "take personal data out of what was settled long ago", old, plan_old, BY_RULE
    ).add_argument(
        "--older-than",
        type=number(31, MOST_DAYS),
        metavar="DAYS",
        help="more than 30; RETENTION_DAYS by default",
    )
    of_one = verbs.add(
        "erase-user",
        "take personal data out of what is settled of a user's payments",
        of_a_user,
        plan_of_a_user,
        BY_DECISION,
        # It cannot be undone, and has no price.
        at_stake=lambda _given: MAX_BIGINT,
    )
    of_user(of_one)
    reasoned(of_one)


def plan_old(given: Namespace, system: System) -> str:
    return f"Erase personal data in what was settled more than {_days(given, system)} days ago, for good"


def old(given: Namespace, system: System) -> Outcome:
    erased = Erase(system).older_than(_days(given, system), deadline=time.monotonic() + timing.OPERATION)
    return Outcome(asdict(erased), clean=erased.complete)


def plan_of_a_user(given: Namespace, _: System) -> str:
    return f"Erase personal data in what is settled of user {given.user}'s payments, for good"


def of_a_user(given: Namespace, system: System) -> Outcome:
    erased = Erase(system).user(
        given.user,
        reason=given.reason,
        operator=given.operator,
        deadline=time.monotonic() + given.most_seconds,
        progress=given.say,
    )
    return Outcome(asdict(erased), clean=erased.is_whole)


def _days(given: Namespace, system: System) -> int:
    return int(given.older_than or system.config.retention_days)


@dataclass(frozen=True, slots=True)
class Erased:
    """How many events and parked records; `complete` is False if the time was up first."""

    events: int
    parked: int
    complete: bool


@dataclass(frozen=True, slots=True)
class ErasedUser:
    """How many were erased, and what was left because it is still to be applied, decided or answered. If
    `complete` is False, the time was up first, and there may be more of each."""

    events: int
    parked: int
    unsettled_events: list[str]
    open_parked: list[int]
    pending_requests: list[dict[str, str]]
    complete: bool

    @property
    def is_whole(self) -> bool:
        return self.complete and not (self.unsettled_events or self.open_parked or self.pending_requests)


class Erase:
    def __init__(self, system: System) -> None:
        self._checkout = system.checkout_database
        self._application = system.application_database

    def older_than(self, days: int, *, deadline: float) -> Erased:
        """Events received, and parked records decided, so many days ago. Ends soon after time.monotonic()
        passes `deadline`. Raises DatabaseUnavailable."""
        events = parked = 0
        while time.monotonic() < deadline:
            with self._checkout.transaction() as tx:
                payloads = erasure.events_older_than(tx, days, AT_ONCE)
                erase_events(tx, payloads)
                emails = erasure.erase_emails_older_than(tx, days, AT_ONCE)
            with self._application.transaction() as tx:
                records = erasure.erase_parked_older_than(tx, days, AT_ONCE)
            events, parked = events + len(payloads), parked + records
            if max(len(payloads), emails, records) < AT_ONCE:
                return Erased(events, parked, complete=True)
        return Erased(events, parked, complete=False)

    def user(
        self,
        user_id: UserId,
        *,
        reason: str,
        operator: str,
        deadline: float,
        progress: Progress = lambda _: None,
    ) -> ErasedUser:
        """Everything that is settled of this user's payments. Repeating it erases what was settled
        meanwhile. Ends soon after time.monotonic() passes `deadline`. Raises DatabaseUnavailable."""
        events = EventsOfUser(self._checkout, user_id, deadline, progress)
        complete = events.erase()
        with self._checkout.transaction() as tx:
            pending = erasure.erase_emails_of(tx, user_id)
        with self._application.transaction() as tx:
            parked = erasure.erase_parked_of(tx, user_id)
            open_parked = erasure.open_parked_of(tx, user_id)
        telemetry.logger.warning(
            "user erased",
            extra={"user_id": user_id, "reason": reason, "operator": operator, "complete": complete},
        )
        kept = [{"request_id": request_id, "keeps": KEPT} for request_id in pending]
        return ErasedUser(events.erased, parked, events.unsettled, open_parked, kept, complete)
