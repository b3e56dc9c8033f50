"""What one item or one part of the reconciler meets is its own affair: whatever else can be done is done."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from checkout.base import postgres
from checkout.base.errors import Unavailable
from checkout.base.postgres import Transaction
from checkout.payments import locked
from checkout.payments.locked import Locked, Report
from checkout.payments.session_event import SessionReport
from checkout.reconciliation import unfinished
from tests.support import functions
from tests.support.functions import Functions
from tests.support.second_connection import SecondConnection, second_connection
from tests.support.stripe_events import APP_ID, event, session_object
from tests.support.stripe_simulator import Simulator
from tests.support.tail import Tail

NOWHERE = "postgresql://nobody@127.0.0.1:1/nothing"


@pytest.fixture
def silent(fns: Functions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Simulator]:
    """A Stripe of its own without webhooks, and functions that soon give up waiting for a lock."""
    monkeypatch.setitem(postgres.SESSION, "lock_timeout", "100ms")
    functions.forget_wiring()
    with Simulator(tmp_path / "stripe") as simulator:
        fns.set(STRIPE_API_BASE=simulator.url)
        yield simulator


@contextmanager
def holding(fns: Functions, sql: str, *parameters: object) -> Iterator[SecondConnection]:
    """Somebody's transaction that holds these rows and does not end."""
    with second_connection(fns.settings["CHECKOUT_DATABASE_URL"]) as somebody:
        somebody.execute(sql, parameters)
        yield somebody


@pytest.fixture
def application_away(fns: Functions) -> Iterator[None]:
    with fns.set(DATABASE_URL=NOWHERE):
        functions.forget_wiring()
        yield
    functions.forget_wiring()


def run(fns: Functions) -> Any:
    """With the function's own time, which a part of it must not use up."""
    return fns.invoke("reconciler", {}, remaining_millis=300_000)


def begun(fns: Functions) -> str:
    request_id = str(uuid4())
    fns.checkout(
        "INSERT INTO checkout_transactions (request_id, user_id, amount_cents, currency, purpose, status)"
        " VALUES (%s, 1, 500, 'eur', 'balance_topup', 'session_failed')",
        (request_id,),
    )
    return request_id


def paid(stripe: Simulator, request_id: str | None = None) -> str:
    request_id = request_id or str(uuid4())
    metadata = {
        "checkout_app": APP_ID,
        "request_id": request_id,
        "user_id": "1",
        "purpose": "balance_topup",
    }
    session = stripe.create_session(500, metadata=metadata, payment_intent_data={"metadata": metadata})
    assert stripe.pay(session).status_code == 303
    return request_id


def succeeded(fns: Functions) -> set[str]:
    rows = fns.checkout("SELECT request_id FROM checkout_transactions WHERE status = 'payment_succeeded'")
    return {row["request_id"] for row in rows}


def outcomes(fns: Functions) -> dict[str, str]:
    return {row["event_id"]: row["outcome"] for row in fns.checkout("SELECT * FROM stripe_events")}


def metric(printed: str, name: str) -> list[float]:
    lines = [json.loads(line) for line in printed.splitlines() if "_aws" in line]
    return [value for line in lines for value in line.get(name, [])]


def test_a_payment_that_somebody_holds_keeps_no_other_from_being_found(
    fns: Functions, silent: Simulator, capsys: pytest.CaptureFixture[str]
) -> None:
    locked = begun(fns)
    paid(silent, locked)
    others = {paid(silent) for _ in range(5)}
    capsys.readouterr()

    with holding(fns, "SELECT FROM checkout_transactions WHERE request_id = %s FOR UPDATE", locked):
        for _ in range(2):
            answer = run(fns)
            assert succeeded(fns) == others
            assert answer["skipped_count"] >= 1
            assert metric(capsys.readouterr().out, "ReconcilerSkipped")
        [kept] = fns.checkout("SELECT * FROM stripe_events WHERE outcome = 'waiting'")
        assert "locked" in kept["reason"]

    assert run(fns)["skipped_count"] == 0
    assert succeeded(fns) == {locked, *others}
    assert "waiting" not in outcomes(fns).values()


def test_an_event_that_somebody_holds_keeps_no_other_from_being_settled(
    fns: Functions, silent: Simulator
) -> None:
    told = [event(session_object(str(uuid4()))) for _ in range(3)]
    for one in told:
        assert fns.webhook(one).json["outcome"] == "applied"
    fns.checkout("TRUNCATE checkout_transactions, outbox")
    fns.checkout("UPDATE stripe_events SET outcome = 'waiting'")
    first = told[0]["id"]
    fns.checkout("UPDATE stripe_events SET updated_at = '2026-01-01' WHERE event_id = %s", (first,))

    with holding(fns, "SELECT FROM stripe_events WHERE event_id = %s FOR UPDATE", first):
        answer = run(fns)

    assert (answer["settled_events"], answer["skipped_count"]) == (2, 1)
    assert outcomes(fns)[first] == "waiting"


