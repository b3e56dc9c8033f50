"""What Stripe receives at each attempt at one session: the idempotency key, and the parameters."""

import json
import sqlite3
from contextlib import closing
from uuid import uuid4

import pytest

from checkout.base import timing
from tests.support import functions
from tests.support.functions import Functions
from tests.support.reconciler import reconcile
from tests.support.stripe_events import event, session_object
from tests.support.stripe_simulator import Simulator, session_params

SESSIONS = "/v1/checkout/sessions"


def received(stripe: Simulator, request_id: str) -> list[tuple[str, int]]:
    """The keys of the request that Stripe keeps answers under, the oldest first, and how it answered."""
    with closing(sqlite3.connect(stripe.data / "stripe.sqlite3")) as connection:
        return connection.execute(
            "SELECT key, status FROM idempotency_keys WHERE key LIKE ? ORDER BY created_at",
            (f"{request_id}%",),
        ).fetchall()


def test_each_attempt_that_stripe_answered_has_a_key_of_its_own(fns: Functions, stripe: Simulator) -> None:
    request_id = str(uuid4())
    body = {"amount_cents": 500, "request_id": request_id}
    stripe.fault(path_prefix=SESSIONS, method="POST", status=500)
    assert fns.create(body).status == 502
    stripe.fault(path_prefix=SESSIONS, method="POST", status=503)
    assert fns.create(body).status == 502
    assert fns.create(body).status == 201

    assert received(stripe, request_id) == [
        (request_id, 500),
        (f"{request_id}:2", 503),
        (f"{request_id}:3", 200),
    ]


def test_parameters_that_stripe_refuses_end_the_request(fns: Functions, stripe: Simulator) -> None:
    """The parameters are stored, so the same request would be refused even once the setting is corrected."""
    body = {"amount_cents": 500, "request_id": str(uuid4())}
    with fns.set(STRIPE_SESSION_OPTIONS='{"discounts": [{"coupon": "gone"}]}'):
        assert fns.create(body).status == 502
    assert fns.create(body).status == 502, "without an email it might be taken"
    again = fns.create(body)
    assert (again.status, again.json["code"]) == (409, "refused_before")
    assert fns.create({"amount_cents": 500}).status == 201


def test_a_key_that_stands_for_other_parameters_ends_the_request(fns: Functions, stripe: Simulator) -> None:
    """The row was lost, say, and is made anew with another address to come back to: the key stays that of the
    session that Stripe has, and the request gets no second one."""
    request_id = str(uuid4())
    body = {"amount_cents": 500, "request_id": request_id}
    stripe.client.v1.checkout.sessions.create(session_params(700), {"idempotency_key": request_id})

    first, second = fns.create(body), fns.create(body)
    assert (first.status, second.status) == (409, 409)
    assert "other parameters" in first.json["detail"]
    assert "begin another one" in second.json["detail"]
    row = fns.row(request_id)
    assert (row["status"], row["stripe_attempt"]) == ("session_failed", 1)
    assert row["completed_at"] is not None
    assert "idempotency" in row["error_message"].lower()
    assert received(stripe, request_id) == [(request_id, 200)]


def test_the_session_of_a_key_that_was_taken_is_still_this_requests(
    fns: Functions, stripe: Simulator
) -> None:
    """It was paid before the checkout database was restored, and credited; its event comes again after the
    row was made anew. Another session in that row would make it a second payment."""
    request_id = str(uuid4())
    body = {"amount_cents": 500, "request_id": request_id}
    created = fns.create(body).json
    paid = event(
        session_object(request_id, session_id=created["session_id"], payment_intent="pi_of_the_first")
    )
    fns.webhook(paid)
    fns.checkout("TRUNCATE checkout_transactions, stripe_events, outbox")
    fns.set(PUBLIC_ORIGIN="https://moved.example.com")
    functions.forget_wiring()

    assert fns.create(body).status == 409
    assert fns.webhook(paid).json["outcome"] == "applied"
    [row] = fns.checkout("SELECT request_id, status, stripe_session_id FROM checkout_transactions")
    assert row == {
        "request_id": request_id,
        "status": "payment_succeeded",
        "stripe_session_id": created["session_id"],
    }
    assert fns.create(body).json["session_id"] == created["session_id"]


