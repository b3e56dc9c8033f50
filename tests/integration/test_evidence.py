"""A row that says `payment_succeeded` becomes money only with evidence: the signed event, or Stripe's
answer."""

from typing import Any
from uuid import uuid4

import psycopg2
import pytest

from checkout.base.errors import StripeNotReached
from checkout.reconciliation.failures import Failures
from checkout.release.privileges import role_of
from tests.support.functions import Functions, system
from tests.support.inbox import outcome
from tests.support.roles import acting_as
from tests.support.stripe_events import event, session_object
from tests.support.stripe_reversals import KnownStripe
from tests.support.tail import Tail


def written(fns: Functions, session: dict[str, Any]) -> str:
    """A succeeded row that nothing stands behind: by hand, or by an earlier release that had read it at
    Stripe."""
    request_id = str(session["metadata"]["request_id"])
    fns.checkout(
        "INSERT INTO checkout_transactions (request_id, user_id, amount_cents, currency, purpose, status,"
        " stripe_session_id, payment_intent_id, paid_cents, paid_currency, completed_at) VALUES (%s, 1, 500,"
        " 'eur', 'balance_topup', 'payment_succeeded', %s, %s, 500, 'eur', now() - interval '1 hour')",
        (request_id, session["id"], session["payment_intent"]),
    )
    return request_id


def run() -> int:
    """The part of the reconciler that emits; returns how many."""
    with acting_as("reconciler"):
        reconcile = system().reconcile
        reconcile._evidence(deadline=float("inf"), failures=Failures())
        return reconcile._reemission(deadline=float("inf")).emitted


def due_again(fns: Functions) -> None:
    fns.checkout(
        "UPDATE checkout_transactions SET recheck_at = NULL, completed_at = now() - interval '1 hour'"
    )


def alerts(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.alert for record in caplog.records if hasattr(record, "alert")]


def test_a_row_of_an_earlier_release_is_asked_of_stripe_once(
    fns: Functions, known: KnownStripe, tail: Tail
) -> None:
    session = session_object(str(uuid4()))
    known.knows(session["id"], session)
    request_id = written(fns, session)

    assert run() == 1
    due_again(fns)
    assert run() == 1

    assert known.asked == [session["id"]]
    assert fns.row(request_id)["paid_read_at"] is not None
    fns.consume(*tail.read())
    assert fns.balance() == 500


@pytest.mark.parametrize(
    "at_stripe",
    [
        None,
        {"payment_status": "unpaid"},
        {"payment_status": "unpaid", "status": "open"},
        {"amount_total": 400},
        {"currency": "usd"},
        {"payment_intent": "pi_another"},
        {"metadata": {"request_id": "another", "user_id": "1"}},
        {"user_id": "2"},
        {"mode": "setup"},
    ],
    ids=["unknown", "unpaid", "open", "amount", "currency", "payment", "request", "user", "mode"],
)
def test_a_row_that_stripe_does_not_confirm_is_never_emitted_and_loud(
    fns: Functions,
    known: KnownStripe,
    tail: Tail,
    caplog: pytest.LogCaptureFixture,
    at_stripe: dict[str, Any] | None,
) -> None:
    session = session_object(str(uuid4()))
    request_id = written(fns, session)
    if at_stripe is not None:
        user = {"metadata": {**session["metadata"], **at_stripe}} if "user_id" in at_stripe else at_stripe
        known.knows(session["id"], {**session, **user})

    assert [run(), run()] == [0, 0]

    assert alerts(caplog) == ["PaymentWithoutEvidence"], "at doubling intervals"
    assert fns.row(request_id)["recheck_at"] is not None
    assert tail.read() == []
    assert system().reconcile._reemission.oldest_uncredited_seconds() >= 3600, "and its age is measured"


