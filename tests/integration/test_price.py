"""What is credited is not what is paid: tax, discounts, packs with a bonus, rates, and what is free."""

import json
import time
from typing import Any
from uuid import uuid4

import pytest

from checkout.base.text import MAX_BIGINT
from checkout.ledger.decision import CONFLICT
from checkout.operations.verbs.verify import Verify
from tests.support import roles
from tests.support.functions import Functions, system
from tests.support.inbox import outcome, stored
from tests.support.reconciler import reconcile
from tests.support.stripe_events import event, session_object
from tests.support.stripe_reversals import KnownStripe
from tests.support.stripe_simulator import Simulator
from tests.support.tail import Tail


def priced(
    subtotal: int,
    total: int,
    *,
    discount: int = 0,
    tax: int = 0,
    promised: tuple[Any, Any] | None = None,
    **more: Any,
) -> dict[str, Any]:
    """A paid session; `promised` is `amount_cents` and `credit_cents` of its metadata."""
    session = session_object(str(uuid4()), amount=total, **more)
    session["amount_subtotal"] = subtotal
    session["total_details"] = {"amount_discount": discount, "amount_shipping": 0, "amount_tax": tax}
    if promised is not None:
        amount, credit = promised
        session["metadata"] |= {"amount_cents": amount, "credit_cents": credit}
    return session


NO_DETAILS: tuple[Any, ...] = ([], "none", {"amount_tax": -1}, {"amount_discount": "1"})


def free(subtotal: int, discount: int, **more: Any) -> dict[str, Any]:
    session = priced(subtotal, 0, discount=discount, payment_status="no_payment_required", **more)
    return {**session, "payment_intent": None}


def begun(fns: Functions, session: dict[str, Any], amount: int, credit: int | None) -> str:
    """The row as creating the session leaves it; returns the request_id."""
    request_id = str(session["metadata"]["request_id"])
    fns.checkout(
        "INSERT INTO checkout_transactions (request_id, user_id, amount_cents, credit_cents, currency,"
        " purpose, status, stripe_session_id)"
        " VALUES (%s, 1, %s, %s, 'eur', 'balance_topup', 'session_created', %s)",
        (request_id, amount, credit, session["id"]),
    )
    return request_id


def offences() -> dict[str, int]:
    """What `verify` finds, by check."""
    with roles.acting_as("operations"):
        return {finding.name: finding.count for finding in Verify(system())() if finding.count}


def paid_row(fns: Functions, request_id: str) -> tuple[int, ...]:
    row = fns.row(request_id)
    assert row["status"] == "payment_succeeded"
    return tuple(row[f"{name}_cents"] for name in ("amount", "credit", "paid", "tax", "discount"))


CASES = {
    "as asked": (priced(500, 500), (500, 500), 500),
    "tax exclusive": (priced(1000, 1190, tax=190), (1000, 1000), 1000),
    "tax inclusive": (priced(1000, 1000, tax=160), (1000, 1000), 1000),
    "a discount": (priced(1000, 800, discount=200), (1000, 1000), 1000),
    "a discount, and tax on the rest": (priced(1000, 952, discount=200, tax=152), (1000, 1000), 1000),
    "a pack with bonus": (priced(1000, 1190, tax=190), (1000, 1100), 1100),
    "100 credits a cent": (priced(1000, 1000), (1000, 100_000), 100_000),
    "10 cents a credit": (priced(1000, 1000), (1000, 100), 100),
    "a row of the release before": (priced(500, 500), (500, None), 500),
}


@pytest.mark.parametrize(("session", "asked", "credit"), CASES.values(), ids=CASES)
def test_what_is_credited(
    fns: Functions,
    tail: Tail,
    known: KnownStripe,
    session: dict[str, Any],
    asked: tuple[int, int | None],
    credit: int,
) -> None:
    request_id = begun(fns, session, *asked)
    details = session["total_details"]
    totals = (session["amount_total"], details["amount_tax"], details["amount_discount"])

    assert outcome(fns, event(session)) == "applied"

    assert known.asked == []
    assert paid_row(fns, request_id) == (asked[0], credit, *totals)
    [record] = tail.read()
    emitted = json.loads(record.value)
    assert (emitted["status"], emitted["amount_cents"]) == ("success", credit)
    assert tuple(emitted[f"{name}_cents"] for name in ("paid", "tax", "discount")) == totals
    assert fns.consume(record) == {"batchItemFailures": []}
    assert fns.balance() == credit
    shown = fns.get("/checkout/sessions/{request_id}", path={"request_id": request_id}).json
    assert (shown["credited"], shown["credit_cents"], shown["paid_cents"]) == (True, credit, totals[0])
    assert offences() == {}


