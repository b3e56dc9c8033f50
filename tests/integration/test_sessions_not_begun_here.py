"""A paid session is credited if it was begun here and paid as asked; any other is read at Stripe first."""

import time
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest

from checkout.base.errors import StripeNotReached
from checkout.operations.verbs.erase import Erase
from checkout.payments import table as payments_table
from checkout.payments.payment import SMOKE_PAYMENT
from checkout.reconciliation.failures import Failures
from tests.support import roles
from tests.support.functions import Functions, forget_wiring, system
from tests.support.inbox import outcome, parsed, states, stored
from tests.support.reconciler import reconciler_tries
from tests.support.second_connection import second_connection, waiting
from tests.support.stripe_events import event, session_object
from tests.support.stripe_reversals import KnownStripe, dispute, payment_intent, refund
from tests.support.tail import Tail


def begun(fns: Functions, session: dict[str, Any], *, amount: int = 500, user_id: int = 1) -> None:
    """The row as creating the session leaves it."""
    fns.checkout(
        "INSERT INTO checkout_transactions (request_id, user_id, amount_cents, currency, purpose, status,"
        " stripe_session_id) VALUES (%s, %s, %s, 'eur', 'balance_topup', 'session_created', %s)",
        (session["metadata"]["request_id"], user_id, amount, session["id"]),
    )


def credited(fns: Functions, tail: Tail) -> int:
    fns.consume(*tail.read())
    return fns.balance()


# Whose event it is


def of_the_same_payment() -> list[tuple[dict[str, Any], str]]:
    return [
        (session_object(str(uuid4()), payment_intent="pi_1", amount=1_000_000), "checkout.session.completed"),
        (refund("pi_1"), "refund.created"),
        (dispute("pi_1", -500), "charge.dispute.funds_withdrawn"),
    ]


@pytest.mark.parametrize("what", range(3), ids=["session", "refund", "dispute"])
def test_an_event_of_a_connected_account_is_ignored_and_nothing_is_read(
    fns: Functions, known: KnownStripe, tail: Tail, what: int
) -> None:
    """They pay themselves with our metadata, where the endpoint listens to connected accounts, too."""
    resource, event_type = of_the_same_payment()[what]
    theirs = {**event(resource, event_type), "account": "acct_somebody_else"}
    assert outcome(fns, theirs) == "ignored"
    assert (known.asked, credited(fns, tail), states(fns)) == ([], 0, {})


@pytest.mark.parametrize("what", range(3), ids=["session", "refund", "dispute"])
def test_an_event_of_another_account_of_the_organisation_is_ignored(
    fns: Functions, known: KnownStripe, tail: Tail, what: int
) -> None:
    """Our key does not know what it is about, even after a while."""
    resource, event_type = of_the_same_payment()[what]
    theirs = {**event(resource, event_type, is_known=False), "context": "acct_somebody_else"}
    assert outcome(fns, theirs) == "waiting"
    assert (reconciler_tries(), stored(fns, theirs)["outcome"]) == (0, "waiting")
    fns.checkout("UPDATE stripe_events SET received_at = now() - interval '61 minutes'")
    assert (reconciler_tries(), stored(fns, theirs)["outcome"]) == (1, "ignored")
    assert credited(fns, tail) == 0


def test_an_organisation_s_event_of_a_session_not_begun_here_waits_until_stripe_shows_it(
    fns: Functions, known: KnownStripe, tail: Tail
) -> None:
    session = session_object(str(uuid4()))
    told = {**event(session, is_known=False), "context": "acct_ours"}
    assert outcome(fns, told) == "waiting"
    known.knows(session["id"], session)
    assert reconciler_tries() == 1
    assert credited(fns, tail) == 500


