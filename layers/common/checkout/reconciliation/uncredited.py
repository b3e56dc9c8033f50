"""Emit again what was paid or reversed and never entered the ledger: Kafka may lose everything.

If the process dies before its commit, nothing happened; after it, the outbox has what is to be emitted. To
emit what is entered after all changes nothing.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import NamedTuple

from checkout.base import telemetry
from checkout.base.config import Config
from checkout.base.errors import DatabaseUnavailable
from checkout.base.postgres import Database, Transaction
from checkout.ledger import whereabouts
from checkout.ledger.whereabouts import Place
from checkout.outbox.delivery import Delivery, enqueue
from checkout.outbox.effects import TOP_UP, success_key
from checkout.outbox.finished_event import CheckoutFinishedEvent
from checkout.payments import discarded_effects
from checkout.payments import reversals_table as reversals
from checkout.payments import table as payments_table
from checkout.payments.payment import Payment
from checkout.payments.recording import success_event
from checkout.payments.reversals import reversal_event
from checkout.payments.reversals_table import StoredReversal
from checkout.reconciliation import rechecks

MOST_AT_ONCE = 500
MOST_EMITTED = 500
"""A run: if Kafka lost everything, the consumers get it in portions."""

LONGEST_WAIT_SECONDS = 24 * 3600


@dataclass(frozen=True, slots=True)
class Looked:
    """How many effects were looked for, by what was found."""

    credited: int
    parked: int
    emitted: int

    @property
    def together(self) -> int:
        return self.credited + self.parked + self.emitted

    def __add__(self, other: "Looked") -> "Looked":
        return Looked(
            self.credited + other.credited, self.parked + other.parked, self.emitted + other.emitted
        )


class Uncredited(NamedTuple):
    """How many effects are neither in the ledger nor parked; and how many of these are not due to be looked
    for: they were emitted, and the consumers are to enter them."""

    total: int
    emitted: int


class Reemission:
    def __init__(self, checkout: Database, application: Database, delivery: Delivery, config: Config) -> None:
        self._checkout = checkout
        self._application = application
        self._delivery = delivery
        self._config = config

    def __call__(self, *, deadline: float, dry_run: bool = False, most_emitted: int | None = None) -> Looked:
        """Look for all that is due, until time.monotonic() passes `deadline`, or some 500 are emitted (or
        `most_emitted`).

        What is not found is looked for again after twice the wait. `dry_run` changes nothing, and looks only
        at the first 500 payments and 500 reversals. Raises DatabaseUnavailable.
        """
        most = MOST_EMITTED if most_emitted is None else most_emitted
        looked = Looked(0, 0, 0)
        while True:
            found = self._look(dry_run=dry_run)
            looked = looked + found
            is_last = found.together < MOST_AT_ONCE or looked.emitted >= most
            if dry_run or is_last or time.monotonic() > deadline:
                return looked

    def oldest_uncredited_seconds(self) -> int:
        """How long ago the oldest payment was made that is neither in the ledger nor parked, though its time
        to be looked for has come; 0 if there is none. If the application's database is away, the oldest that
        was not seen there. Raises DatabaseUnavailable if the checkout database is."""
        now = datetime.now(UTC)
        # A page may have only parked ones, which come in every run.
        for paid in self._unseen_payments(now - timedelta(seconds=self._config.reemit_after_seconds)):
            try:
                with self._checkout.transaction() as tx:
                    credited, parked = self._found(tx, paid)
            except DatabaseUnavailable:
                # Which of them are entered cannot be seen: better an alarm too many than none.
                credited, parked = set(), set()
            times = [datetime.fromisoformat(paid[key].timestamp) for key in paid.keys() - credited - parked]
            if times:
                return int((now - min(times)).total_seconds())
        return 0

    def still_uncredited(self, before: datetime, *, hurry: bool = False) -> Uncredited:
        """The payments that succeeded and reversals that were emitted before then and are neither in the
        ledger nor parked. What is found there is marked as seen. With `hurry` the others are due at once,
        whenever their next look would be. Raises DatabaseUnavailable."""
        uncredited = Uncredited(0, 0)
        for unseen in chain(self._unseen_payments(before), self._unseen_reversals(before)):
            with self._checkout.transaction() as tx:
                credited, parked = self._found(tx, unseen)
                rechecks.credited(tx, _request_ids(credited))
                reversals.credited(tx, credited)
                missing = unseen.keys() - credited - parked
                if hurry:
                    rechecks.look_at_once(tx, _request_ids(missing))
                    reversals.look_at_once(tx, missing)
                later = rechecks.looked_for_later(tx, _request_ids(missing))
                later += reversals.looked_for_later(tx, missing)
            uncredited = Uncredited(uncredited.total + len(missing), uncredited.emitted + later)
        return uncredited

    def _unseen_payments(self, before: datetime) -> Iterator[Mapping[str, CheckoutFinishedEvent]]:
        """A page at a time, by effect key; oldest first."""
        last: Payment | None = None
        while True:
            with self._checkout.transaction() as tx:
                rows = rechecks.uncredited(tx, purpose=TOP_UP, before=before, behind=last, limit=MOST_AT_ONCE)
            yield {success_key(row.request_id): success_event(row) for row in rows}
            if len(rows) < MOST_AT_ONCE:
                return
            last = rows[-1]

    def _unseen_reversals(self, before: datetime) -> Iterator[Mapping[str, CheckoutFinishedEvent]]:
        """A page at a time, by effect key."""
        last: StoredReversal | None = None
        while True:
            with self._checkout.transaction() as tx:
                rows = reversals.uncredited(tx, before=before, behind=last, limit=MOST_AT_ONCE)
                unseen = _events_of(tx, rows)
            yield unseen
            if len(rows) < MOST_AT_ONCE:
                return
            last = rows[-1]

    def _look(self, *, dry_run: bool) -> Looked:
        with self._checkout.transaction() as tx:
            due = self._due(tx)
            credited, parked = self._found(tx, due)
            lost = due.keys() - credited - parked
            queued = []
            if not dry_run:
                self._look_again(tx, credited, lost | parked)
                # Credits first, since a reversal must not overtake the credit that it reverses.
                in_order = sorted(lost, key=lambda key: (due[key].status != "success", key))
                queued = [enqueue(tx, key, due[key]) for key in in_order]
        if lost and not dry_run:
            telemetry.logger.warning("emitted again", extra={"effect_keys": sorted(lost)})
            telemetry.count("UncreditedPaymentsEmitted", len(lost))
            self._delivery.at_once([message for message in queued if message is not None])
        return Looked(credited=len(credited), parked=len(parked), emitted=len(lost))

    def _due(self, tx: Transaction) -> dict[str, CheckoutFinishedEvent]:
        """By effect key."""
        after = self._config.reemit_after_seconds
        paid = rechecks.due_for_check(tx, purpose=TOP_UP, after_seconds=after, limit=MOST_AT_ONCE)
        due = {success_key(row.request_id): success_event(row) for row in paid}
        if len(paid) == MOST_AT_ONCE:
            # No reversal overtakes a credit that is still to come.
            return due
        taken_back = reversals.due_for_check(tx, after_seconds=after, limit=MOST_AT_ONCE)
        return due | _events_of(tx, taken_back)

    def _found(self, tx: Transaction, due: Mapping[str, CheckoutFinishedEvent]) -> tuple[set[str], set[str]]:
        """Which of them are in the ledger, and which are parked or were discarded, with the same user, amount
        and currency. `tx` is the checkout database's, which also has decisions that the other one lost.
        """
        # With another claim it is not that: emitted again, it is parked as a conflict, loudly.
        effects = [effect for event in due.values() if (effect := event.effect)]
        with self._application.transaction() as there:
            places = whereabouts.find(there, effects)
        credited = {key for key, place in places.items() if place is Place.ENTERED}
        parked = {key for key, place in places.items() if place in (Place.PARKED, Place.DISCARDED)}
        missing = due.keys() - credited - parked
        decided = discarded_effects.among(tx, missing) if missing else set()
        parked |= {
            effect.effect_key for effect in effects if (effect.effect_key, *effect.claim) in decided
        } - credited
        return credited, parked

    def _look_again(self, tx: Transaction, credited: set[str], missing: set[str]) -> None:
        after = self._config.reemit_after_seconds
        reversals.credited(tx, credited)
        reversals.check_again(tx, missing, after_seconds=after, at_most_seconds=LONGEST_WAIT_SECONDS)
        rechecks.credited(tx, _request_ids(credited))
        rechecks.check_again(
            tx, _request_ids(missing), after_seconds=after, at_most_seconds=LONGEST_WAIT_SECONDS
        )


def _request_ids(effect_keys: set[str]) -> list[str]:
    prefix = success_key("")
    return [key.removeprefix(prefix) for key in effect_keys if key.startswith(prefix)]


def _events_of(tx: Transaction, stored: Sequence[StoredReversal]) -> dict[str, CheckoutFinishedEvent]:
    """By effect key, of those whose payment is known."""
    rows = {one: payments_table.find_payment(tx, one.payment_intent_id) for one in stored}
    return {one.reversal.effect_key: reversal_event(row, one) for one, row in rows.items() if row is not None}
