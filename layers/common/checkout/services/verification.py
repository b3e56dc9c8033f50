"""Check what must always hold, over all that is stored: the last line of defence."""

import heapq
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter
from typing import Any

from checkout import telemetry
from checkout.adapters import invariants, ledger
from checkout.adapters.invariants import Seen
from checkout.adapters.postgres import Cursor, Database
from checkout.adapters.stripe_books import differing_days
from checkout.domain.effects import success_key
from checkout.services import passes, stripe_books

SAMPLES = 10
SETTLED_AFTER_SECONDS = 1800
OUTBOX_STUCK_SECONDS = 900

Row = dict[str, Any]
Search = Callable[[Cursor, int], tuple[int, list[Row]]]


@dataclass(slots=True)
class Finding:
    """What one check found. An offence must never be; anything else is for a person to know."""

    name: str
    is_offence: bool
    count: int = 0
    samples: list[Row] = field(default_factory=list)

    def add(self, sample: Row) -> None:
        self.count += 1
        if len(self.samples) < SAMPLES:
            self.samples.append(sample)


class Verify:
    def __init__(self, checkout: Database, application: Database, currency: str) -> None:
        self._checkout = checkout
        self._application = application
        self._currency = currency

    def __call__(self) -> list[Finding]:
        """Every check, also what found nothing; each is a metric. Raises DatabaseUnavailable."""
        findings = [*self._in_ledger(), *self._across(), *self._in_checkout(), self._beside_stripe()]
        for finding in findings:
            telemetry.count(finding.name, finding.count)
            if finding.is_offence and finding.count:
                telemetry.logger.error(
                    "invariant broken", extra={"check": finding.name, "found": finding.count}
                )
        return findings

    def _in_ledger(self) -> list[Finding]:
        offences: dict[str, Search] = {
            "BalanceDiffersFromLedger": invariants.wrong_balances,
            "EffectTwiceInLedger": invariants.repeated_effects,
            "EntryInAnotherCurrency": lambda cursor, limit: invariants.foreign_currencies(
                cursor, self._currency, limit
            ),
        }
        with self._application.transaction() as cursor:
            invariants.take_time(cursor)
            return [
                *(Finding(name, True, *search(cursor, SAMPLES)) for name, search in offences.items()),
                Finding("RecordsParked", False, *invariants.open_parked(cursor, SAMPLES)),
            ]

    def _in_checkout(self) -> list[Finding]:
        notices: dict[str, Search] = {
            "ReversedMoreThanPaid": invariants.reversed_beyond_paid,
            "OutboxStuck": lambda cursor, limit: invariants.old_outbox(cursor, OUTBOX_STUCK_SECONDS, limit),
            "EventsHeld": lambda cursor, limit: invariants.unsettled_events(cursor, "held", limit),
            "EventsWaiting": lambda cursor, limit: invariants.unsettled_events(cursor, "waiting", limit),
        }
        with self._checkout.transaction() as cursor:
            invariants.take_time(cursor)
            return [Finding(name, False, *search(cursor, SAMPLES)) for name, search in notices.items()]

    def _beside_stripe(self) -> Finding:
        """The UTC days on which our totals are not those of Stripe's own books, as far as these were read."""
        with self._checkout.transaction() as cursor:
            invariants.take_time(cursor)
            until = passes.read_until(cursor, stripe_books.CURSOR)
            days = (0, []) if until is None else differing_days(cursor, until, SAMPLES)
        return Finding("TotalsDifferFromStripe", True, *days)

    def _across(self) -> list[Finding]:
        """What was paid and reversed against what is in the ledger."""
        missing = Finding("PaymentNotInLedger", True)
        differing = Finding("EntryDiffersFromPayment", True)
        unknown = Finding("CreditWithoutTransaction", False)
        with self._application.transaction() as there, self._checkout.transaction() as here:
            invariants.take_time(there)
            invariants.take_time(here)
            for entered, paid in _buckets_that_differ(there, here):
                for seen in _never_entered(there, [paid[key] for key in paid.keys() - entered.keys()]):
                    missing.add(_sample(seen))
                unpaid = [entered[key] for key in entered.keys() - paid.keys()]
                statuses = _statuses(here, unpaid)
                for seen in unpaid:
                    if seen.effect_key in statuses:
                        differing.add(_sample(seen) | {"status": statuses[seen.effect_key]})
                    else:
                        unknown.add(_sample(seen))
                for key in entered.keys() & paid.keys():
                    if entered[key].claim != paid[key].claim:
                        differing.add(_sample(entered[key]) | {"expected": _sample(paid[key])})
        return [missing, differing, unknown]


def _buckets_that_differ(there: Cursor, here: Cursor) -> Iterator[tuple[dict[str, Seen], dict[str, Seen]]]:
    """What is in the ledger, and what was paid or reversed, by effect key, a bucket of users at a time."""
    # The ledger first, both times: what has an entry then has had its payment for longer.
    digests = invariants.digests(there, "application"), invariants.digests(here, "checkout")
    buckets = {bucket for bucket, _ in digests[0].items() ^ digests[1].items()}
    if not buckets:
        return
    both = heapq.merge(
        invariants.effects(there, "application", buckets, settled_after_seconds=SETTLED_AFTER_SECONDS),
        invariants.effects(here, "checkout", buckets, settled_after_seconds=SETTLED_AFTER_SECONDS),
        key=itemgetter(0),
    )
    for _, sides in groupby(both, key=itemgetter(0)):
        found = {database: {seen.effect_key: seen for seen in effects} for _, database, effects in sides}
        yield found.get("application", {}), found.get("checkout", {})


def _never_entered(there: Cursor, absent: list[Seen]) -> list[Seen]:
    """Those that neither are in the ledger by now nor are parked, though they had the time."""
    late = {seen.effect_key for seen in absent if seen.is_settled}
    if not late:
        return []
    entered_since = ledger.claims(there, late)
    parked = ledger.parked_claims(there, late)
    return [
        seen
        for seen in absent
        if seen.effect_key in late - entered_since.keys() and (seen.effect_key, seen.claim) not in parked
    ]


def _statuses(here: Cursor, unpaid: list[Seen]) -> dict[str, str]:
    """By effect key: of the reversals and transactions that these entries are of, but not like that."""
    if not unpaid:
        return {}
    of_request, of_intent = invariants.statuses(
        here, {_request(seen) for seen in unpaid}, {_intent(seen) for seen in unpaid}
    )
    reversals = [seen.effect_key for seen in unpaid if not seen.effect_key.startswith(success_key(""))]
    known = invariants.reversal_states(here, reversals) if reversals else {}
    for seen in unpaid:
        status = of_request.get(_request(seen)) or of_intent.get(_intent(seen))
        if status is not None:
            known.setdefault(seen.effect_key, status)
    return known


def _request(seen: Seen) -> str:
    prefix = success_key("")
    if seen.effect_key.startswith(prefix):
        return seen.effect_key.removeprefix(prefix)
    return seen.request_id or ""


def _intent(seen: Seen) -> str:
    return seen.payment_intent_id or ""


def _sample(seen: Seen) -> Row:
    return {
        "effect_key": seen.effect_key,
        "user_id": seen.user_id,
        "amount_cents": seen.amount_cents,
        "currency": seen.currency,
    }
