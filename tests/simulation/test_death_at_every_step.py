"""The process dies before and after each statement, publish and call; what redelivers, redelivers; and every
payment is credited exactly once."""

import time
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest

from checkout.reconciliation.failures import Failures
from local.kafka.embedded import Broker
from tests.support.crashes import at_every_step
from tests.support.functions import Functions, finished, system
from tests.support.roles import acting_as
from tests.support.stripe_events import event, session_object
from tests.support.stripe_simulator import Simulator
from tests.support.tail import Tail


@pytest.fixture
def topic(broker: Broker, stripe: Simulator) -> Iterator[Tail]:
    reader = Tail(broker.address)
    yield reader
    reader.close()


def begin_again(fns: Functions, topic: Tail) -> None:
    fns.empty_databases()
    fns.add_users(1, 2)
    topic.read()


def relay_everything(fns: Functions) -> None:
    fns.checkout("UPDATE outbox SET created_at = created_at - interval '1 minute'")
    assert fns.invoke("outbox_relay", {})["left"] == 0


def check_credited_once(fns: Functions, topic: Tail, where: str) -> None:
    relay_everything(fns)
    fns.consume(*topic.read())
    fns.checkout("UPDATE checkout_transactions SET completed_at = completed_at - interval '1 day'")
    fns.invoke("reconciler", {})
    relay_everything(fns)
    fns.consume(*topic.read())
    assert fns.balance() == 500, where
    assert [row["amount_cents"] for row in fns.application("SELECT * FROM ledger_entries")] == [500], where
    assert fns.application("SELECT 1 FROM parked_events") == [], where
    assert fns.checkout("SELECT 1 FROM outbox") == [], where


STEPS = 2 * (7 + 1)
"""Before and after each round trip and the publish. Three are for the row that the webhook makes."""


def test_the_webhook(fns: Functions, topic: Tail) -> None:
    paid = event(session_object(str(uuid4())))

    def check(where: str) -> None:
        assert fns.webhook(paid).status == 200, where
        check_credited_once(fns, topic, where)

    steps = at_every_step(lambda: begin_again(fns, topic), lambda: fns.webhook(paid), check)
    assert steps == STEPS


def test_the_webhook_that_is_never_sent_again_once_stored(fns: Functions, topic: Tail) -> None:
    """Stripe had its answer, or has given up: the outbox alone carries the payment on."""
    paid = event(session_object(str(uuid4())))

    def check(where: str) -> None:
        if fns.checkout("SELECT 1 FROM stripe_events") == []:
            assert "COMMIT" not in where or where.startswith("before"), where
            fns.webhook(paid)
        check_credited_once(fns, topic, where)

    at_every_step(lambda: begin_again(fns, topic), lambda: fns.webhook(paid), check)


def test_the_consumer(fns: Functions, topic: Tail) -> None:
    batch: list[Any] = [
        finished("r1"),
        b"nonsense",
        finished("r1"),
        finished("r2", user_id=2),
        finished("r3", user_id=404),
    ]

    def check(where: str) -> None:
        fns.consume(*batch)
        assert (fns.balance(1), fns.balance(2)) == (500, 500), where
        assert len(fns.application("SELECT 1 FROM ledger_entries")) == 2, where
        assert len(fns.application("SELECT 1 FROM parked_events")) == 2, where

    assert at_every_step(lambda: begin_again(fns, topic), lambda: fns.consume(*batch), check) >= 10


def test_the_consumer_while_an_application_refuses_some_and_others_come_late(
    fns: Functions, topic: Tail
) -> None:
    """The batch is divided, and each part commits: what is done stays, and the rest is done by the next."""
    refund = {"source_id": "re_1", "amount_cents": 200}
    early: list[Any] = [finished("r1", status="refund_failed", **refund)]
    batch: list[Any] = [
        finished("r0", user_id=404),
        finished("r1"),
        finished("r2", user_id=2),
        finished("r1", status="refunded", **refund),
        finished("r3", user_id=3),
    ]

    def prepare() -> None:
        begin_again(fns, topic)
        fns.add_users(3)
        fns.consume(*early)

    def check(where: str) -> None:
        fns.consume(*batch)
        assert [fns.balance(user_id) for user_id in (1, 2, 3)] == [500, 0, 500], where
        assert len(fns.application("SELECT 1 FROM ledger_entries")) == 4, where
        parked = fns.application("SELECT effect_key, resolution FROM parked_events ORDER BY effect_key")
        assert [tuple(row.values()) for row in parked] == [
            ("refund_failed:re_1", "replayed"),
            ("success:r0", None),
            ("success:r2", None),
        ], where

    fns.application("ALTER TABLE users ADD CONSTRAINT rule CHECK (id <> 2 OR balance = 0)")
    try:
        assert at_every_step(prepare, lambda: fns.consume(*batch), check) >= 20
    finally:
        fns.application("ALTER TABLE users DROP CONSTRAINT rule")