@pytest.mark.parametrize("what", [1, 2], ids=["refund", "dispute"])
def test_an_organisation_s_event_of_our_payment_waits_until_stripe_knows_its_object(
    fns: Functions, known: KnownStripe, tail: Tail, what: int
) -> None:
    (session, _), *_ = of_the_same_payment()
    session["amount_total"] = session["amount_subtotal"] = 500
    resource, event_type = of_the_same_payment()[what]
    assert outcome(fns, event(session)) == "applied"
    told = {**event(resource, event_type, is_known=False), "context": "acct_ours"}
    assert outcome(fns, told) == "waiting"
    fns.checkout("UPDATE stripe_events SET received_at = now() - interval '61 minutes'")
    assert (reconciler_tries(), stored(fns, told)["outcome"]) == (0, "waiting")
    known.knows(resource["id"], resource)
    assert reconciler_tries() == 1
    assert credited(fns, tail) == 0


def test_an_organisations_event_of_our_account_is_applied(
    fns: Functions, known: KnownStripe, tail: Tail
) -> None:
    """It is known by our key; and it is read, although the session was begun here."""
    session = session_object(str(uuid4()))
    begun(fns, session)
    known.knows(session["id"], session)
    assert outcome(fns, {**event(session), "context": "acct_ours"}) == "applied"
    assert known.asked == [session["id"]]
    assert credited(fns, tail) == 500


@pytest.mark.parametrize("mode", ["subscription", "setup"])
def test_a_session_of_another_mode_is_held(fns: Functions, tail: Tail, mode: str) -> None:
    other = event({**session_object(str(uuid4())), "mode": mode})
    assert outcome(fns, other) == "held"
    assert "mode" in stored(fns, other)["reason"]


def test_paid_without_a_payment_intent_is_held(fns: Functions) -> None:
    """Nothing could ever take it back."""
    without = event({**session_object(str(uuid4())), "payment_intent": None})
    assert outcome(fns, without) == "held"
    assert "payment intent" in stored(fns, without)["reason"]


# Whether Stripe is asked


def test_a_session_that_was_begun_here_and_paid_as_asked_is_not_read(
    fns: Functions, known: KnownStripe, tail: Tail
) -> None:
    session = session_object(str(uuid4()))
    begun(fns, session)
    known.knows(session["id"], session)
    for status in ("unpaid", "paid"):
        assert outcome(fns, event({**session, "payment_status": status})) == "applied"
    assert (known.asked, credited(fns, tail)) == ([], 500)


Change = Callable[[dict[str, Any]], dict[str, Any]]


@pytest.mark.parametrize(
    ("row", "told", "amount"),
    [
        (None, {}, 500),
        ({"amount": 900}, {}, 500),
        ({"amount": 500}, {"amount_total": 900}, 500),
        ({"amount": 500}, {"currency": "usd"}, 500),
    ],
    ids=["no row", "asked for more", "says more than was paid", "says another currency"],
)
def test_any_other_is_credited_as_stripe_has_it(
    fns: Functions,
    known: KnownStripe,
    tail: Tail,
    row: dict[str, int] | None,
    told: dict[str, Any],
    amount: int,
) -> None:
    session = session_object(str(uuid4()))
    if row is not None:
        begun(fns, session, **row)
    known.knows(session["id"], session)
    assert outcome(fns, event({**session, **told})) == "applied"
    assert known.asked == [session["id"]]
    assert credited(fns, tail) == amount


def test_a_row_without_a_session_does_not_vouch_for_one(
    fns: Functions, known: KnownStripe, tail: Tail
) -> None:
    """The process died before Stripe's answer was stored."""
    session = session_object(str(uuid4()))
    begun(fns, session)
    fns.checkout("UPDATE checkout_transactions SET stripe_session_id = NULL, status = 'session_pending'")
    known.knows(session["id"], session)
    assert outcome(fns, event(session)) == "applied"
    assert (known.asked, credited(fns, tail)) == ([session["id"]], 500)


