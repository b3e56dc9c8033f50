"""Two paid sessions of one request that have swapped their names: the checkout database was restored, and
their events came again in the other order. A credit belongs to its payment intent, whatever request_id it is
under.
"""

import json
from uuid import uuid4

import pytest

from checkout.ledger import whereabouts
from checkout.ledger.whereabouts import Place
from checkout.operations.verbs.parked import ParkedRecords
from checkout.operations.verbs.verify import Verify
from checkout.outbox.effects import Effect
from tests.support.functions import Functions, finished, system
from tests.support.roles import acting_as
from tests.support.stripe_events import event, session_object

FIRST, SECOND = "cs_test_first", "cs_test_second"


@pytest.fixture
def swapped(fns: Functions) -> str:
    """The request. pi_first was credited under it; the request is now pi_second's, which nothing credited."""
    request_id = str(uuid4())
    fns.consume(finished(request_id, payment_intent_id="pi_first"))
    for session_id, intent in ((SECOND, "pi_second"), (FIRST, "pi_first")):
        session = session_object(request_id, session_id=session_id, payment_intent=intent)
        assert fns.webhook(event(session)).json["outcome"] == "applied"
    assert fns.row(request_id)["payment_intent_id"] == "pi_second"
    fns.checkout("UPDATE checkout_transactions SET completed_at = completed_at - interval '1 hour'")
    return request_id


def test_only_the_payment_of_which_there_is_an_entry_is_called_credited(fns: Functions, swapped: str) -> None:
    listed = fns.get("/checkout/transactions").json["transactions"]
    assert {row["session_id"]: row["credited"] for row in listed} == {FIRST: True, SECOND: False}


def test_only_the_payment_without_an_entry_is_emitted_again(fns: Functions, swapped: str) -> None:
    with acting_as("reconciler"):
        system().reconcile._reemission(deadline=float("inf"))
    seen = fns.checkout("SELECT payment_intent_id FROM checkout_transactions WHERE credited_at IS NOT NULL")
    assert [row["payment_intent_id"] for row in seen] == ["pi_first"]


def verified() -> dict[str, list[str]]:
    """The effect keys of what was found."""
    with acting_as("operations"):
        findings = {one.name: one.samples for one in Verify(system())() if one.count}
    return {
        name: [key for row in rows for key in row.get("discarded", [row.get("effect_key")])]
        for name, rows in findings.items()
    }


def test_verify_misses_the_one_payment_and_calls_nothing_wrong(fns: Functions, swapped: str) -> None:
    assert verified() == {"PaymentNotInLedger": [f"success:{swapped}"]}
    refunded = {"status": "refunded", "source_id": "re_1", "amount_cents": 500}
    fns.checkout(
        "INSERT INTO reversals (effect_key, kind, source_id, payment_intent_id, amount_cents, currency,"
        " state, emitted_at) VALUES ('refunded:re_1', 'refunded', 're_1', 'pi_first', 500, 'eur', 'emitted',"
        " now() - interval '1 hour')"
    )
    fns.consume(finished(swapped, payment_intent_id="pi_first", **refunded))
    assert verified() == {"PaymentNotInLedger": [f"success:{swapped}"]}, "a refund of the other is right"


def test_what_is_discarded_as_a_conflict_was_still_paid(fns: Functions, swapped: str) -> None:
    """The second payment cannot be entered under its key, which the first one's credit has."""
    park(fns, swapped, "pi_second")
    assert verified() == {"RecordsParked": [f"success:{swapped}"]}
    fns.application("UPDATE parked_events SET resolution = 'discarded', resolved_at = now()")
    assert verified() == {"DiscardedButPaid": [f"success:{swapped}"]}


def park(fns: Functions, request_id: str, intent: str) -> None:
    """As the consumer does with a credit that the ledger has for another payment."""
    record = finished(request_id, payment_intent_id=intent)
    fns.application(
        "INSERT INTO parked_events (topic, partition, kafka_offset, value, reason, effect_key, request_id,"
        " user_id, amount_cents, currency) VALUES ('checkout.finished', 0, 7, %s, 'a conflict', %s, %s, 1,"
        " 500, 'eur')",
        (json.dumps(record).encode(), f"success:{request_id}", request_id),
    )


def test_a_decision_about_one_payment_says_nothing_of_another_under_its_key(fns: Functions) -> None:
    fns.consume(finished("r1", user_id=7, payment_intent_id="pi_first"))
    [record] = fns.application("SELECT id FROM parked_events")
    with acting_as("operations"):
        ParkedRecords(system()).discard(record["id"], reason="a test account")
    assert place_of(credit("r1", "pi_first")) is Place.DISCARDED
    assert place_of(credit("r1", None)) is Place.DISCARDED, "nothing says that it is another"
    assert place_of(credit("r1", "pi_second")) is Place.NOWHERE
    fns.application("UPDATE parked_events SET value = '', value_hash = sha256('x'), erased_at = now()")
    assert place_of(credit("r1", "pi_first")) is Place.DISCARDED


def test_an_entry_that_knows_no_payment_intent_is_found_by_its_key(fns: Functions) -> None:
    fns.consume(finished("r1"))
    assert place_of(credit("r1", "pi_first", user_id=1)) is Place.ENTERED
    assert place_of(credit("r1", "pi_first")) is Place.ENTERED_OTHERWISE


def credit(request_id: str, payment_intent_id: str | None, user_id: int = 7) -> Effect:
    return Effect(
        f"success:{request_id}", user_id, 500, "eur", "success", request_id, None, payment_intent_id
    )


def place_of(effect: Effect) -> Place:
    with acting_as("reconciler"), system().application_database.transaction() as cursor:
        return whereabouts.find(cursor, [effect])[effect.effect_key]


def test_a_credit_parked_under_another_request_is_found_by_its_payment_intent(fns: Functions) -> None:
    parked = finished("request-before-the-restore", payment_intent_id="pi_1", currency="usd")
    fns.consume(parked)
    effect = Effect("success:request-since", 1, 500, "usd", "success", "request-since", None, "pi_1")
    with system().application_database.transaction() as cursor:
        assert whereabouts.find(cursor, [effect]) == {effect.effect_key: Place.PARKED}
