"""Decisions of operators never to apply something, which must outlive a restore of either database. Discarded
records have a copy in the checkout database; discarded refunds and disputes are in the operators' journal,
which both databases have, and a restore takes from one of them.

If the process dies between the two commits, the checkout database has a discard that the other one does not
have: the record is still open there, and an operator decides again. A decision that is taken back is deleted
here first: the record is still discarded in the application's database, but not after a restore of it.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from checkout.base.postgres import Database
from checkout.base.user_ids import UserIds
from checkout.ledger import parked, whereabouts
from checkout.ledger import table as ledger
from checkout.ledger.parked import ParkedRecord
from checkout.ledger.whereabouts import Place
from checkout.outbox.fields import Unprocessable
from checkout.outbox.finished_event import CheckoutFinishedEvent, decoded
from checkout.payments import reversals
from checkout.payments import table as payments_table
from checkout.reconciliation import discarded_effects
from checkout.reconciliation import operator_journal as journal
from checkout.reconciliation.discarded_effects import Discarded

AT_ONCE = 500


class Decisions:
    def __init__(self, checkout: Database, application: Database) -> None:
        self._checkout = checkout
        self._application = application

    def keep(self, records: Sequence[ParkedRecord], *, reason: str, operator: str | None) -> None:
        """Keep that they are discarded. Call it before the application's transaction commits. Raises
        DatabaseUnavailable."""
        discarded = [_discarded(record, reason, operator, self._application.user_ids) for record in records]
        with self._checkout.transaction() as tx:
            discarded_effects.keep(tx, [one for one in discarded if one is not None])

    def take_back(self, records: Sequence[ParkedRecord]) -> None:
        """Forget that they were discarded, since they are applied. Call it before the application's
        transaction commits. Raises DatabaseUnavailable."""
        keys = {record.effect_key for record in records if record.effect_key is not None}
        with self._checkout.transaction() as tx:
            discarded_effects.take_back(tx, keys)

    def restore(self, since: float) -> None:
        """Discard again what one of the databases lost with a restore: records that are not in the ledger,
        also those that it still has parked, and refunds and disputes that were discarded since then (epoch
        seconds). Raises DatabaseUnavailable."""
        self._restore_records()
        self._restore_reversals(since)

    def _restore_records(self) -> None:
        last: Discarded | None = None
        while True:
            with self._checkout.transaction() as tx:
                page = discarded_effects.page(tx, behind=last, limit=AT_ONCE)
            for part in _without_rivals(page):
                self._discard_again(part)
            if len(page) < AT_ONCE:
                return
            last = page[-1]

    def _restore_reversals(self, since: float) -> None:
        kept, others = (self._acts(database, since) for database in (self._checkout, self._application))
        for decision in _in_force(sorted((others | kept).values(), key=lambda act: act["at"])):
            if decision.act_id in kept:
                # What the checkout database has in its journal it has not lost.
                continue
            with self._checkout.transaction() as tx:
                if decision.payment_intent_id is not None:
                    payments_table.lock_payment_intent(tx, decision.payment_intent_id)
                reversals.discard(
                    tx,
                    decision.object_id,
                    payment_intent_id=decision.payment_intent_id,
                    event_id=decision.event_id,
                    reason=decision.reason,
                )

    def _acts(self, database: Database, since: float) -> dict[str, dict[str, Any]]:
        """By id, discards and replays of events in this database's journal."""
        with database.transaction() as tx:
            acts = journal.done_since(tx, ("held discard", "held replay"), since)
        return {act["act_id"]: act for act in acts}

    def _discard_again(self, page: Sequence[Discarded]) -> None:
        """No two of them have the same effect key."""
        with self._application.transaction() as tx:
            # The consumer locks the users, too, so it comes entirely before or after this.
            ledger.lock_users(tx, {one.user_id for one in page})
            effects = [one.effect for one in page]
            # Locked before they are looked at, since a user who is not there yet cannot be.
            unapplied = parked.unapplied_of(tx, effects)
            places = whereabouts.find(tx, effects)
            gone = [one for one in page if places[one.effect_key] in (Place.NOWHERE, Place.ENTERED_OTHERWISE)]
            if gone:
                discarded_effects.discard_again(tx, gone)
            for one in page:
                if places[one.effect_key] is Place.PARKED:
                    # The restore took the decision, and not the record.
                    ids = parked.open_among(unapplied, one.effect)
                    parked.resolve(tx, ids, "discarded", one.reason, one.operator)


def _without_rivals(page: Sequence[Discarded]) -> Sequence[Sequence[Discarded]]:
    """Parts in which each effect key comes once: two users can have claimed the same."""
    parts: list[list[Discarded]] = []
    times: Counter[str] = Counter()
    for one in page:
        if times[one.effect_key] == len(parts):
            parts.append([])
        parts[times[one.effect_key]].append(one)
        times[one.effect_key] += 1
    return parts


class _OfObject(NamedTuple):
    """The decision about a refund or dispute."""

    act_id: str
    object_id: str
    payment_intent_id: str | None
    event_id: str
    reason: str


def _in_force(acts: Sequence[Mapping[str, Any]]) -> Sequence[_OfObject]:
    """What was discarded and not taken back by a replay, oldest first."""
    decided: dict[str, _OfObject] = {}
    for act in acts:
        details = act["details"]
        if act["verb"] == "held discard":
            for object_id in details["objects"]:
                decided[object_id] = _OfObject(
                    act["act_id"],
                    object_id,
                    details["payment_intent_id"],
                    details["discarded"],
                    reversals.discarded_because(act["arguments"].get("reason"), act["operator"]),
                )
            continue
        for event in details["replayed"]:
            for object_id in [one for one in decided if _is_taken_back(decided[one], event)]:
                del decided[object_id]
    return list(decided.values())


def _is_taken_back(decision: _OfObject, replayed: Mapping[str, Any]) -> bool:
    revived = replayed.get("revived")
    if revived is not None:
        return decision.object_id in revived
    # An earlier release did not note it. It may have been anything of the payment: without a decision, what
    # Stripe says counts.
    intent = decision.payment_intent_id
    return decision.event_id == replayed["event_id"] or (
        intent is not None and intent == replayed["payment_intent_id"]
    )


def _discarded(
    record: ParkedRecord, reason: str, operator: str | None, user_ids: UserIds
) -> Discarded | None:
    """None if the record could not be read: then it has no effect that could be emitted again."""
    if (
        record.effect_key is None
        or record.user_id is None
        or record.amount_cents is None
        or record.currency is None
    ):
        return None
    event = _said(record.value, record.currency, user_ids)
    return Discarded(
        effect_key=record.effect_key,
        user_id=record.user_id,
        amount_cents=record.amount_cents,
        currency=record.currency,
        request_id=record.request_id,
        payment_intent_id=record.payment_intent_id,
        dispute_id=record.dispute_id,
        topic=record.topic,
        partition=record.partition,
        kafka_offset=record.kafka_offset,
        value=event.encoded() if event else None,
        parked_for=record.reason,
        reason=reason,
        operator=operator,
    )


def _said(value: bytes, currency: str, user_ids: UserIds) -> CheckoutFinishedEvent | None:
    try:
        return decoded(value, currency, user_ids) if value else None
    except Unprocessable:
        return None
