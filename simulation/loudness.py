"""What a person must look at has been announced by a metric that an alarm watches; and nothing else is.

What there is to announce follows from the tables and from what is true at Stripe, and not from what the code
found. Of the release before nothing is heard.
"""

from collections.abc import Callable, Collection
from typing import Any

from simulation.broken import Broken
from simulation.contested import contested
from simulation.kafka import FINISHED
from simulation.metrics import Heard
from simulation.own import own
from simulation.server import APP_ID
from simulation.stripe_model.oddities import FRAUD_WARNING
from simulation.world import World

OUTBOX_SECONDS = 900
WAITING_SECONDS = 2 * 3600
"""After so long an alarm is raised."""

LISTED = 5
_STUCK_ALARMS = {"OutboxStuck", "EventsStuck"}

_LOST = "its entry was lost with a restore"
"""An operator must say whose it is."""
_PARKED = (
    "SELECT topic, partition, kafka_offset AS offset, effect_key,"
    "   NOT starts_with(effect_key, 'dispute_won:')"
    "   AND (NOT starts_with(effect_key, 'refund_failed:') OR EXISTS"
    "   (SELECT FROM ledger_entries e WHERE e.user_id = p.user_id"
    "     AND e.effect_key = replace(p.effect_key, 'refund_failed:', 'refunded:')))"
    "   AND (starts_with(effect_key, 'success:') OR EXISTS"
    "   (SELECT FROM ledger_entries e WHERE e.payment_intent_id = p.payment_intent_id AND kind = 'success'))"
    "   AS is_alone"
    " FROM parked_events p WHERE resolution IS NULL"
)
"""A reversal whose credit is on its way, and what gives back what is not taken yet, wait for that."""
_HELD = "SELECT event_id FROM stripe_events WHERE outcome = 'held'"
_STUCK = (
    "SELECT 'OutboxStuck' AS name, NULL AS intent, false AS is_processing FROM outbox"
    " WHERE created_at < to_timestamp(%s)"
    " UNION SELECT 'EventsStuck', payment_intent_id, EXISTS (SELECT FROM checkout_transactions t"
    "   WHERE t.payment_intent_id = e.payment_intent_id AND status = 'payment_processing')"
    " FROM stripe_events e WHERE outcome = 'waiting' AND received_at < to_timestamp(%s)"
)


def left_to_operators(world: World) -> tuple[bool, bool]:
    """Whether a record is parked, and whether an event is held: each of them was announced."""
    parked, held = world.application.rows(_PARKED), world.checkout.rows(_HELD)
    if world.has_release_before:
        return bool(parked), bool(held)
    if parked:
        said = {
            (one.about["topic"], one.about["partition"], one.about["offset"])
            for one in world.metrics.heard
            if one.name == "RecordParked"
        }
        silent = [one for one in parked if one["is_alone"] is not False and _place(one) not in said]
        if silent:
            raise Broken("what is parked is announced", f"{silent[:LISTED]}")
    if held and not world.metrics.about("ReversalHeld", "effect_key"):
        unsaid = {one["event_id"] for one in held} - world.metrics.about("StripeEventHeld", "event_id")
        if unsaid:
            raise Broken("what is held is announced", f"{sorted(unsaid)[:LISTED]}")
    return bool(parked), bool(held)


def _place(row: dict[str, Any]) -> tuple[Any, ...]:
    return row["topic"], row["partition"], row["offset"]


# verify


def verify(world: World) -> set[str]:
    """The names of the offences that it found."""
    found = verified(
        world,
        lambda: world.processes.run(lambda system: own(system, "operations.verbs.verify").Verify(system)()),
        lambda findings: {one.name for one in findings if one.count},
    )
    return {one.name for one in found if one.is_offence and one.count}


def verified(world: World, verify: Callable[[], Any], names: Callable[[Any], Collection[str]]) -> Any:
    """What `verify` returns. What it found, and what has been stuck for long, was announced, and nothing else
    was."""
    is_heard = world.is_alone and not world.has_release_before
    must, may = _stuck(world) if is_heard else (set(), set())
    interruptions = world.interruptions
    found = verify()
    if isinstance(found, BaseException) or not is_heard:
        return found
    run = world.metrics.last
    has_waited = world.interruptions != interruptions
    expected = {*names(found), *(() if has_waited else must)}
    if silent := [name for name in sorted(expected) if not sum(run.values(name))]:
        raise Broken("what verify finds is announced", f"{silent}")
    if not has_waited and (false := [name for name in sorted(_STUCK_ALARMS - may) if sum(run.values(name))]):
        raise Broken("no alarm is false", f"{false}")
    return found