def test_what_is_paid_in_the_session_of_a_key_that_was_taken_credits_what_that_promised(
    fns: Functions, stripe: Simulator
) -> None:
    """The row was made anew after a restore, at the rate of today."""
    request_id = str(uuid4())
    body = {"amount_cents": 1000, "request_id": request_id}
    with fns.set(CREDIT_PER_CENT="2"):
        created = fns.create(body).json
    fns.checkout("TRUNCATE checkout_transactions, stripe_events, outbox")
    functions.forget_wiring()
    with fns.set(CREDIT_PER_CENT="3"):
        assert fns.create(body).status == 409
    assert fns.row(request_id)["credit_cents"] == 3000

    session = stripe.client.v1.checkout.sessions.retrieve(created["session_id"])
    assert stripe.pay(session).status_code == 303
    functions.forget_wiring()
    reconcile()

    row = fns.row(request_id)
    assert (row["status"], row["stripe_session_id"]) == ("payment_succeeded", created["session_id"])
    assert row["credit_cents"] == created["credit_cents"] == 2000


def test_the_reconciler_ends_a_request_whose_key_is_taken(
    fns: Functions, stripe: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    request_id = str(uuid4())
    stripe.fault(path_prefix=SESSIONS, method="POST", status=409, times=4)
    with monkeypatch.context() as hasty:
        hasty.setattr(timing, "KEY_IN_USE", 0)
        assert fns.create({"amount_cents": 500, "request_id": request_id}).status == 502
    stripe.clear_faults()
    stripe.client.v1.checkout.sessions.create(session_params(700), {"idempotency_key": request_id})
    fns.checkout("UPDATE checkout_transactions SET updated_at = now() - interval '1 hour'")

    assert fns.invoke("reconciler", {}, remaining_millis=300_000)["unfinished"] == 1
    assert fns.row(request_id)["completed_at"] is not None
    fns.checkout("UPDATE checkout_transactions SET reread_at = now() - interval '1 hour'")
    assert fns.invoke("reconciler", {}, remaining_millis=300_000)["unfinished"] == 0


def test_a_key_that_is_in_use_is_kept(
    fns: Functions, stripe: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timing, "KEY_IN_USE", 0)
    request_id = str(uuid4())
    body = {"amount_cents": 500, "request_id": request_id}
    stripe.fault(path_prefix=SESSIONS, method="POST", status=409, times=4)
    assert fns.create(body).status == 502
    row = fns.row(request_id)
    assert (row["status"], row["stripe_attempt"]) == ("session_pending", 1)

    stripe.clear_faults()
    assert fns.create(body).status == 201
    assert received(stripe, request_id) == [(request_id, 200)]


def test_a_retry_sends_what_was_stored_whatever_the_configuration_has_become(
    fns: Functions, stripe: Simulator
) -> None:
    request_id = str(uuid4())
    body = {"amount_cents": 500, "request_id": request_id}
    stripe.fault(path_prefix=SESSIONS, method="POST", status=500)
    assert fns.create(body).status == 502
    stored = fns.row(request_id)["stripe_parameters"]

    fns.set(PUBLIC_ORIGIN="https://moved.example.com", CHECKOUT_APP_ID="renamed")
    functions.forget_wiring()
    answer = fns.create(body)

    assert answer.status == 201
    assert fns.row(request_id)["stripe_parameters"] == stored
    session = stripe.get(f"{SESSIONS}/{answer.json['session_id']}")
    for name in ("success_url", "cancel_url", "metadata"):
        assert session[name] == stored[name]
    assert "pay.example.com" in json.dumps(stored)
