"""The process dies before and after each statement, publish and call while it answers checkout.requests;
Kafka delivers the record again, and there is one session and one answer."""

import json
from typing import Any
from uuid import uuid4

from checkout.outbox.record import Record
from tests.support.crashes import at_every_step
from tests.support.functions import Functions, requested
from tests.support.stripe_simulator import Simulator
from tests.support.tail import Tail


def answers(published: list[Record], request: dict[str, Any]) -> list[dict[str, Any]]:
    values = [json.loads(record.value) for record in published]
    return [value for value in values if value["request_id"] == request["request_id"]]


def relay_everything(fns: Functions) -> None:
    fns.checkout("UPDATE outbox SET created_at = created_at - interval '1 minute'")
    assert fns.invoke("outbox_relay", {})["left"] == 0


def begin_again(fns: Functions) -> None:
    fns.empty_databases()
    fns.add_users(1)


def check_answered_once(fns: Functions, tail: Tail, request: dict[str, Any], status: str, where: str) -> None:
    """However often it was published: it is always the same answer."""
    relay_everything(fns)
    first, *others = answers(tail.read(), request)
    assert first["status"] == status, where
    assert all(other == first for other in others), where
    assert fns.checkout("SELECT 1 FROM outbox") == [], where
    assert fns.application("SELECT 1 FROM parked_events") == [], where


def test_a_session(fns: Functions, stripe: Simulator, tail: Tail) -> None:
    request: dict[str, Any] = {}

    def prepare() -> None:
        begin_again(fns)
        request.update(requested(f"order {uuid4()}"))

    def check(where: str) -> None:
        assert fns.ask(request) == [], where
        check_answered_once(fns, tail, request, "session_created", where)
        [session] = stripe.sessions_of(request["request_id"])
        row = fns.row(request["request_id"])
        assert (row["status"], row["stripe_session_id"]) == ("session_created", session["id"]), where

    assert at_every_step(prepare, lambda: fns.ask(request), check) >= 18


def test_a_refusal(fns: Functions, stripe: Simulator, tail: Tail) -> None:
    request: dict[str, Any] = {}

    def prepare() -> None:
        begin_again(fns)
        request.update(requested(user_id=2))

    def check(where: str) -> None:
        was_refused = fns.checkout("SELECT 1 FROM checkout_transactions") != []
        fns.add_users(2)
        assert fns.ask(request) == [], where
        check_answered_once(fns, tail, request, "failed" if was_refused else "session_created", where)

    assert at_every_step(prepare, lambda: fns.ask(request), check) >= 10


def test_what_stripe_refuses(fns: Functions, stripe: Simulator, tail: Tail) -> None:
    request: dict[str, Any] = {}

    def prepare() -> None:
        begin_again(fns)
        request.update(requested())
        stripe.clear_faults()
        stripe.fault(path_prefix="/v1/checkout/sessions", method="POST", status=400, times=1000)

    def check(where: str) -> None:
        assert fns.ask(request) == [], where
        check_answered_once(fns, tail, request, "failed", where)
        assert stripe.sessions_of(request["request_id"]) == [], where

    assert at_every_step(prepare, lambda: fns.ask(request), check) >= 19


def test_a_batch_that_is_cut_short_anywhere(fns: Functions, stripe: Simulator, tail: Tail) -> None:
    batch: list[Any] = []

    def prepare() -> None:
        begin_again(fns)
        first = requested()
        batch[:] = [first, b"nonsense", {**first, "amount_cents": 501}]

    def check(where: str) -> None:
        assert fns.ask(*batch) == [], where
        relay_everything(fns)
        given = answers(tail.read(), batch[0])
        assert {(answer["status"], answer["amount_cents"]) for answer in given} == {
            ("session_created", 500)
        }, where
        assert len(stripe.sessions_of(batch[0]["request_id"])) == 1, where
        assert len(fns.application("SELECT 1 FROM parked_events")) == 2, where

    assert at_every_step(prepare, lambda: fns.ask(*batch), check) >= 28
