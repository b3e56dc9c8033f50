"""Check what must always hold, over all that is stored: the last line of defence."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from checkout import telemetry
from checkout.adapters import invariants, ledger
from checkout.adapters.invariants import Digest, Seen
from checkout.adapters.postgres import Cursor, Database
from checkout.domain.effects import success_key

SAMPLES = 10
READ_AT_ONCE = 50_000
"""Effects in memory, of each database; a bucket by itself can have more."""

SETTLED_AFTER = timedelta(minutes=30)
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
        findings = [*self._in_ledger(), *self._across(), *self._in_checkout()]
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

    def _across(self) -> list[Finding]:
        """What was paid and reversed against what is in the ledger."""
        missing = Finding("PaymentNotInLedger", True)
        differing = Finding("EntryDiffersFromPayment", True)
        unknown = Finding("CreditWithoutTransaction", False)
        settled_before = datetime.now(UTC) - SETTLED_AFTER
        for buckets in self._buckets_to_read():
            # The ledger first: what has an entry then has had its payment for longer.
            entered = self._effects(self._application, "application", buckets)
            expected = self._effects(self._checkout, "checkout", buckets)
            for effect_key, seen in self._never_entered(entered, expected, settled_before):
                missing.add(_sample(effect_key, seen))
            unexpected = {key: seen for key, seen in entered.items() if key not in expected}
            with self._checkout.transaction() as cursor:
                rows = invariants.statuses(cursor, [key.removeprefix(success_key("")) for key in unexpected])
            for effect_key, seen in unexpected.items():
                status = rows.get(effect_key.removeprefix(success_key("")))
                if status is None:
                    unknown.add(_sample(effect_key, seen))
                else:
                    differing.add(_sample(effect_key, seen) | {"status": status})
            for effect_key in entered.keys() & expected.keys():
                if entered[effect_key].claim != expected[effect_key].claim:
                    differing.add(
                        _sample(effect_key, entered[effect_key])
                        | {"expected": _sample(effect_key, expected[effect_key])}
                    )
        return [missing, differing, unknown]

    def _buckets_to_read(self) -> Iterator[list[int]]:
        """Those in which the databases differ, as many at a time as fit into memory."""
        there = self._digests(self._application, "application")
        here = self._digests(self._checkout, "checkout")
        group: list[int] = []
        effects = 0
        for bucket in sorted(here.keys() | there.keys()):
            if here.get(bucket) == there.get(bucket):
                continue
            size = max(side[bucket].effects for side in (here, there) if bucket in side)
            if group and effects + size > READ_AT_ONCE:
                yield group
                group, effects = [], 0
            group.append(bucket)
            effects += size
        if group:
            yield group

    def _never_entered(
        self, entered: Mapping[str, Seen], expected: Mapping[str, Seen], settled_before: datetime
    ) -> list[tuple[str, Seen]]:
        late = {
            key: seen for key, seen in expected.items() if key not in entered and seen.at < settled_before
        }
        if not late:
            return []
        with self._application.transaction() as cursor:
            entered_since = ledger.claims(cursor, late.keys())
            parked = ledger.parked_claims(cursor, late.keys())
        return [
            (key, seen)
            for key, seen in late.items()
            if key not in entered_since and (key, seen.claim) not in parked
        ]

    @staticmethod
    def _digests(database: Database, name: str) -> dict[int, Digest]:
        with database.transaction() as cursor:
            invariants.take_time(cursor)
            return invariants.digests(cursor, name)

    @staticmethod
    def _effects(database: Database, name: str, buckets: list[int]) -> dict[str, Seen]:
        with database.transaction() as cursor:
            invariants.take_time(cursor)
            return invariants.effects(cursor, name, buckets)


def _sample(effect_key: str, seen: Seen) -> Row:
    return {
        "effect_key": effect_key,
        "user_id": seen.user_id,
        "amount_cents": seen.amount_cents,
        "currency": seen.currency,
        "at": seen.at,
    }