def test_a_row_without_a_session_is_never_emitted(
    fns: Functions, known: KnownStripe, caplog: pytest.LogCaptureFixture
) -> None:
    written(fns, session_object(str(uuid4())))
    fns.checkout("UPDATE checkout_transactions SET stripe_session_id = NULL")
    assert run() == 0
    assert (known.asked, alerts(caplog)) == ([], ["PaymentWithoutEvidence"])


def test_while_stripe_is_away_the_others_are_emitted(fns: Functions, known: KnownStripe, tail: Tail) -> None:
    def away() -> dict[str, Any]:
        raise StripeNotReached("Stripe could not be reached.")

    unproven = [session_object(str(uuid4())) for _ in range(2)]
    for session in unproven:
        known.knows(session["id"], away)
        written(fns, session)
    assert outcome(fns, event(session_object(str(uuid4())))) == "applied"
    tail.read()
    due_again(fns)

    assert run() == 1
    assert len(known.asked) == 1, "each would take as long to fail"
    assert len(tail.read()) == 1


def test_the_event_that_reported_it_is_evidence_if_it_is_of_this_payment(
    fns: Functions, known: KnownStripe
) -> None:
    paid = event(session_object(str(uuid4())))
    assert outcome(fns, paid) == "applied"
    # A payment that was made by its event, as one that was begun: Stripe was not asked.
    fns.checkout("UPDATE checkout_transactions SET paid_read_at = NULL")
    due_again(fns)
    assert run() == 1
    assert known.asked == []

    borrowed = session_object(str(uuid4()))
    written(fns, borrowed)
    fns.checkout("UPDATE checkout_transactions SET paid_event_id = %s", (paid["id"],))
    due_again(fns)
    assert run() == 1, "the first alone"
    assert known.asked == [borrowed["id"]]


def test_what_the_reconciler_reads_itself_has_its_evidence_by_the_same_commit(
    fns: Functions, known: KnownStripe, tail: Tail
) -> None:
    session = session_object(str(uuid4()))
    system().stripe_events.observe("checkout.session.completed", session)
    tail.read()
    due_again(fns)
    assert run() == 1
    assert known.asked == []
    assert len(tail.read()) == 1


INTERNET_FACING = ["create_session", "checkout_requests_consumer", "account"]
PAID = ("paid_cents", "paid_currency", "paid_event_id", "paid_read_at", "payment_intent_id", "credited_at")


@pytest.mark.parametrize("function", INTERNET_FACING)
def test_a_role_that_outsiders_reach_can_write_no_payment(fns: Functions, function: str) -> None:
    fns.checkout(
        "INSERT INTO checkout_transactions (request_id, user_id, amount_cents, currency, purpose, status)"
        " VALUES ('r1', 1, 500, 'eur', 'balance_topup', 'session_created')"
    )
    row = (
        "INSERT INTO checkout_transactions (request_id, user_id, amount_cents, currency, purpose, status{0})"
        " VALUES ('r2', 1, 500, 'eur', 'balance_topup', {1})"
    )
    forgeries = [
        row.format(", paid_cents, paid_currency", "'payment_succeeded', 500, 'eur'"),
        row.format("", "'payment_succeeded'"),
        "UPDATE checkout_transactions"
        " SET status = 'payment_succeeded', paid_cents = 500, paid_currency = 'eur'",
        "UPDATE checkout_transactions SET status = 'payment_succeeded'",
        "UPDATE checkout_transactions SET user_id = 2",
        "UPDATE checkout_transactions SET amount_cents = 1000000",
        "DELETE FROM checkout_transactions",
        *(f"UPDATE checkout_transactions SET {column} = DEFAULT" for column in PAID),
        "INSERT INTO stripe_events (event_id, type, payload, outcome) VALUES ('evt_1', 'x', '{}', 'applied')",
        "UPDATE discarded_reversals SET reason = 'mine'",
    ]
    for forgery in forgeries:
        with pytest.raises(psycopg2.Error) as refused:
            fns.checkout(f"SET LOCAL ROLE {role_of(function)}; {forgery}")
        assert refused.value.pgcode in ("42501", "23514"), forgery