def test_a_session_that_would_have_been_free_expires_as_any_other(fns: Functions, tail: Tail) -> None:
    """As soon as a code for all of it is entered, no payment is required; and then the customer leaves."""
    session = {**free(500, 500), "status": "expired"}
    request_id = begun(fns, session, 500, 500)

    assert outcome(fns, event(session, "checkout.session.expired")) == "applied"

    assert fns.row(request_id)["status"] == "session_expired"
    [record] = tail.read()
    assert json.loads(record.value)["status"] == "failed"


def test_what_a_code_made_free_is_credited(fns: Functions, tail: Tail) -> None:
    session = free(1000, 1000)
    request_id = begun(fns, session, 1000, 1100)

    for _ in range(2):
        outcome(fns, event(session))
    fns.consume(*tail.read())

    assert paid_row(fns, request_id) == (1000, 1100, 0, 0, 1000)
    assert fns.row(request_id)["payment_intent_id"] is None
    assert fns.balance() == 1100
    assert offences() == {}


def test_what_is_free_is_read_at_stripe(fns: Functions, known: KnownStripe, tail: Tail) -> None:
    """With a leaked secret anybody could sign such an event, and Stripe's books would not contradict it."""
    session = free(1000, 1000)
    begun(fns, session, 1000, 1100)
    known.knows(session["id"], session | {"status": "open", "payment_status": "unpaid"})

    assert outcome(fns, event(session)) == "waiting"

    assert known.asked == [session["id"]]
    fns.consume(*tail.read())
    assert fns.balance() == 0


@pytest.mark.parametrize("discount", [0, 999])
def test_what_is_free_without_a_full_discount_is_held(fns: Functions, discount: int) -> None:
    assert outcome(fns, event(free(1000, discount))) == "held"


def test_what_is_free_for_another_purpose_is_held(fns: Functions) -> None:
    """It could not be said on Kafka, where an amount is positive."""
    session = free(1000, 1000)
    session["metadata"]["purpose"] = "order"
    assert outcome(fns, event(session)) == "held"
    assert fns.checkout("SELECT FROM checkout_transactions") == [], "which the reconciler could not finish"


@pytest.mark.parametrize("then", ["free", "paid"])
def test_a_free_credit_of_before_a_restore_stands_for_its_session_alone(
    fns: Functions, tail: Tail, silent: Simulator, then: str
) -> None:
    """The request was repeated after the restore and has another session: its credit is not the first one's,
    though it has its key."""
    first = free(1000, 1000, promised=("1000", "1100"))
    request_id = begun(fns, first, 1000, 1100)
    assert outcome(fns, event(first)) == "applied"
    fns.consume(*tail.read())
    fns.checkout("DELETE FROM stripe_events; DELETE FROM checkout_transactions")  # Restored.
    another = priced(1000, 1000) if then == "paid" else free(1000, 1000)
    another["metadata"]["request_id"] = request_id
    begun(fns, another, 1000, 1100)

    assert outcome(fns, event(another)) == "applied"
    assert outcome(fns, event(first)) == "applied"
    fns.consume(*tail.read())

    entries = fns.application("SELECT effect_key, payment_intent_id FROM ledger_entries")
    assert entries == [{"effect_key": f"success:{request_id}", "payment_intent_id": first["id"]}]
    [parked] = fns.application("SELECT effect_key, payment_intent_id, reason FROM parked_events")
    assert parked == {
        "effect_key": f"success:{request_id}",
        "payment_intent_id": another["payment_intent"] or another["id"],
        "reason": CONFLICT,
    }
    # After an hour it would be compared with Stripe's books, too, which have nothing of it.
    fns.checkout("UPDATE checkout_transactions SET completed_at = completed_at - interval '30 minutes'")
    reconcile()
    assert reconcile(since=int(time.time()) - 3600)["lost_entries"]["missing"] == 0
    assert tail.read() == [], "one is in the ledger, and a person decides about the other"
    assert offences().keys() == {"RecordsParked"}
    listed = fns.get("/checkout/transactions").json["transactions"]
    assert {row["session_id"]: row["credited"] for row in listed} == {first["id"]: True, another["id"]: False}


