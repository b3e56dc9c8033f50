"""What Stripe receives at each attempt at one session: the idempotency key, and the parameters."""

import json
import sqlite3
from contextlib import closing
from uuid import uuid4

import pytest

from checkout.services import sessions
from tests.support import functions
from tests.support.functions import Functions
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


def test_a_key_that_stands_for_other_parameters_is_kept(fns: Functions, stripe: Simulator) -> None:
    """An idempotency_error: Stripe has not begun, and has an answer under this key already."""
    request_id = str(uuid4())
    stripe.client.v1.checkout.sessions.create(session_params(700), {"idempotency_key": request_id})

    for _ in range(2):
        assert fns.create({"amount_cents": 500, "request_id": request_id}).status == 502
        row = fns.row(request_id)
        assert (row["status"], row["stripe_attempt"]) == ("session_failed", 1)
        assert "idempotency" in row["error_message"].lower()
    assert received(stripe, request_id) == [(request_id, 200)]


def test_a_key_that_is_in_use_is_kept(
    fns: Functions, stripe: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "KEY_IN_USE_PATIENCE_SECONDS", 0)
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
    fns: Functions, stripe: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    request_id = str(uuid4())
    body = {"amount_cents": 500, "request_id": request_id}
    stripe.fault(path_prefix=SESSIONS, method="POST", status=500)
    assert fns.create(body).status == 502
    stored = fns.row(request_id)["stripe_parameters"]

    monkeypatch.setenv("PUBLIC_ORIGIN", "https://moved.example.com")
    monkeypatch.setenv("CHECKOUT_APP_ID", "renamed")
    functions.forget_wiring()
    answer = fns.create(body)

    assert answer.status == 201
    assert fns.row(request_id)["stripe_parameters"] == stored
    session = stripe.get(f"{SESSIONS}/{answer.json['session_id']}")
    for name in ("success_url", "cancel_url", "metadata"):
        assert session[name] == stored[name]
    assert "pay.example.com" in json.dumps(stored)