@pytest.mark.parametrize("payment_status", ["unpaid", "paid"])
def test_a_session_that_stripe_does_not_know_makes_no_row(
    fns: Functions, known: KnownStripe, tail: Tail, payment_status: str
) -> None:
    """An unpaid one neither: what is paid afterwards would be believed because of its row."""
    unknown = event(session_object(str(uuid4()), payment_status=payment_status), is_known=False)
    assert outcome(fns, unknown) == "waiting"
    assert fns.checkout("SELECT 1 FROM checkout_transactions") == []

    fns.checkout("UPDATE stripe_events SET received_at = received_at - interval '25 hours'")
    assert reconciler_tries() == 1
    assert stored(fns, unknown)["outcome"] == "held"
    assert credited(fns, tail) == 0


@pytest.mark.parametrize(
    ("at_stripe", "expected"),
    [
        ({"payment_status": "unpaid"}, "waiting"),
        ({"status": "open", "payment_status": "unpaid"}, "waiting"),
        ({"metadata": {"checkout_app": "another"}}, "held"),
        ({"metadata": {}}, "held"),
        ({"mode": "setup"}, "held"),
        ({"payment_intent": None}, "held"),
    ],
    ids=["unpaid", "open", "another application's", "nobody's", "setup", "no payment intent"],
)
def test_what_stripe_says_counts(
    fns: Functions, known: KnownStripe, tail: Tail, at_stripe: dict[str, Any], expected: str
) -> None:
    session = session_object(str(uuid4()))
    known.knows(session["id"], {**session, **at_stripe})
    assert outcome(fns, event(session)) == expected
    assert (credited(fns, tail), fns.checkout("SELECT 1 FROM checkout_transactions")) == (0, [])


def test_stripe_away_stores_nothing_so_that_it_is_sent_again(fns: Functions, known: KnownStripe) -> None:
    session = session_object(str(uuid4()))

    def away() -> dict[str, Any]:
        raise StripeNotReached("Stripe could not be reached.")

    known.knows(session["id"], away)
    told = event(session)
    assert fns.webhook(told).status == 502
    assert fns.checkout("SELECT 1 FROM stripe_events") == []
    assert system().stripe_events.record(parsed(told), keep_unread=True) == "waiting"

    known.knows(session["id"], session)
    assert reconciler_tries() == 1
    assert fns.row(session["metadata"]["request_id"])["status"] == "payment_succeeded"


def test_a_request_that_is_begun_while_stripe_is_asked_gets_its_payment(
    fns: Functions, known: KnownStripe, tail: Tail
) -> None:
    session = session_object(str(uuid4()))

    def meanwhile() -> dict[str, Any]:
        begun(fns, session)
        return session

    known.knows(session["id"], meanwhile)
    assert outcome(fns, event(session)) == "applied"
    assert len(fns.checkout("SELECT 1 FROM checkout_transactions")) == 1
    assert credited(fns, tail) == 500


@pytest.mark.parametrize("session_id", [None, "cs_test_another"], ids=["no session yet", "another session"])
def test_a_request_that_is_begun_while_its_row_is_made(
    fns: Functions, known: KnownStripe, tail: Tail, session_id: str | None
) -> None:
    session = session_object(str(uuid4()))
    known.knows(session["id"], session)
    with second_connection(fns.settings["CHECKOUT_DATABASE_URL"]) as request:
        request.execute(
            "INSERT INTO checkout_transactions (request_id, user_id, amount_cents, currency, purpose, status,"
            " stripe_session_id) VALUES (%s, 1, 500, 'eur', 'balance_topup', 'session_pending', %s)",
            (session["metadata"]["request_id"], session_id),
        )
        applied = waiting(fns.settings["CHECKOUT_DATABASE_URL"], lambda: outcome(fns, event(session)))
        request.commit()

    assert applied.result(timeout=20) == "applied"
    paid = fns.checkout("SELECT stripe_session_id FROM checkout_transactions WHERE paid_cents = 500")
    assert [row["stripe_session_id"] for row in paid] == [session["id"]]
    assert len(fns.checkout("SELECT 1 FROM checkout_transactions")) == (1 if session_id is None else 2)
    assert credited(fns, tail) == 500