def test_a_free_credit_that_a_release_without_names_has_entered_is_known_by_its_key(
    fns: Functions, tail: Tail
) -> None:
    session = free(1000, 1000)
    begun(fns, session, 1000, 1000)
    assert outcome(fns, event(session)) == "applied"
    [record] = tail.read()
    fns.consume({**json.loads(record.value), "session_id": None})
    fns.consume(record)

    [entry] = fns.application("SELECT payment_intent_id FROM ledger_entries")
    assert entry["payment_intent_id"] is None
    assert fns.balance() == 1000
    assert offences() == {}


def test_with_another_purpose_it_is_said_what_was_paid(fns: Functions, tail: Tail) -> None:
    session = priced(1000, 1190, tax=190, promised=("1000", "1000"))
    session["metadata"]["purpose"] = "order"
    assert outcome(fns, event(session)) == "applied"
    [record] = tail.read()
    assert json.loads(record.value)["amount_cents"] == 1190


@pytest.mark.parametrize(("subtotal", "credit"), [(400, 440), (1, 1), (2000, 2200), (999, 1098)])
def test_another_subtotal_is_credited_in_proportion_and_loud(
    fns: Functions, tail: Tail, capsys: pytest.CaptureFixture[str], subtotal: int, credit: int
) -> None:
    """1100 for 1000, rounded down. It becomes the row's."""
    session = priced(subtotal, subtotal)
    request_id = begun(fns, session, 1000, 1100)

    assert outcome(fns, event(session)) == "applied"
    fns.consume(*tail.read())

    assert paid_row(fns, request_id) == (1000, credit, subtotal, 0, 0)
    assert fns.balance() == credit
    assert "PaidDiffersFromAsked" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("asked", "subtotal"), [((1000, 100), 9), ((1, MAX_BIGINT), 2)], ids=["nothing", "beyond BIGINT"]
)
@pytest.mark.parametrize("has_row", [True, False])
def test_what_credits_nothing_or_too_much_is_held(
    fns: Functions, asked: tuple[int, int], subtotal: int, has_row: bool
) -> None:
    session = priced(subtotal, subtotal, promised=(str(asked[0]), str(asked[1])))
    if has_row:
        begun(fns, session, *asked)
    paid = event(session)
    assert outcome(fns, paid) == "held"
    assert "BIGINT" in stored(fns, paid)["reason"]
    rows = fns.checkout("SELECT status FROM checkout_transactions")
    assert rows == ([{"status": "session_created"}] if has_row else [])


def test_a_row_that_is_made_from_an_event_keeps_the_promise(fns: Functions, tail: Tail) -> None:
    """After a restore, whatever the settings are by then; and the second payment of a request."""
    session = priced(1000, 1190, tax=190, promised=("1000", "1100"))
    request_id = session["metadata"]["request_id"]
    assert outcome(fns, event(session)) == "applied"
    again = priced(1000, 1190, tax=190, promised=("1000", "1100"))
    again["metadata"]["request_id"] = request_id
    assert outcome(fns, event(again)) == "applied"

    fns.consume(*tail.read())

    assert paid_row(fns, request_id) == (1000, 1100, 1190, 190, 0)
    assert paid_row(fns, f"{request_id}:{again['id'].lower()}") == (1000, 1100, 1190, 190, 0)
    assert fns.balance() == 2200


