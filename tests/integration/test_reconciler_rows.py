"""The reconciler next to somebody who holds a row; and the order in which it records what it finds."""

import logging
import time
from typing import Any
from uuid import uuid4

import pytest

from checkout.base import postgres, telemetry
from checkout.outbox.producer import KafkaPublisher, Published
from checkout.payments.stripe_api import StripeApi
from checkout.reconciliation import unfinished_table
from checkout.reconciliation.comparisons_table import PAYMENTS, REVERSALS, Comparisons
from checkout.reconciliation.failures import Failures
from checkout.reconciliation.uncredited import Compared, Reemission
from checkout.reconciliation.unfinished import Unfinished
from tests.support import functions
from tests.support.functions import Functions, system
from tests.support.roles import acting_as
from tests.support.second_connection import second_connection
from tests.support.stripe_events import event, session_object
from tests.support.stripe_reversals import KnownStripe, refund


@pytest.fixture(autouse=True)
def impatient(fns: Functions, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(postgres.SESSION, "lock_timeout", "100ms")
    functions.forget_wiring()


def add_expired(fns: Functions, *session_ids: str) -> None:
    for session_id in session_ids:
        fns.checkout(
            "INSERT INTO checkout_transactions (request_id, user_id, amount_cents, currency, purpose, status,"
            " stripe_session_id, expires_at) VALUES"
            " (%s, 1, 500, 'eur', 'balance_topup', 'session_created', %s, now() - interval '1 day')",
            (session_id, session_id),
        )


@pytest.fixture
def reemission(fns: Functions, known: KnownStripe, monkeypatch: pytest.MonkeyPatch) -> Reemission:
    """Two payments and a refund of each, emitted a day ago to brokers that are away."""
    monkeypatch.setattr(KafkaPublisher, "publish", lambda *_: Published())
    for intent in ("pi_1", "pi_2"):
        taken_back = refund(intent)
        known.knows(taken_back["id"], taken_back)
        fns.webhook(event(session_object(intent, payment_intent=intent)))
        fns.webhook(event(taken_back, "refund.created"))
    fns.checkout("UPDATE checkout_transactions SET completed_at = now() - interval '1 day'")
    fns.checkout("UPDATE reversals SET emitted_at = now() - interval '1 day'")
    return Reemission(
        system().checkout_database,
        system().application_database,
        system().delivery,
        system().config,
    )


def test_what_is_still_in_the_outbox_is_not_lost(fns: Functions, reemission: Reemission) -> None:
    assert reemission(deadline=time.monotonic() + 30) == Compared(credited=0, parked=0, emitted=0)
    fns.checkout("TRUNCATE outbox")
    assert reemission(deadline=time.monotonic() + 30).emitted == 4


def test_what_somebody_holds_keeps_nothing_else_from_being_emitted_again(
    fns: Functions, reemission: Reemission
) -> None:
    fns.checkout("TRUNCATE outbox")
    with second_connection(fns.settings["CHECKOUT_DATABASE_URL"]) as somebody:
        somebody.execute("SELECT 1 FROM checkout_transactions WHERE payment_intent_id = 'pi_1' FOR UPDATE")
        somebody.execute("SELECT 1 FROM reversals WHERE payment_intent_id = 'pi_1' FOR UPDATE")
        with acting_as("reconciler"):
            assert reemission(deadline=time.monotonic() + 30).emitted == 2
    queued = [row["effect_key"] for row in fns.checkout("SELECT effect_key FROM outbox ORDER BY id")]
    [of_other] = fns.checkout("SELECT effect_key FROM reversals WHERE payment_intent_id = 'pi_2'")
    assert queued == ["success:pi_2", of_other["effect_key"]]


@pytest.mark.parametrize("comparisons", [PAYMENTS, REVERSALS], ids=["payments", "reversals"])
def test_a_row_that_somebody_holds_is_neither_marked_nor_compared_again(
    fns: Functions, known: KnownStripe, comparisons: Comparisons
) -> None:
    for intent in ("pi_1", "pi_2"):
        taken_back = refund(intent)
        known.knows(taken_back["id"], taken_back)
        fns.webhook(event(session_object(intent, payment_intent=intent)))
        fns.webhook(event(taken_back, "refund.created"))
    table = comparisons.table
    names = [
        row["name"]
        for row in fns.checkout(f"SELECT {comparisons.key} AS name FROM {table} ORDER BY payment_intent_id")
    ]
    with second_connection(fns.settings["CHECKOUT_DATABASE_URL"]) as somebody:
        somebody.execute(f"SELECT 1 FROM {table} WHERE payment_intent_id = 'pi_1' FOR UPDATE")
        with system().checkout_database.transaction() as tx:
            comparisons.mark_credited(tx, names)
        marked = fns.checkout(f"SELECT payment_intent_id FROM {table} WHERE credited_at IS NOT NULL")
        with system().checkout_database.transaction() as tx:
            assert comparisons.retry_at_once(tx, names) == 1
    assert [row["payment_intent_id"] for row in marked] == ["pi_2"]


@pytest.fixture
def unfinished(known: KnownStripe) -> Unfinished:
    return Unfinished(system().checkout_database, known, system().stripe_events, system().create_session)


def test_a_session_of_unknown_expiry_is_read_after_the_longest_that_stripe_gives_it(
    fns: Functions, known: KnownStripe, unfinished: Unfinished
) -> None:
    add_expired(fns, "cs_1", "cs_2")
    known.knows("cs_1", {"id": "cs_1", "status": "open", "payment_status": "unpaid"})
    fns.checkout("UPDATE checkout_transactions SET expires_at = NULL")
    fns.checkout(
        "UPDATE checkout_transactions SET created_at = now() - interval '25 hours' WHERE request_id = 'cs_1'"
    )
    with acting_as("reconciler"):
        assert unfinished(deadline=time.monotonic() + 30, failures=Failures()) == 1
    assert known.asked == ["cs_1"]


def test_an_unfinished_payment_that_somebody_holds_is_left_to_a_later_run(
    fns: Functions, known: KnownStripe, unfinished: Unfinished
) -> None:
    add_expired(fns, "cs_1", "cs_2")
    for session_id in ("cs_1", "cs_2"):
        known.knows(session_id, {"id": session_id, "status": "open", "payment_status": "unpaid"})
    with second_connection(fns.settings["CHECKOUT_DATABASE_URL"]) as somebody:
        somebody.execute("SELECT 1 FROM checkout_transactions WHERE request_id = 'cs_1' FOR UPDATE")
        with acting_as("reconciler"):
            assert unfinished(deadline=time.monotonic() + 30, failures=Failures()) == 1
    assert known.asked == ["cs_2"]


def test_a_payment_that_stripe_does_not_know_is_not_waited_for(fns: Functions) -> None:
    add_expired(fns, "cs_1")
    with second_connection(fns.settings["CHECKOUT_DATABASE_URL"]) as somebody:
        somebody.execute("SELECT 1 FROM checkout_transactions WHERE request_id = 'cs_1' FOR UPDATE")
        with acting_as("reconciler"), system().checkout_database.transaction() as tx:
            unfinished_table.leave(tx, "cs_1", seconds=60)
    assert fns.row("cs_1")["reread_at"] is None


def test_an_unfinished_payment_that_our_code_fails_at_is_reported_with_the_place_and_keeps_no_other(
    fns: Functions, known: KnownStripe, unfinished: Unfinished, caplog: pytest.LogCaptureFixture
) -> None:
    """The error's own words may quote what Stripe has of a customer."""
    add_expired(fns, "cs_1", "cs_2")
    known.knows("cs_2", {"id": "cs_2", "status": "open", "payment_status": "unpaid"})
    session, email = known.session, "ada@example.com"

    def fails_once(session_id: str) -> dict[str, Any]:
        if session_id == "cs_1":
            known.asked.append(session_id)
            raise KeyError(email)
        return session(session_id)

    known.session = fails_once  # type: ignore[method-assign]
    with acting_as("reconciler"):
        assert unfinished(deadline=time.monotonic() + 30, failures=Failures()) == 2
    assert sorted(known.asked) == ["cs_1", "cs_2"]
    [alert] = [vars(record) for record in caplog.records if record.levelname == "ERROR"]
    assert (alert["alert"], alert["reason"]) == ("UnfinishedTransaction", "KeyError in our code")
    assert "in fails_once" in alert["stack_trace"][-1]
    assert email not in telemetry.logger.registered_formatter.format(logging.makeLogRecord(alert))


def test_missed_events_are_recorded_oldest_first(
    fns: Functions, known: KnownStripe, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As Stripe would have sent them: a debit is processing before it succeeds."""
    session = session_object(str(uuid4()), payment_status="unpaid")
    processing = event(session)
    paid = event({**session, "payment_status": "paid"}, "checkout.session.async_payment_succeeded")
    monkeypatch.setattr(StripeApi, "events", lambda *_, **__: ([paid, processing], False))
    with acting_as("reconciler"):
        system().reconcile._missed.catch_up(deadline=time.monotonic() + 30, failures=Failures())
    stored = fns.checkout("SELECT event_id FROM stripe_events ORDER BY received_at")
    assert [row["event_id"] for row in stored] == [processing["id"], paid["id"]]