def test_an_unfinished_payment_that_somebody_holds_keeps_no_other_from_being_finished(
    fns: Functions, silent: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "checkout.reconciliation.missed_events.MissedEvents.catch_up", lambda *_, **__: (0, True)
    )
    ids = [fns.create({"amount_cents": 500}).json["request_id"] for _ in range(3)]
    for request_id in ids:
        silent.client.v1.checkout.sessions.expire(fns.row(request_id)["stripe_session_id"])
    fns.checkout("UPDATE checkout_transactions SET expires_at = now() - interval '1 day'")
    read = locked.read
    with second_connection(fns.settings["CHECKOUT_DATABASE_URL"]) as somebody:

        def read_after_somebody(tx: Transaction, report: Report, insert: bytes | None = None) -> Locked:
            if isinstance(report, SessionReport) and report.request_id == ids[0]:
                somebody.execute(
                    "SELECT FROM checkout_transactions WHERE request_id = %s FOR UPDATE", (ids[0],)
                )
            return read(tx, report, insert)

        # What is held already is not claimed; here somebody comes between the claim and Stripe's answer.
        monkeypatch.setattr(locked, "read", read_after_somebody)
        answer = run(fns)

    assert (answer["unfinished"], answer["skipped_count"]) == (3, 1)
    assert [fns.row(one)["status"] for one in ids] == ["session_created", *["session_expired"] * 2]


@pytest.mark.parametrize("status", [403, 500])
def test_a_payment_that_stripe_does_not_tell_of_is_named_and_counted(
    fns: Functions,
    silent: Simulator,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    status: int,
) -> None:
    """Its event was lost longer ago than Stripe lists events, and the key has lost a right (403)."""
    monkeypatch.setattr(
        "checkout.reconciliation.missed_events.MissedEvents.catch_up", lambda *_, **__: (0, True)
    )
    request_id = fns.create({"amount_cents": 500}).json["request_id"]
    fns.checkout("UPDATE checkout_transactions SET expires_at = now() - interval '1 day'")
    silent.control("faults", {"path_prefix": "/v1/checkout/sessions", "status": status, "times": 10})
    capsys.readouterr()

    answer = run(fns)

    assert [one["what"] for one in answer["skipped"]] == [f"payment {request_id}"]
    assert f"HTTP {status}" in answer["skipped"][0]["reason"]
    assert metric(capsys.readouterr().out, "ReconcilerSkipped") == [1]


def test_while_the_application_database_is_away_stripe_is_asked_all_the_same(
    fns: Functions, silent: Simulator, application_away: None, capsys: pytest.CaptureFixture[str]
) -> None:
    fns.webhook(event(session_object(str(uuid4()))))
    fns.checkout("UPDATE checkout_transactions SET completed_at = completed_at - interval '1 hour'")
    found = paid(silent)
    capsys.readouterr()

    with pytest.raises(Unavailable, match="reemission"):
        run(fns)

    assert found in succeeded(fns)
    [seconds] = metric(capsys.readouterr().out, "OldestUncreditedPayment")
    assert 3600 <= seconds < 3700, "what may not be credited is not called credited"


def test_while_stripe_is_away_the_rest_is_done_and_the_answer_says_what_is_not(
    fns: Functions, silent: Simulator, tail: Tail
) -> None:
    fns.webhook(event(session_object(str(uuid4()))))
    tail.read()
    fns.checkout("UPDATE checkout_transactions SET completed_at = completed_at - interval '1 hour'")
    silent.control("faults", {"path_prefix": "/v1", "status": 500, "times": 50})

    answer = fns.invoke("operations", {"verb": "reconcile", "arguments": []})

    assert not answer["clean"]
    assert answer["result"]["emitted"] == len(tail.read()) == 1
    assert {part["what"] for part in answer["result"]["failed"]} == {"missed_events", "stripe_books"}
    assert not answer["result"]["complete"]


def test_sessions_that_stripe_does_not_know_do_not_crowd_out_the_others(
    fns: Functions, silent: Simulator, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two a run; each claim of what stays unfinished lasts twice as long, up to a day."""
    monkeypatch.setattr(
        "checkout.reconciliation.missed_events.MissedEvents.catch_up", lambda *_, **__: (0, True)
    )
    monkeypatch.setattr(unfinished, "MOST_PER_RUN", 2)
    gone = [fns.create({"amount_cents": 500}).json["request_id"] for _ in range(2)]
    fns.checkout("UPDATE checkout_transactions SET stripe_session_id = 'cs_test_gone' || id")
    fns.checkout("UPDATE checkout_transactions SET expires_at = now() - interval '1 day'")

    waits = []
    for _ in range(unfinished.UNKNOWN_AFTER_CLAIMS):
        assert run(fns)["unfinished"] == 2
        [row] = fns.checkout(
            "SELECT extract(epoch FROM min(reread_at) - now()) AS s FROM checkout_transactions"
        )
        waits.append(round(float(row["s"]) / 3600))
        fns.checkout("UPDATE checkout_transactions SET reread_at = now()")
        assert ("UnfinishedTransaction" in capsys.readouterr().out) == (len(waits) == 5)
    assert waits == [1, 2, 4, 8, 30 * 24]

    expired = fns.create({"amount_cents": 500}).json["request_id"]
    silent.client.v1.checkout.sessions.expire(fns.row(expired)["stripe_session_id"])
    fns.checkout(
        "UPDATE checkout_transactions SET expires_at = now() - interval '1 day',"
        " reread_at = CASE WHEN request_id = ANY(%s) THEN now() + interval '30 days' END",
        (gone,),
    )
    run(fns)
    assert fns.row(expired)["status"] == "session_expired"
