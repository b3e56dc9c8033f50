"""Erases personal data from settled events."""

import time
from collections.abc import Callable, Collection, Iterator, Mapping

from checkout.base.postgres import Database, Transaction
from checkout.base.user_ids import UserId
from checkout.operations import erasure_table as erasure
from checkout.operations.erasure_table import FIRST, SETTLED, UNSETTLED, Position, SearchedEvent
from checkout.operations.payment_names import PaymentNames
from checkout.operations.personal_data import without_personal_data
from checkout.reconciliation import state

AT_ONCE = 500
SAID_EVERY_SECONDS = 1.0

Progress = Callable[[str], None]


def erase_events(tx: Transaction, payloads: Mapping[str, str]) -> None:
    """Erase it from these events, given with their payloads; the transaction has locked their rows."""
    if payloads:
        kept = {event_id: without_personal_data(payload) for event_id, payload in payloads.items()}
        erasure.replace_payloads(tx, kept)


class EventsOfUser:
    """The events about a user's payments. Each page is a transaction of its own, so none takes long.

    An event that was not applied may name its payment in its payload alone, so all such events are read. If
    the time is up, the position is stored, and the next run continues there, unless what it seeks changed.
    """

    def __init__(self, checkout: Database, user_id: UserId, deadline: float, progress: Progress) -> None:
        self.erased = 0
        self.unsettled: list[str] = []
        self._checkout = checkout
        self._user_id = user_id
        self._deadline = deadline
        self._progress = progress
        self._names = PaymentNames()
        self._note = f"erase-user:{user_id}:"

    def erase(self) -> bool:
        """Return False if the time was up first."""
        if not self._named_by_columns():
            return False
        # These first: one that is settled during the search may lie before our position, and is listed.
        for page in self._pages(UNSETTLED, FIRST):
            self.unsettled += self._ours(page)
        return self._named_by_payloads()

    def _named_by_columns(self) -> bool:
        after = 0
        while True:
            with self._checkout.transaction() as tx:
                payments = erasure.payments_of(tx, self._user_id, after, AT_ONCE)
                event_ids = erasure.settled_of(tx, payments)
            for first in range(0, len(event_ids), AT_ONCE):
                self._erase(event_ids[first : first + AT_ONCE])
            for payment in payments:
                after = payment.id
                self._names.add(payment.request_id, payment.stripe_session_id, payment.payment_intent_id)
            if len(payments) < AT_ONCE:
                return True
            # What was erased is not found again, so the next run gets further.
            if self.erased and time.monotonic() > self._deadline:
                return False

    def _named_by_payloads(self) -> bool:
        searched, said_at = 0, time.monotonic()
        for page in self._pages(SETTLED, self._beginning()):
            self._erase(self._ours(page))
            searched += len(page)
            now = time.monotonic()
            if now - said_at > SAID_EVERY_SECONDS:
                said_at = now
                self._progress(f"erase-user: {searched:,} events searched")
            if len(page) == AT_ONCE and now > self._deadline:
                self._save(page[-1].position)
                return False
        with self._checkout.transaction() as tx:
            state.forget(tx, self._note)
        return True

    def _pages(self, which: str, after: Position) -> Iterator[list[SearchedEvent]]:
        is_last = not self._names
        while not is_last:
            with self._checkout.transaction() as tx:
                page = erasure.events_after(tx, which, after, AT_ONCE)
            yield page
            is_last = len(page) < AT_ONCE
            after = page[-1].position if page else after

    def _ours(self, page: Collection[SearchedEvent]) -> list[str]:
        return [
            event.event_id
            for event in page
            if event.request_id in self._names.request_ids
            or event.payment_intent_id in self._names.stripe_ids
            or (event.payload is not None and self._names.are_in(event.payload))
        ]

    def _erase(self, event_ids: Collection[str]) -> None:
        if event_ids:
            with self._checkout.transaction() as tx:
                payloads = erasure.settled(tx, event_ids)
                erase_events(tx, payloads)
            self.erased += len(payloads)

    def _beginning(self) -> Position:
        with self._checkout.transaction() as tx:
            saved = state.load(tx, self._note)
        if not saved or saved["sought"] != self._sought():
            return FIRST
        received_at, event_id = saved["after"]
        return received_at, event_id

    def _save(self, after: Position) -> None:
        with self._checkout.transaction() as tx:
            state.save(tx, self._note, {"after": after, "sought": self._sought()})

    def _sought(self) -> list[object]:
        """If it changes, the search begins anew: an earlier event may have one of the new names, or may have
        been unsettled when it was passed."""
        return [len(self._names), self.unsettled]
