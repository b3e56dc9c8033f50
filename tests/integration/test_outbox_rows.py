"""Rows of the outbox: who holds one, who removes it, and what is not emitted while it is there."""

import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from uuid import uuid4

import pytest

from checkout.base import postgres
from checkout.base.postgres import Database
from checkout.outbox.delivery import Delivery
from checkout.outbox.producer import KafkaPublisher, Published
from checkout.outbox.table import Message
from checkout.reconciliation.uncredited import Reemission
from local.kafka.embedded import Broker
from tests.support.functions import Functions, system
from tests.support.kept_messages import KeptMessages
from tests.support.roles import acting_as
from tests.support.second_connection import second_connection
from tests.support.stripe_events import event, session_object
from tests.support.stripe_reversals import KnownStripe, refund
from tests.support.wire import TappedBroker

TOPIC = "checkout.finished"


class TakesOnly(KeptMessages):
    """A Kafka that acknowledges only these."""

    def __init__(self, *effect_keys: str) -> None:
        super().__init__()
        self._effect_keys = effect_keys

    def publish(self, messages: Sequence[Message], timeout_seconds: float) -> Published:
        answer = super().publish(messages, timeout_seconds)
        return Published([taken for taken in answer.acknowledged if taken in self._effect_keys])


@pytest.fixture
def checkout(fns: Functions, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    """Of a process that soon gives up to wait for a lock."""
    monkeypatch.setitem(postgres.SESSION, "lock_timeout", "100ms")
    with closing(Database(system().config.checkout_database_url)) as database:
        yield database


def queued(fns: Functions, *keys: str) -> list[Message]:
    """Rows of a minute ago, in this order."""
    for key in keys:
        fns.checkout(
            "INSERT INTO outbox (effect_key, topic, key, value, created_at)"
            " VALUES (%s, %s, '1', '{}', now() - interval '1 minute')",
            (key, TOPIC),
        )
    return [Message(key, TOPIC, "1", b"{}") for key in keys]


def reemission() -> Reemission:
    return Reemission(
        system().checkout_database,
        system().application_database,
        system().delivery,
        system().config,
    )


def left(fns: Functions) -> list[str]:
    return [row["effect_key"] for row in fns.checkout("SELECT effect_key FROM outbox ORDER BY id")]


def test_a_published_row_that_a_relay_holds_is_left_to_it_and_the_others_go(
    fns: Functions, checkout: Database
) -> None:
    messages = queued(fns, "held", "free")
    with second_connection(fns.settings["CHECKOUT_DATABASE_URL"]) as relay:
        relay.execute("SELECT id FROM outbox WHERE effect_key = 'held' FOR UPDATE")
        assert Delivery(checkout, KeptMessages()).at_once(messages) == 2
        assert left(fns) == ["held"]


def test_a_relay_passes_by_what_another_one_holds(fns: Functions, checkout: Database) -> None:
    messages = queued(fns, "held", "free")
    kafka = KeptMessages()
    with second_connection(fns.settings["CHECKOUT_DATABASE_URL"]) as other:
        other.execute("SELECT id FROM outbox WHERE effect_key = 'held' FOR UPDATE")
        Delivery(checkout, kafka).relay(time.monotonic() + 10)
        assert left(fns) == ["held"]
    assert [message.effect_key for message in kafka.kept] == [messages[1].effect_key]


def test_what_is_published_at_once_stays_until_the_broker_has_acknowledged_it(
    fns: Functions, checkout: Database
) -> None:
    messages = queued(fns, "refused", "taken")
    assert Delivery(checkout, TakesOnly(messages[1].effect_key)).at_once(messages) == 1
    assert left(fns) == ["refused"]


def test_what_a_relay_publishes_stays_until_the_broker_has_acknowledged_it(
    fns: Functions, checkout: Database
) -> None:
    messages = queued(fns, "refused", "taken")
    Delivery(checkout, TakesOnly(messages[1].effect_key)).relay(time.monotonic() + 10)
    assert left(fns) == ["refused"]


def test_a_relay_publishes_the_oldest_first(fns: Functions, checkout: Database) -> None:
    """A credit before the reversal that was queued behind it, whichever row was touched last."""
    messages = queued(fns, "success:r", "refunded:re")
    fns.checkout("UPDATE outbox SET created_at = created_at WHERE effect_key = 'success:r'")
    kafka = KeptMessages()
    Delivery(checkout, kafka).relay(time.monotonic() + 10)
    assert [message.effect_key for message in kafka.kept] == [message.effect_key for message in messages]


def test_a_relay_leaves_alone_what_was_committed_just_now(fns: Functions, checkout: Database) -> None:
    queued(fns, "old", "young")
    fns.checkout("UPDATE outbox SET created_at = now() WHERE effect_key = 'young'")
    Delivery(checkout, KeptMessages()).relay(time.monotonic() + 10)
    assert left(fns) == ["young"]


@pytest.mark.parametrize("kind", ["success", "refunded"])
def test_nothing_is_emitted_again_while_it_is_in_the_outbox(
    fns: Functions, known: KnownStripe, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    request_id, taken_back = str(uuid4()), refund("pi_1")
    known.knows(taken_back["id"], taken_back)
    with monkeypatch.context() as away:
        away.setattr(KafkaPublisher, "publish", lambda *_: Published())
        fns.webhook(event(session_object(request_id, payment_intent="pi_1")))
        fns.webhook(event(taken_back, "refund.created"))
        [waits] = [key for key in left(fns) if key.startswith(kind)]
        fns.checkout("DELETE FROM outbox WHERE effect_key <> %s", (waits,))
        for column, table in (("completed_at", "checkout_transactions"), ("emitted_at", "reversals")):
            fns.checkout(f"UPDATE {table} SET {column} = now() - interval '1 day'")
        with acting_as("reconciler"):
            reemission()(deadline=time.monotonic() + 10)

    assert len(left(fns)) == 2, "the other one is emitted again"
    looked_for = {
        "success": fns.checkout("SELECT recheck_at FROM checkout_transactions"),
        "refunded": fns.checkout("SELECT recheck_at FROM reversals"),
    }
    assert {name: row["recheck_at"] is not None for name, [row] in looked_for.items()} == {
        "success": kind != "success",
        "refunded": kind != "refunded",
    }


def test_every_in_sync_replica_must_have_a_message_before_it_is_acknowledged() -> None:
    broker = Broker({TOPIC: 1})
    broker.start()
    with closing(TappedBroker(broker)) as tapped:
        publisher = KafkaPublisher([tapped.address])
        assert publisher.publish([Message("1", TOPIC, "1", b"{}")], 20).acknowledged == ["1"]
        publisher.close()
    broker.stop()
    assert tapped.acks == [-1]