# Second payments, and sessions that were recovered


def alerts(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.alert for record in caplog.records if hasattr(record, "alert")]


def test_two_sessions_whose_ids_differ_in_case_alone_are_two_payments(fns: Functions, tail: Tail) -> None:
    """Stripe's ids are case-sensitive, and request_ids are kept in lower case."""
    request_id = str(uuid4())
    for session_id in ("cs_test_first", "cs_test_aB", "cs_test_Ab"):
        paid = event(session_object(request_id, session_id=session_id))
        assert [outcome(fns, paid), outcome(fns, {**paid, "id": f"twin_{paid['id']}"})] == ["applied"] * 2
    rows = fns.checkout("SELECT request_id, stripe_session_id FROM checkout_transactions ORDER BY id")
    assert [row["stripe_session_id"] for row in rows] == ["cs_test_first", "cs_test_aB", "cs_test_Ab"]
    assert rows[1]["request_id"] == f"{request_id}:cs_test_ab"
    assert rows[2]["request_id"].startswith(f"{request_id}:cs_test_ab:")
    assert credited(fns, tail) == 1500


def test_another_request_that_has_the_name_of_a_second_payment_keeps_its_row(
    fns: Functions, tail: Tail
) -> None:
    """A service can ask for any request_id; the payment is not credited to the user of that one."""
    fns.add_users(2)
    request_id = str(uuid4())
    begun(fns, session_object(f"{request_id}:cs_test_second", session_id="cs_test_other"), user_id=2)
    for session_id in ("cs_test_first", "cs_test_second"):
        assert outcome(fns, event(session_object(request_id, session_id=session_id))) == "applied"
    assert credited(fns, tail) == 1000
    assert (fns.balance(2), fns.row(f"{request_id}:cs_test_second")["status"]) == (0, "session_created")


def test_a_session_that_was_recovered_is_no_second_payment(
    fns: Functions, tail: Tail, caplog: pytest.LogCaptureFixture
) -> None:
    """Only one was paid: the one that Stripe made of the expired one."""
    expired = {**session_object(str(uuid4()), payment_status="unpaid"), "status": "expired"}
    begun(fns, expired)
    request_id = expired["metadata"]["request_id"]
    assert outcome(fns, event(expired, "checkout.session.expired")) == "applied"

    recovered = {**session_object(request_id), "recovered_from": expired["id"]}
    assert outcome(fns, event(recovered)) == "applied"

    assert (credited(fns, tail), alerts(caplog)) == (500, [])
    assert any("recovered" in record.message for record in caplog.records)

    again = {**session_object(request_id), "recovered_from": expired["id"]}
    assert outcome(fns, event(again)) == "applied"
    assert (credited(fns, tail), alerts(caplog)) == (1000, ["SecondPayment"])


def test_a_debit_that_settles_after_another_session_was_paid_is_a_second_payment(
    fns: Functions, tail: Tail, caplog: pytest.LogCaptureFixture
) -> None:
    """One expired session is recovered twice; the first one is paid by debit."""
    debit = {**session_object(str(uuid4()), payment_status="unpaid"), "recovered_from": "cs_test_expired"}
    request_id = debit["metadata"]["request_id"]
    assert outcome(fns, event(debit)) == "applied"
    at_once = {**session_object(request_id), "recovered_from": "cs_test_expired"}
    assert outcome(fns, event(at_once)) == "applied"
    assert alerts(caplog) == []

    settled = event({**debit, "payment_status": "paid"}, "checkout.session.async_payment_succeeded")
    assert outcome(fns, settled) == "applied"

    assert (credited(fns, tail), alerts(caplog)) == (1000, ["SecondPayment"])


# What contradicts a payment that has succeeded


