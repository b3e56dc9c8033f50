"""Payments and reversals against the ledger, and the ledger against the balances: a range of users.

A range is compared by digests first, and read only if they differ. What is on its way between the two
databases makes them differ, too, so what is absent is searched for again, and is no offence for half an hour.
"""

from collections.abc import Collection, Iterable, Iterator, Set
from typing import Any

from checkout.base import user_ids
from checkout.base.postgres import Database, Transaction, take_time
from checkout.base.user_ids import UserId
from checkout.ledger import whereabouts
from checkout.ledger.whereabouts import Place
from checkout.operations import ledger_offences, ledger_ranges
from checkout.operations.comparison import Seen, compare
from checkout.operations.findings import Findings, Row
from checkout.operations.ledger_ranges import Users
from checkout.outbox.effects import is_credit
from checkout.payments import reversals_table

SETTLED_AFTER_SECONDS = 1800


class LedgerAudit:
    def __init__(self, checkout: Database, application: Database, currency: str) -> None:
        self._checkout = checkout
        self._application = application
        self._currency = currency
        self.start = application.user_ids.first

    def range(self, after: UserId, findings: Findings) -> tuple[UserId | None, int]:
        """Check the users after `after`; returns the last of them, or None if there are no more, and how
        many ledger entries they have. Raises DatabaseUnavailable."""
        # Always the ledger first: what has an entry then has had its payment for longer.
        with self._application.transaction() as there, self._checkout.transaction() as here:
            for tx in (there, here):
                take_time(tx)
            users = Users(
                after,
                user_ids.least(
                    [
                        ledger_ranges.end_of_range(there, "application", after),
                        ledger_ranges.end_of_range(here, "checkout", after),
                    ]
                ),
            )
            ledger = ledger_ranges.in_ledger(there, users, self._currency)
            checkout = ledger_ranges.in_checkout(here, users)
            if ledger.wrong_balances:
                findings.add("BalanceDiffersFromLedger", *ledger_offences.wrong_balances(there, users))
            if ledger.foreign_currencies:
                entries = ledger_offences.foreign_currencies(there, users, self._currency)
                findings.add("EntryInAnotherCurrency", *entries)
            judged = [str(facts["request_id"]) for facts in findings.accepted("ReversedMoreThanPaid")]
            if checkout.reversed_beyond_paid or judged:
                payments = ledger_offences.reversed_beyond_paid(here, users, judged)
                findings.add("ReversedMoreThanPaid", *payments)
            if checkout.unequal_shares:
                findings.add("EntryDiffersFromPayment", *ledger_offences.unequal_shares(here, users))
            if checkout.without_payment_intent:
                payments = ledger_offences.without_payment_intent(here, users)
                findings.add("TotalsDifferFromStripe", *payments)
            undone = _Undone()
            if checkout.discarded_reversals:
                undone.discard(ledger_ranges.discarded_reversals(here, users))
            if (ledger.effects, ledger.digest) != (checkout.effects, checkout.digest):
                _compare(there, here, users, findings, undone)
            decided = {key for facts in findings.accepted("DiscardedButPaid") for key in facts["discarded"]}
            findings.add("DiscardedButPaid", *undone.outstanding(decided))
        return (None if users.upto == there.user_ids.last else users.upto), ledger.entries


def _compare(
    there: Transaction, here: Transaction, users: Users, findings: Findings, undone: "_Undone"
) -> None:
    compared = compare(
        ledger_ranges.effects(there, "application", users, settled_after_seconds=SETTLED_AFTER_SECONDS),
        ledger_ranges.effects(here, "checkout", users, settled_after_seconds=SETTLED_AFTER_SECONDS),
    )
    for key, entries in compared.repeated.items():
        findings.add("EffectTwiceInLedger", {"effect_key": key, "entries": entries})
    for entry, expected in compared.differing:
        findings.add("EntryDiffersFromPayment", _facts(entry) | {"expected": _facts(expected)})
    statuses = _statuses(here, compared.unexplained)
    for entry in compared.unexplained:
        if entry.effect_key in statuses:
            findings.add("EntryDiffersFromPayment", _facts(entry) | {"status": statuses[entry.effect_key]})
        else:
            findings.add("CreditWithoutTransaction", _facts(entry))
    places = whereabouts.find(there, [seen.effect for seen in compared.absent])
    for seen in compared.absent:
        place = places[seen.effect_key]
        # What is entered differently is reported with its entry.
        if place is Place.NOWHERE and seen.is_settled:
            findings.add("PaymentNotInLedger", _facts(seen))
        if place is Place.DISCARDED:
            undone.discard([seen])
        elif place is not Place.ENTERED:
            undone.leave(seen)


class _Undone:
    """The movements of each payment that did not change the balance, by decision or for other reasons.

    A payment whose credit was discarded is settled once Stripe has given the money back, and a refund that
    was discarded once it has failed: in sum, nothing moved.
    """

    def __init__(self) -> None:
        self._of_payment: dict[tuple[str, str], list[Seen]] = {}
        self._discarded: set[str] = set()

    def discard(self, movements: Iterable[Seen]) -> None:
        for seen in movements:
            self._discarded.add(seen.effect_key)
            self.leave(seen)

    def leave(self, seen: Seen) -> None:
        payment = seen.payment_intent_id or seen.request_id or seen.effect_key
        self._of_payment.setdefault((payment, seen.currency), []).append(seen)

    def outstanding(self, judged: Set[str]) -> Iterator[Row]:
        """Also those of a `judged` key that add up to nothing now."""
        for movements in self._of_payment.values():
            cents = sum(seen.amount_cents for seen in movements)
            discarded = [seen.effect_key for seen in movements if seen.effect_key in self._discarded]
            if discarded and (cents or not judged.isdisjoint(discarded)):
                yield {
                    "discarded": sorted(discarded),
                    "user_id": movements[0].user_id,
                    "payment_intent_id": movements[0].payment_intent_id,
                    "amount_cents": cents,
                    "currency": movements[0].currency,
                }


def _statuses(here: Transaction, unexplained: Collection[Seen]) -> dict[str, str]:
    """The status of the payment or reversal that each of these entries names, by effect key."""
    if not unexplained:
        return {}
    of_request, of_intent = ledger_ranges.statuses(
        here, {_request(seen) for seen in unexplained}, {_intent(seen) for seen in unexplained}
    )
    reversals = [seen.effect_key for seen in unexplained if not is_credit(seen.effect_key)]
    known = reversals_table.states(here, reversals) if reversals else {}
    for seen in unexplained:
        status = of_intent.get(_intent(seen)) or of_request.get(_request(seen))
        if status is not None:
            known.setdefault(seen.effect_key, status)
    return known


def _request(seen: Seen) -> str:
    return seen.effect_key.partition(":")[2] if is_credit(seen.effect_key) else seen.request_id or ""


def _intent(seen: Seen) -> str:
    return seen.payment_intent_id or ""


def _facts(seen: Seen) -> dict[str, Any]:
    return {
        "effect_key": seen.effect_key,
        "user_id": seen.user_id,
        "amount_cents": seen.amount_cents,
        "currency": seen.currency,
    }