def _stuck(world: World) -> tuple[set[str], set[str]]:
    """The alarms that are due, and those that may be: a debit takes days, at Stripe or as far as we know."""
    now = world.clock.epoch
    debits = {one["payment_intent"] for one in world.account.all("charge", status="pending")}
    rows = world.checkout.rows(_STUCK, [now - OUTBOX_SECONDS, now - WAITING_SECONDS])
    return (
        {one["name"] for one in rows if not one["is_processing"] and one["intent"] not in debits},
        {one["name"] for one in rows if not (one["is_processing"] and one["intent"] in debits)},
    )


# At the end


def at_end(world: World, since: int) -> None:
    """`since` is how much was heard before all was calm."""
    if world.has_release_before:
        return
    disputed = contested(world) | world.decided | world.misleading
    paid = [
        one
        for one in world.account.paid()
        if world.account.made_with(one["id"])["checkout_app"] == APP_ID
        and not {one["id"], one["payment_intent"]} & disputed
    ]
    _of_sessions(world, paid)
    _of_warnings(world)
    # What belongs to a record that is parked is parked with it.
    heard = world.metrics.heard
    is_asked = any(one.name == "RecordParked" and one.about["reason"].startswith(_LOST) for one in heard)
    if false := [one for one in heard if one.name == "SecondPayment" and _is_false(world, one)]:
        raise Broken("no second payment is alleged", f"{dict(false[0].about)}")
    has_parked = is_asked or any(map(_is_of_payment, heard[:since]))
    for one in heard[since:]:
        if not (has_parked and _is_of_payment(one)) and _is_false(world, one):
            raise Broken("no alarm is false", f"{one.name}: {dict(one.about)}")


def _of_sessions(world: World, paid: list[dict[str, Any]]) -> None:
    second = world.metrics.about("SecondPayment", "session_id")
    by_request: dict[str, set[str]] = {}
    for session in paid:
        by_request.setdefault(session["metadata"]["request_id"], set()).add(session["id"])
    for request_id, sessions in by_request.items():
        if len(sessions - second) > 1:
            raise Broken("a second payment is announced", f"{request_id}: {sorted(sessions)}")
    if world.works_at_once:
        return  # Their log has one request_id for all.
    differing = world.metrics.about("PaidDiffersFromAsked", "request_id")
    for session in paid:
        asked = world.account.states[session["id"]][0]["amount_subtotal"]
        request_id = session["metadata"]["request_id"]
        names = {request_id, f"{request_id}:{session['id']}".lower()}
        if session["amount_subtotal"] != asked and session["success_url"] and not names & differing:
            raise Broken("a payment that differs from what was asked is announced", f"{request_id}")


def _of_warnings(world: World) -> None:
    said = world.metrics.about("EarlyFraudWarning", "event_id")
    for event in world.account.events:
        intent = event["data"]["object"].get("payment_intent")
        if event["type"] != FRAUD_WARNING or intent in world.decided or event["id"] in said:
            continue
        if world.account.now(intent)["metadata"]["checkout_app"] == APP_ID:
            raise Broken("a warning is announced", event["id"])


def _is_of_payment(heard: Heard) -> bool:
    """A record of a payment is parked, and not somebody's nonsense."""
    return heard.name == "RecordParked" and heard.about["effect_key"] not in (None, "success:p")


def _is_false(world: World, heard: Heard) -> bool:
    """Once nothing fails any more, and with nothing about which a person must decide, or has decided."""
    if heard.name == "SecondPayment":
        return not _has_several(world, heard.about["session_id"])
    if heard.name not in _ALARMS or world.decided or contested(world):
        return heard.name == "ReconcilerSkipped"
    if heard.name == "PaymentContradicted":
        return heard.about["session_id"] not in world.contradicted
    if heard.name == "UnfinishedTransaction":
        return heard.about.get("session_id") not in world.forgotten
    if heard.name == "RecordParked":
        topic, partition, offset = (heard.about[name] for name in ("topic", "partition", "offset"))
        record = world.topics[topic].partitions[partition][offset]
        # Of requests those of somebody who claims another one's are parked.
        return topic == FINISHED and record is not None and record.value not in world.poison
    return True


_ALARMS = {
    *("RecordParked", "StripeEventHeld", "ReversalHeld", "PaymentContradicted", "UnfinishedTransaction"),
    *("PaymentWithoutEvidence", "ReconcilerSkipped", "OutboxStuck", "EventsStuck"),
}


def _has_several(world: World, session_id: str) -> bool:
    """The request of this session has others."""
    session = world.account.now(session_id)
    request_id = session["metadata"]["request_id"]
    # One that was recovered takes the place of one that was not paid.
    is_recovered = session["recovered_from"] is not None
    sessions = world.account.paid() if is_recovered else world.account.all("checkout.session")
    return any(one["metadata"]["request_id"] == request_id for one in sessions if one["id"] != session_id)