def test_the_relay(fns: Functions, topic: Tail) -> None:
    paid = event(session_object(str(uuid4())))

    def prepare() -> None:
        begin_again(fns, topic)
        with pytest.MonkeyPatch.context() as patch:
            from checkout.outbox.producer import KafkaPublisher, Published

            patch.setattr(KafkaPublisher, "publish", lambda *_: Published())
            fns.webhook(paid)
        fns.checkout("UPDATE outbox SET created_at = created_at - interval '1 minute'")

    steps = at_every_step(
        prepare,
        lambda: fns.invoke("outbox_relay", {}),
        lambda where: check_credited_once(fns, topic, where),
    )
    assert steps >= 10


def test_the_reconciler(fns: Functions, topic: Tail) -> None:
    paid = event(session_object(str(uuid4())))

    def prepare() -> None:
        begin_again(fns, topic)
        fns.webhook(paid)
        topic.read()  # Kafka has lost it.
        fns.checkout("UPDATE checkout_transactions SET completed_at = completed_at - interval '1 day'")

    def check(where: str) -> None:
        fns.checkout("UPDATE checkout_transactions SET recheck_at = NULL")
        check_credited_once(fns, topic, where)

    assert at_every_step(prepare, lambda: fns.invoke("reconciler", {}), check) >= 15


@pytest.mark.timeout(300)
def test_the_search_for_lost_entries(fns: Functions, topic: Tail) -> None:
    """After a restore of the application's database: two credits are gone, and a refund of one of them."""
    since = int(time.time()) - 60

    def prepare() -> None:
        begin_again(fns, topic)
        fns.checkout(
            "INSERT INTO stripe_events (event_id, type, payload, request_id, outcome)"
            " SELECT 'evt_' || n, 'checkout.session.completed', '{}', 'r' || n, 'applied'"
            " FROM generate_series(1, 2) AS n"
        )
        fns.checkout(
            "INSERT INTO checkout_transactions (request_id, user_id, amount_cents, currency, purpose, status,"
            "  stripe_session_id, payment_intent_id, paid_cents, paid_currency, paid_event_id, created_at,"
            "  completed_at, credited_at)"
            " SELECT 'r' || n, 1, 500, 'eur', 'balance_topup', 'payment_succeeded', 'cs_' || n, 'pi_' || n,"
            "  500, 'eur', 'evt_' || n, now() - interval '1 day', now() - interval '1 day', now()"
            " FROM generate_series(1, 2) AS n"
        )
        fns.checkout(
            "INSERT INTO reversals (effect_key, kind, source_id, amount_cents, currency, payment_intent_id,"
            "  state, emitted_at, credited_at)"
            " VALUES ('refunded:re_1', 'refunded', 're_1', 200, 'eur', 'pi_1', 'emitted',"
            "  now() - interval '1 day', now())"
        )

    def search(deadline: float = 0.0) -> bool:
        with acting_as("operations"):
            found = system().reconcile._lost_entries
            if found.begin(since).events_until is None:
                found.events_are_read(since)
            return found(since, deadline=deadline, failures=Failures())[0].complete

    def check(where: str) -> None:
        for _ in range(6):
            relay_everything(fns)
            if records := topic.read():
                fns.consume(*records)
            if search(time.monotonic() + 60):
                break
        else:
            raise AssertionError(where)
        assert fns.balance() == 500 + 500 - 200, where
        assert len(fns.application("SELECT 1 FROM ledger_entries")) == 3, where
        assert fns.application("SELECT 1 FROM parked_events") == [], where

    assert at_every_step(prepare, search, check) >= 30


def test_creating_a_session(fns: Functions, stripe: Simulator, topic: Tail) -> None:
    request_ids: list[str] = []

    def prepare() -> None:
        begin_again(fns, topic)
        request_ids.append(str(uuid4()))

    def body() -> dict[str, object]:
        return {"amount_cents": 500, "request_id": request_ids[-1]}

    def check(where: str) -> None:
        answer = fns.create(body())
        assert answer.status in (200, 201), where
        [session] = stripe.sessions_of(request_ids[-1])
        row = fns.row(request_ids[-1])
        assert (row["status"], row["stripe_session_id"]) == ("session_created", session["id"]), where
        assert answer.json["session_id"] == session["id"], where

    assert at_every_step(prepare, lambda: fns.create(body()), check) == 10