@pytest.mark.parametrize(
    ("change", "event_type", "is_loud"),
    [
        ({"payment_status": "unpaid"}, "checkout.session.async_payment_failed", True),
        ({"payment_status": "unpaid", "status": "expired"}, "checkout.session.expired", True),
        ({"amount_total": 700}, "checkout.session.completed", True),
        ({"payment_intent": "pi_2"}, "checkout.session.completed", True),
        ({"payment_status": "unpaid"}, "checkout.session.completed", False),
        ({}, "checkout.session.async_payment_succeeded", False),
    ],
    ids=["failed", "expired", "another amount", "another payment", "processing", "paid again"],
)
def test_a_contradiction_is_loud_and_changes_nothing_and_what_is_late_is_neither(
    fns: Functions,
    tail: Tail,
    caplog: pytest.LogCaptureFixture,
    change: dict[str, Any],
    event_type: str,
    is_loud: bool,
) -> None:
    session = session_object(str(uuid4()), payment_intent="pi_1")
    begun(fns, session)
    assert outcome(fns, event(session)) == "applied"
    before = fns.row(session["metadata"]["request_id"])

    assert outcome(fns, event({**session, **change}, event_type)) == "applied"

    assert alerts(caplog) == (["PaymentContradicted"] if is_loud else [])
    assert fns.row(session["metadata"]["request_id"]) == before
    assert credited(fns, tail) == 500


def test_the_payment_that_a_smoke_test_makes_up_is_contradicted_in_silence(
    fns: Functions, caplog: pytest.LogCaptureFixture
) -> None:
    session = session_object(str(uuid4()), payment_intent=f"{SMOKE_PAYMENT}1")
    begun(fns, session)
    assert outcome(fns, event(session)) == "applied"
    expired = {**session, "payment_status": "unpaid", "status": "expired", "payment_intent": None}
    assert outcome(fns, event(expired, "checkout.session.expired")) == "applied"
    assert alerts(caplog) == []


# Metadata that somebody has changed at Stripe


def test_a_session_that_was_begun_here_is_ours_without_its_mark(
    fns: Functions, known: KnownStripe, tail: Tail
) -> None:
    session = session_object(str(uuid4()))
    begun(fns, session)
    del session["metadata"]["checkout_app"]
    assert outcome(fns, event(session)) == "applied"
    assert credited(fns, tail) == 500


def test_without_any_of_it_somebody_is_told(
    fns: Functions, known: KnownStripe, caplog: pytest.LogCaptureFixture
) -> None:
    session = session_object(str(uuid4()))
    begun(fns, session)
    fns.checkout("UPDATE checkout_transactions SET expires_at = now() - interval '1 hour'")
    known.knows(session["id"], {**session, "metadata": {}})
    with roles.acting_as("reconciler"):
        system().reconcile._unfinished(deadline=time.monotonic() + 30, failures=Failures())
    assert alerts(caplog) == ["UnfinishedTransaction"]
    assert outcome(fns, event({**session, "metadata": {}})) == "held"
    assert outcome(fns, event({**session, "metadata": None})) == "held"


# Another CHECKOUT_APP_ID for a while


def test_what_was_ignored_under_a_wrong_app_id_is_applied_when_it_is_right_again(
    fns: Functions, known: KnownStripe, tail: Tail
) -> None:
    foreign = session_object(str(uuid4()))
    foreign["metadata"]["checkout_app"] = "another"
    told = [event(session_object(str(uuid4()), payment_intent="pi_1")), event(foreign)]
    taken_back = refund("pi_2", amount=100)
    known.knows("pi_2", payment_intent("pi_2"))
    known.knows(taken_back["id"], taken_back)
    told.append(event(taken_back, "refund.created"))
    with fns.set(CHECKOUT_APP_ID="wrong"):
        restart()
        assert [outcome(fns, one) for one in told] == ["ignored"] * 3
        assert reconciler_tries() == 0
    restart()

    assert reconciler_tries() == 1, "and the refund waits for its payment"
    assert [stored(fns, one)["outcome"] for one in told] == ["applied", "ignored", "waiting"]
    assert outcome(fns, event(session_object(str(uuid4()), payment_intent="pi_2"))) == "applied"
    assert credited(fns, tail) == 900
    assert reconciler_tries() == 0