def test_a_request_that_was_refused_promised_nothing(fns: Functions, tail: Tail) -> None:
    """So what the session promises that was made elsewhere, and paid, is credited."""
    session = priced(1000, 1190, tax=190, promised=("1000", "1100"))
    request_id = session["metadata"]["request_id"]
    fns.checkout(
        "INSERT INTO checkout_transactions (request_id, user_id, amount_cents, currency, purpose, status,"
        " error_message, completed_at)"
        " VALUES (%s, 1, 1000, 'eur', 'balance_topup', 'session_failed', 'There is no such user.', now())",
        (request_id,),
    )
    assert outcome(fns, event(session)) == "applied"

    fns.consume(*tail.read())

    assert paid_row(fns, request_id) == (1000, 1100, 1190, 190, 0)
    assert fns.balance() == 1100


@pytest.mark.parametrize(
    "promised",
    [
        *(("1000", None), (None, "1100"), (1000, 1100), ("0", "1100"), ("1000", "0"), ("1000", "-1100")),
        *(("1000", "1100.0"), ("1000", "01100"), ("1000", str(2**63)), ("1000", "٣"), ("1000", "")),
    ],
)
def test_a_promise_that_makes_no_sense_is_held(fns: Functions, promised: tuple[Any, Any]) -> None:
    paid = event(priced(1000, 1000, promised=promised))
    assert outcome(fns, paid) == "held"
    assert "credit_cents" in stored(fns, paid)["reason"]


@pytest.mark.parametrize(
    "change",
    [
        *({"amount_subtotal": subtotal} for subtotal in (0, -1, 1.5, "1000", True, 2**63)),
        *({"total_details": details} for details in NO_DETAILS),
    ],
)
def test_totals_that_make_no_sense_are_held(fns: Functions, change: dict[str, Any]) -> None:
    assert outcome(fns, event({**priced(1000, 1000), **change})) == "held"


def test_a_total_that_nothing_explains_is_read_at_stripe(
    fns: Functions, tail: Tail, known: KnownStripe
) -> None:
    session = priced(1000, 1190, tax=190)
    begun(fns, session, 1000, 1000)
    known.knows(session["id"], session)

    assert outcome(fns, event({**session, "amount_total": 100})) == "applied"

    assert known.asked == [session["id"]]
    assert paid_row(fns, session["metadata"]["request_id"])[2] == 1190


def test_what_the_release_before_has_credited_stays(fns: Functions, silent: Simulator, tail: Tail) -> None:
    """It credited what was paid. Emitted again, and compared, it is the same. (Stripe's books have no such
    payment.)"""
    session = priced(400, 400)
    request_id = begun(fns, session, 500, None)
    fns.checkout(
        "UPDATE checkout_transactions SET status = 'payment_succeeded', paid_cents = 400,"
        " paid_currency = 'eur', payment_intent_id = 'pi_1', completed_at = now() - interval '1 hour',"
        " paid_read_at = now() WHERE request_id = %s",
        (request_id,),
    )

    reconcile()
    fns.consume(*tail.read())

    assert fns.balance() == 400
    assert offences().keys() <= {"TotalsDifferFromStripe"}


def test_what_a_session_is_asked_for_is_written_with_it(fns: Functions, stripe: Simulator) -> None:
    created = fns.create({"amount_cents": 1234}).json
    row = fns.row(created["request_id"])
    promise = {"amount_cents": "1234", "credit_cents": "1234"}
    assert (created["credit_cents"], row["amount_cents"], row["credit_cents"]) == (1234, 1234, 1234)
    for metadata in (
        row["metadata"],
        row["stripe_parameters"]["metadata"],
        row["stripe_parameters"]["payment_intent_data"]["metadata"],
    ):
        assert promise.items() <= metadata.items()


def test_a_free_payment_counts_with_its_price_in_the_daily_limit(fns: Functions, stripe: Simulator) -> None:
    """Who has a code for 100 % could else have any number of them."""
    fns.set(DAILY_AMOUNT_CENTS_LIMIT="1000")
    session = free(700, 700)
    request_id = begun(fns, session, 700, 700)
    assert outcome(fns, event(session)) == "applied"

    assert fns.row(request_id)["paid_cents"] == 0
    assert fns.create({"amount_cents": 301}).status == 429
    assert fns.create({"amount_cents": 300}).status == 201
