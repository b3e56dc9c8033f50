"""Emit again what was paid or reversed and never entered the ledger: Kafka may lose everything.

If the process dies before its commit, nothing happened; after it, the outbox has what is to be emitted.
Emitting an effect that is entered meanwhile changes nothing.
"""

import time
from collections.abc import Collection, Iterator, Mapping, Sequence
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
from checkout.outbox.effects import TOP_UP, is_credit, success_key
from checkout.outbox.finished_event import CheckoutFinishedEvent
from checkout.payments import table as payments_table
from checkout.payments.emissions import reversal_event, success_event
from checkout.payments.payment import Payment
from checkout.payments.reversals_table import StoredReversal
from checkout.payments.shares import credit_differs
from checkout.reconciliation import discarded_effects
from checkout.reconciliation import uncredited_payments_table as payments
from checkout.reconciliation import uncredited_reversals_table as reversals
from checkout.reconciliation.comparisons_table import PAYMENTS, REVERSALS, Comparisons
from checkout.reconciliation.entered_shares import EnteredShares

MOST_AT_ONCE = 500
MOST_EMITTED = 500
"""A run: if Kafka lost everything, the consumers get it in portions."""


@dataclass(frozen=True, slots=True)
class Compared:
    """How many effects were compared with the ledger, by what became of them."""

    credited: int
    parked: int
    emitted: int

    @property
    def total(self) -> int:
        return self.credited + self.parked + self.emitted

    def __add__(self, other: "Compared") -> "Compared":
        return Compared(
            self.credited + other.credited, self.parked + other.parked, self.emitted + other.emitted
        )


class Uncredited(NamedTuple):
    """How many effects are neither in the ledger nor parked; and how many of these are not due: they were
    emitted, and it is up to the consumers to enter them."""

    total: int
    emitted: int