def test_a_session_that_was_begun_under_a_wrong_app_id_is_ours(
    fns: Functions, known: KnownStripe, tail: Tail
) -> None:
    """Its row says so. (Without one, its metadata decides.)"""
    session = session_object(str(uuid4()))
    session["metadata"]["checkout_app"] = "wrong"
    begun(fns, session)
    assert outcome(fns, event(session)) == "applied"
    assert credited(fns, tail) == 500


def restart() -> None:
    """As a deployment with other settings does; the `known` Stripe stays."""
    forget_wiring()


def test_events_of_other_applications_are_found_by_an_index(fns: Functions) -> None:
    """In a shared account they are most of the table, and the reconciler looks for ours among them."""
    fns.checkout(
        "INSERT INTO stripe_events (event_id, type, payload, outcome, reason, app_id)"
        " SELECT 'evt_' || number, 'checkout.session.completed', '{}', 'ignored', 'not of this application',"
        " 'another' FROM generate_series(1, 20000) AS number"
    )
    fns.checkout("ANALYZE stripe_events")
    plan = fns.checkout(
        "EXPLAIN SELECT event_id FROM stripe_events WHERE outcome = 'waiting'"
        " OR (outcome = 'ignored' AND reason = 'a type that nothing here depends on' AND type = ANY(%s))"
        " OR (outcome = 'ignored' AND app_id = 'ours') ORDER BY updated_at LIMIT 500",
        (["refund.created"],),
    )
    assert not any("Seq Scan" in row["QUERY PLAN"] for row in plan), plan


# What says nothing of a payment


@pytest.mark.parametrize(
    "body",
    [
        {
            "id": "evt_test_65RM8sQH2oXnebF",
            "object": "v2.core.event",
            "context": None,
            "created": "2026-11-22T16:26:54.063Z",
            "data": None,
            "livemode": False,
            "reason": None,
            "related_object": {
                "id": "ed_test_61RM8ltWcTW4mbsxf",
                "type": "event_destination",
                "url": "/v2/x",
            },
            "type": "v2.core.event_destination.ping",
        },
        {
            "id": "evt_thin",
            "object": "v2.core.event",
            "created": "2026-11-22T16:26:54.063Z",
            "livemode": True,
            "related_object": {"id": "cs_test_1", "type": "checkout.session", "url": "/v1/checkout/x"},
            "type": "v1.checkout.session.completed",
        },
    ],
    ids=["ping", "thin event"],
)
def test_a_ping_and_a_thin_event_are_stored_and_ignored(fns: Functions, body: dict[str, Any]) -> None:
    assert outcome(fns, body) == "ignored"
    assert outcome(fns, body) == "duplicate"
    assert stored(fns, body)["payload"] == body
    fns.checkout("UPDATE stripe_events SET received_at = now() - interval '100 days'")
    assert Erase(system()).older_than(90, deadline=float("inf")).events == 1
    assert system().stripe_events.retry(body["id"]) == "duplicate"


def test_is_any_paid_finds_the_request_and_its_second_payments_alone(fns: Functions) -> None:
    for request_id in ("r1", "r2:cs_test_1", "r10"):
        fns.checkout(
            "INSERT INTO checkout_transactions (request_id, user_id, amount_cents, currency, purpose, status,"
            " paid_cents, paid_currency) VALUES (%s, 1, 5, 'eur', 'x', 'payment_succeeded', 5, 'eur')",
            (request_id,),
        )
    with system().checkout_database.transaction() as cursor:
        found = [payments_table.is_any_paid(cursor, 1, one) for one in ("r1", "r2", "r", "r3")]
        assert payments_table.is_any_paid(cursor, 2, "r1") is False
    assert found == [True, True, False, False]
