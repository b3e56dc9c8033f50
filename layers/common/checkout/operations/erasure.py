"""Take personal data out of what we keep: of everything after a time, of one user at once.

Effects, amounts, states and ids stay: they are what the money is accounted by. If the process dies, what was
committed is erased, and the next run goes on.
"""

import time
from dataclasses import dataclass

from checkout.base import telemetry
from checkout.base.postgres import Database, Transaction
from checkout.operations import erasure_table as erasure
from checkout.operations import invariants
from checkout.operations.personal_data import without_personal_data

AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Erased:
    """How many events and parked records; `complete` is False where the time was up first."""

    events: int
    parked: int
    complete: bool


@dataclass(frozen=True, slots=True)
class ErasedUser:
    """How many, and what could not be erased, since it is still to be applied or decided."""

    events: int
    parked: int
    unsettled_events: list[str]
    open_parked: list[int]


class Erase:
    def __init__(self, checkout: Database, application: Database) -> None:
        self._checkout = checkout
        self._application = application

    def older_than(self, days: int, *, deadline: float) -> Erased:
        """Events received, and parked records decided, so many days ago. Ends soon after time.monotonic()
        passes `deadline`. Raises DatabaseUnavailable."""
        events = parked = 0
        while time.monotonic() < deadline:
            with self._checkout.transaction() as tx:
                payloads = erasure.events_older_than(tx, days, AT_ONCE)
                _erase(tx, payloads)
                emails = erasure.erase_emails_older_than(tx, days, AT_ONCE)
            with self._application.transaction() as tx:
                records = erasure.erase_parked_older_than(tx, days, AT_ONCE)
            events, parked = events + len(payloads), parked + records
            if max(len(payloads), emails, records) < AT_ONCE:
                return Erased(events, parked, complete=True)
        return Erased(events, parked, complete=False)

    def user(self, user_id: int, *, reason: str, operator: str) -> ErasedUser:
        """What is settled of this user's payments, whatever its age. Repeating it erases what was settled
        meanwhile. Raises DatabaseUnavailable."""
        events = 0
        while True:
            with self._checkout.transaction() as tx:
                invariants.take_time(tx)
                names = erasure.names_of(tx, user_id)
                payloads = erasure.events_of(tx, user_id, names, AT_ONCE)
                _erase(tx, payloads)
                erasure.erase_emails_of(tx, user_id)
                unsettled = erasure.unsettled_of(tx, user_id, names)
            events += len(payloads)
            if len(payloads) < AT_ONCE:
                break
        with self._application.transaction() as tx:
            parked = erasure.erase_parked_of(tx, user_id)
            open_parked = erasure.open_parked_of(tx, user_id)
        telemetry.logger.warning(
            "user erased", extra={"user_id": user_id, "reason": reason, "operator": operator}
        )
        return ErasedUser(events, parked, unsettled, open_parked)


def _erase(tx: Transaction, payloads: dict[str, str]) -> None:
    if payloads:
        kept = {event_id: without_personal_data(payload) for event_id, payload in payloads.items()}
        erasure.replace_payloads(tx, kept)