class Reemission:
    def __init__(self, checkout: Database, application: Database, delivery: Delivery, config: Config) -> None:
        self._checkout = checkout
        self._application = application
        self._delivery = delivery
        self._config = config
        self._shares = EnteredShares(checkout, application)

    def __call__(
        self, *, deadline: float, dry_run: bool = False, most_emitted: int | None = None
    ) -> Compared:
        """Compare all that is due with the ledger, and emit what is missing, until time.monotonic() passes
        `deadline`, or about 500 (or `most_emitted`) are emitted.

        An effect that is not in the ledger is retried after twice the wait. `dry_run` changes nothing, and
        compares only the first 500 payments and 500 reversals. Raises DatabaseUnavailable.
        """
        most = MOST_EMITTED if most_emitted is None else most_emitted
        total = Compared(0, 0, 0)
        while True:
            compared = self._compare_due(dry_run=dry_run)
            total = total + compared
            is_last = compared.total < MOST_AT_ONCE or total.emitted >= most
            if dry_run or is_last or time.monotonic() > deadline:
                return total

    def oldest_uncredited_seconds(self) -> int:
        """How long ago the oldest payment was made that is due and neither in the ledger nor parked; 0 if
        there is none. If the application's database is away, the oldest payment that was not seen there.
        Raises DatabaseUnavailable if the checkout database is away."""
        now = datetime.now(UTC)
        # A page may consist of parked payments, which every run finds again.
        for paid in self._payments(now - timedelta(seconds=self._config.reemit_after_seconds)):
            try:
                with self._checkout.transaction() as tx:
                    credited, parked = self._found(tx, paid)
            except DatabaseUnavailable:
                # Nobody can say which of them are entered: better an alarm too many than none.
                credited, parked = set(), set()
            times = [datetime.fromisoformat(paid[key].timestamp) for key in paid.keys() - credited - parked]
            if times:
                return int((now - min(times)).total_seconds())
        return 0

    def still_uncredited(self, before: datetime, *, hurry: bool = False) -> Uncredited:
        """Count the payments that succeeded and reversals that were emitted before then and are neither in
        the ledger nor parked; mark those that are in the ledger. Payments that Stripe contradicts do not
        count. With `hurry` the others are due at once, however far away their next retry was. Raises
        DatabaseUnavailable."""
        uncredited = Uncredited(0, 0)
        paid = self._payments(before, contradicted=hurry)
        for page in chain(paid, self._reversals(before)):
            with self._checkout.transaction() as tx:
                credited, parked = self._found(tx, page)
                missing = page.keys() - credited - parked
                for comparisons, names in _by_table(credited):
                    comparisons.mark_credited(tx, names)
                delayed = 0
                for comparisons, names in _by_table(missing):
                    if hurry:
                        comparisons.retry_at_once(tx, names)
                    delayed += comparisons.count_delayed(tx, names)
            uncredited = Uncredited(uncredited.total + len(missing), uncredited.emitted + delayed)
        return uncredited

    def _payments(
        self, before: datetime, *, contradicted: bool = True
    ) -> Iterator[Mapping[str, CheckoutFinishedEvent]]:
        """A page at a time, by effect key; oldest first."""
        last: Payment | None = None
        while True:
            with self._checkout.transaction() as tx:
                rows = payments.page(
                    tx,
                    purpose=TOP_UP,
                    before=before,
                    behind=last,
                    limit=MOST_AT_ONCE,
                    contradicted=contradicted,
                )
            yield {success_key(row.request_id): success_event(row) for row in rows}
            if len(rows) < MOST_AT_ONCE:
                return
            last = rows[-1]

    def _reversals(self, before: datetime) -> Iterator[Mapping[str, CheckoutFinishedEvent]]:
        """A page at a time, by effect key."""
        last: StoredReversal | None = None
        while True:
            with self._checkout.transaction() as tx:
                rows = reversals.page(tx, before=before, behind=last, limit=MOST_AT_ONCE)
                events = _events(_with_payments(tx, rows))
            yield events
            if len(rows) < MOST_AT_ONCE:
                return
            last = rows[-1]

    def _compare_due(self, *, dry_run: bool) -> Compared:
        with self._checkout.transaction() as tx:
            due, shares = self._due(tx)
            credited, parked = self._found(tx, due)
            entered = self._shares.find({key: due[key] for key in shares - credited})
            missing = due.keys() - credited - parked - entered.keys()
            queued = []
            if not dry_run:
                self._schedule(tx, credited, missing | parked)
                # Credits first, since a reversal must not overtake the credit that it reverses.
                in_order = sorted(missing, key=lambda key: (due[key].status != "success", key))
                queued = [enqueue(tx, key, due[key]) for key in in_order]
        if not dry_run:
            self._shares.keep(entered)
        if missing and not dry_run:
            telemetry.logger.warning("emitted again", extra={"effect_keys": sorted(missing)})
            telemetry.count("UncreditedPaymentsEmitted", len(missing))
            self._delivery.at_once([message for message in queued if message is not None])
        return Compared(credited=len(credited), parked=len(parked), emitted=len(missing))

    def _due(self, tx: Transaction) -> tuple[dict[str, CheckoutFinishedEvent], set[str]]:
        """Events whose effect is due to be compared, by effect key; and the keys of those reversals that take
        a share of a credit which is not what was paid."""
        after = self._config.reemit_after_seconds
        paid = payments.due(tx, purpose=TOP_UP, after_seconds=after, limit=MOST_AT_ONCE)
        due = {success_key(row.request_id): success_event(row) for row in paid}
        if len(paid) == MOST_AT_ONCE:
            # No reversal overtakes a credit that is still to come.
            return due, set()
        taken_back = _with_payments(tx, reversals.due(tx, after_seconds=after, limit=MOST_AT_ONCE))
        shares = {one.reversal.effect_key for one, row in taken_back.items() if credit_differs(row)}
        return due | _events(taken_back), shares

    def _found(self, tx: Transaction, due: Mapping[str, CheckoutFinishedEvent]) -> tuple[set[str], set[str]]:
        """The keys of those that are in the ledger, and of those that are parked or were discarded, with the
        same user, amount and currency. `tx` is the checkout database's, which also has decisions that the
        application's database lost.
        """
        # An entry with another user or amount does not count: emitted again, the event is parked, loudly.
        effects = [effect for event in due.values() if (effect := event.effect)]
        with self._application.transaction() as there:
            places = whereabouts.find(there, effects)
        nothing = {effect.effect_key for effect in effects if effect.amount_cents == 0}
        credited = {
            key
            for key, place in places.items()
            if place is Place.ENTERED or (place is Place.NOWHERE and key in nothing)
        }
        parked = {key for key, place in places.items() if place in (Place.PARKED, Place.DISCARDED)}
        missing = due.keys() - credited - parked
        decided = discarded_effects.among(tx, [one for one in effects if one.effect_key in missing])
        return credited, parked | decided

    def _schedule(self, tx: Transaction, credited: set[str], missing: set[str]) -> None:
        after = self._config.reemit_after_seconds
        for comparisons, names in _by_table(credited):
            comparisons.mark_credited(tx, names)
        for comparisons, names in _by_table(missing):
            comparisons.retry_later(tx, names, after_seconds=after)


def _by_table(effect_keys: Collection[str]) -> Iterator[tuple[Comparisons, list[str]]]:
    """The names that these effects have in each of the two tables."""
    yield REVERSALS, [key for key in effect_keys if not is_credit(key)]
    yield PAYMENTS, [key.removeprefix(success_key("")) for key in effect_keys if is_credit(key)]


def _with_payments(tx: Transaction, stored: Sequence[StoredReversal]) -> dict[StoredReversal, Payment]:
    """Those whose payment is known."""
    rows = {one: payments_table.find_payment(tx, one.payment_intent_id) for one in stored}
    return {one: row for one, row in rows.items() if row is not None}


def _events(taken_back: Mapping[StoredReversal, Payment]) -> dict[str, CheckoutFinishedEvent]:
    """By effect key."""
    return {one.reversal.effect_key: reversal_event(row, one) for one, row in taken_back.items()}
