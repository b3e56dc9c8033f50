"""From the commit to Kafka: at once, or later by the relay, and again when Kafka has lost it."""

import json
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from kafka.partitioner import murmur2

from checkout.base import timing
from checkout.base.errors import Unavailable
from checkout.base.postgres import Database
from checkout.outbox import delivery
from checkout.outbox.delivery import Delivery
from checkout.outbox.producer import KafkaPublisher
from checkout.outbox.record import Record
from checkout.outbox.table import Message
from tests.support import functions
from tests.support.brokers import AnyBroker, forgets, freeze, thaw
from tests.support.functions import Functions
from tests.support.stripe_events import event, session_object
from tests.support.stripe_simulator import Simulator
from tests.support.topic import Topic
from tests.support.waiting import eventually

TOPIC = "checkout.finished"


def published(broker: AnyBroker) -> list[Record]:
    return Topic(broker.address).records()


@pytest.fixture
def own_broker(fns: Functions, own_broker: AnyBroker, monkeypatch: pytest.MonkeyPatch) -> Iterator[AnyBroker]:
    """The functions publish to it."""
    fns.set(KAFKA_BROKERS=own_broker.address)
    monkeypatch.setattr(timing, "PRODUCER_PAUSE", 0)
    functions.forget_wiring()
    yield own_broker
    functions.forget_wiring()


@contextmanager
def impatient() -> Iterator[None]:
    """Meanwhile webhooks wait only briefly for a broker, which therefore must be one that does not answer."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(timing, "PUBLISH_AT_ONCE", 0.3)
        yield


def pay(fns: Functions, **session: Any) -> str:
    request_id = str(uuid4())
    assert fns.webhook(event(session_object(request_id, **session))).status == 200
    return request_id


def outbox(fns: Functions) -> list[str]:
    return [row["effect_key"] for row in fns.checkout("SELECT effect_key FROM outbox ORDER BY id")]


def age_outbox(fns: Functions) -> None:
    fns.checkout("UPDATE outbox SET created_at = created_at - interval '6 seconds'")


def test_at_once_to_the_users_partition_and_out_of_the_outbox(fns: Functions, own_broker: AnyBroker) -> None:
    request_id = pay(fns, payment_intent="pi_1", session_id="cs_test_at_once", amount=777)
    assert outbox(fns) == []
    [record] = published(own_broker)
    assert record.key == b"1"
    fns.consume(record)
    [entry] = fns.application("SELECT * FROM ledger_entries")
    assert (entry["request_id"], entry["amount_cents"], entry["payment_intent_id"]) == (
        request_id,
        777,
        "pi_1",
    )
    assert (
        fns.get("/checkout/sessions/{request_id}", path={"request_id": request_id}).json["credited"] is True
    )


@pytest.mark.parametrize(
    ("event_type", "payment_status"),
    [("checkout.session.expired", "unpaid"), ("checkout.session.async_payment_failed", "unpaid")],
)
def test_a_payment_that_failed_is_told_and_moves_nothing(
    fns: Functions, own_broker: AnyBroker, event_type: str, payment_status: str
) -> None:
    request_id = str(uuid4())
    ended = event(session_object(request_id, payment_status=payment_status), event_type)
    fns.webhook(ended)
    [record] = published(own_broker)
    told = json.loads(record.value)
    assert (told["status"], told["request_id"], told["amount_cents"], told["event_id"]) == (
        "failed",
        request_id,
        500,
        ended["id"],
    )
    assert told["error_message"]
    fns.consume(record)
    assert fns.balance() == 0


def test_a_broker_that_is_away_changes_nothing_for_stripe(fns: Functions, own_broker: AnyBroker) -> None:
    pay(fns)
    fns.consume(*published(own_broker))
    own_broker.kill()
    began = time.monotonic()
    with impatient():
        paid = [pay(fns) for _ in range(3)]
    assert time.monotonic() - began < 3 * 2 + 1
    assert outbox(fns) == [f"success:{request_id}" for request_id in paid]

    own_broker.start()
    fns.checkout("UPDATE outbox SET created_at = now()")
    assert fns.invoke("outbox_relay", {})["published"] == 0, "too young: their webhook may be publishing them"
    age_outbox(fns)
    assert fns.invoke("outbox_relay", {}) == {"published": 3, "left": 0}
    assert outbox(fns) == []
    fns.consume(*published(own_broker))
    assert fns.balance() == 2000


def test_a_relay_without_a_broker_leaves_everything(
    fns: Functions, own_broker: AnyBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    own_broker.kill()
    with impatient():
        pay(fns)
    age_outbox(fns)
    monkeypatch.setattr(timing, "PUBLISH_BY_RELAY", 1)
    assert fns.invoke("outbox_relay", {}) == {"published": 0, "left": 1}
    assert len(outbox(fns)) == 1


def test_a_broker_that_hangs_costs_stripe_the_bound_and_no_money(
    fns: Functions, own_broker: AnyBroker
) -> None:
    pay(fns)
    freeze(own_broker)
    began = time.monotonic()
    with impatient():
        request_id = pay(fns)
        assert time.monotonic() - began < timing.PUBLISH_AT_ONCE + 5
    assert outbox(fns) == [f"success:{request_id}"]

    thaw(own_broker)
    age_outbox(fns)
    assert fns.invoke("outbox_relay", {}) == {"published": 1, "left": 0}
    # The record may have been in the frozen broker's sockets, too.
    fns.consume(*published(own_broker))
    assert fns.balance() == 1000


def test_who_accepts_connections_and_never_answers_is_waited_for_no_longer_than_the_bound() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        publisher = KafkaPublisher([f"127.0.0.1:{silent.getsockname()[1]}"])
        began = time.monotonic()
        assert not publisher.publish([Message("1", TOPIC, "1", b"{}")], 0.5).acknowledged
        assert time.monotonic() - began < 5
        with pytest.raises(Unavailable, match="do not answer"):
            publisher.require(TOPIC, 0.5)


def clients_threads() -> list[str]:
    """Of librdkafka's clients in this process."""
    names = (path.read_text() for path in Path("/proc/self/task").glob("*/comm"))
    return [name for name in names if name.startswith("rdk:")]


def test_what_was_given_up_has_nobody_who_would_send_it_later(own_broker: AnyBroker) -> None:
    before = len(clients_threads())
    publisher = KafkaPublisher([own_broker.address])
    freeze(own_broker)
    assert not publisher.publish([Message("1", TOPIC, "1", b"{}")], 0.3).acknowledged
    thaw(own_broker)
    eventually(lambda: len(clients_threads()) <= before)


def test_a_key_has_the_partition_that_other_clients_give_it(own_broker: AnyBroker) -> None:
    publisher = KafkaPublisher([own_broker.address])
    messages = [Message(str(user), TOPIC, str(user), b"{}") for user in range(1, 21)]
    assert publisher.publish(messages, 5).acknowledged == [message.effect_key for message in messages]
    publisher.close()
    partitions = {record.key: record.partition for record in published(own_broker)}
    assert partitions == {key: (murmur2(key) & 0x7FFFFFFF) % 3 for key in partitions}
    assert len(set(partitions.values())) == 3


def test_after_a_failure_nobody_waits_for_a_while(
    own_broker: AnyBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timing, "PRODUCER_PAUSE", 60)
    publisher = KafkaPublisher([own_broker.address])
    own_broker.kill()
    assert not publisher.publish([Message("1", TOPIC, "1", b"{}")], 0.3).acknowledged
    own_broker.start()
    assert not publisher.publish([Message("1", TOPIC, "1", b"{}")], 0.3).acknowledged
    assert published(own_broker) == []


def test_relays_side_by_side_share_the_work(fns: Functions, own_broker: AnyBroker) -> None:
    own_broker.kill()
    fns.checkout(
        "INSERT INTO outbox (effect_key, topic, key, value, created_at)"
        " SELECT 'k' || n, 'checkout.finished', '1', convert_to(n::text, 'UTF8'), now() - interval '1 minute'"
        " FROM generate_series(1, 1200) n"
    )
    own_broker.start()

    def relay(_: int) -> int:
        database = Database(lambda: fns.settings["CHECKOUT_DATABASE_URL"])
        publisher = KafkaPublisher([own_broker.address])
        done, left = Delivery(database, publisher).relay(time.monotonic() + 30)
        publisher.close()
        database.close()
        assert left == 0
        return done

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(relay, range(4))) == 1200
    values = sorted(int(record.value) for record in published(own_broker))
    assert values == list(range(1, 1201))


def test_a_webhook_does_not_wait_for_a_relay_that_waits_for_the_broker(
    fns: Functions, own_broker: AnyBroker
) -> None:
    """The relay holds the row of this very effect; the webhook's insert and delete pass it by."""
    paid = session_object(str(uuid4()))
    own_broker.kill()
    with impatient():
        fns.webhook(event(paid))
    import psycopg2

    relay = psycopg2.connect(fns.settings["CHECKOUT_DATABASE_URL"])
    with relay, relay.cursor() as cursor:
        cursor.execute("SELECT id FROM outbox FOR UPDATE SKIP LOCKED")
        own_broker.start()
        began = time.monotonic()
        assert fns.webhook(event(paid)).json["outcome"] == "applied"
        other = session_object(str(uuid4()), payment_intent=paid["payment_intent"])
        assert fns.webhook(event(other)).json["outcome"] == "applied"
        assert time.monotonic() - began < 4.5, "who waits for a row gives up after five seconds"
    relay.close()


def test_one_message_that_the_broker_refuses_does_not_stop_the_others(own_broker: AnyBroker) -> None:
    publisher = KafkaPublisher([own_broker.address])
    messages = [
        Message("1", TOPIC, "1", b"{}"),
        Message("2", TOPIC, "1", b"x" * 2_000_000),
        Message("3", TOPIC, "1", b"{}"),
    ]
    assert publisher.publish(messages, 5).acknowledged == ["1", "3"]
    publisher.close()


def test_what_the_broker_refuses_stands_in_nobodys_way_and_is_loud(
    fns: Functions,
    own_broker: AnyBroker,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(delivery, "RELAY_BATCH", 2)
    fns.checkout(
        "INSERT INTO outbox (effect_key, topic, key, value, created_at)"
        " SELECT 'large' || n, 'checkout.finished', '1', convert_to(repeat('x', 2000000), 'UTF8'),"
        "        now() - interval '1 minute' FROM generate_series(1, 4) n"
    )
    fns.checkout(
        "INSERT INTO outbox (effect_key, topic, key, value, created_at)"
        " SELECT 'good' || n, 'checkout.finished', '1', convert_to(n::text, 'UTF8'),"
        "        now() - interval '1 minute' FROM generate_series(1, 3) n"
    )

    assert fns.invoke("outbox_relay", {}, remaining_millis=55_000) == {"published": 3, "left": 4}
    assert sorted(record.value for record in published(own_broker)) == [b"1", b"2", b"3"]
    assert outbox(fns) == [f"large{n}" for n in range(1, 5)]
    assert capsys.readouterr().out.count('"OutboxStuck":[1.0]') == 4

    assert fns.invoke("outbox_relay", {}, remaining_millis=55_000) == {"published": 0, "left": 0}
    for wait in (120, 240):
        fns.checkout("UPDATE outbox SET retry_at = now()")
        assert fns.invoke("outbox_relay", {}, remaining_millis=55_000)["left"] == 4, "tried again when due"
        [row] = fns.checkout("SELECT extract(epoch FROM min(retry_at) - now()) AS seconds FROM outbox")
        assert wait - 20 < row["seconds"] <= wait


def test_an_idle_producer_is_replaced_before_its_sockets_are_trusted(
    own_broker: AnyBroker,
) -> None:
    publisher = KafkaPublisher([own_broker.address])
    publisher.publish([Message("1", TOPIC, "1", b"{}")], 5)
    first = publisher._producer
    publisher._last_used -= timing.KAFKA_IDLE + 1
    assert publisher.publish([Message("2", TOPIC, "1", b"{}")], 5).acknowledged == ["2"]
    assert publisher._producer is not first
    publisher.close()


def refused() -> str:
    raise Unavailable("The secret cannot be read; try again.")


@pytest.mark.parametrize("url", [lambda: "postgresql://x@127.0.0.1:1/x", refused], ids=["server", "secret"])
def test_a_database_that_went_away_after_the_publish_only_means_twice(
    fns: Functions, own_broker: AnyBroker, url: Callable[[], str]
) -> None:
    request_id = pay(fns)
    message = Message("1", TOPIC, "1", b"{}")
    assert Delivery(Database(url), KafkaPublisher([own_broker.address])).at_once([message]) == 1
    assert fns.row(request_id)["status"] == "payment_succeeded"


def reconcile(fns: Functions) -> tuple[int, int, int]:
    """How many payments were found credited, parked, and emitted again."""
    found = fns.invoke("reconciler", {})
    return found["credited"], found["parked"], found["emitted"]


@forgets
def test_a_payment_that_kafka_lost_is_emitted_again_with_doubling_waits(
    fns: Functions, own_broker: AnyBroker, stripe: Simulator
) -> None:
    fns.set(REEMIT_AFTER_SECONDS="5")
    functions.forget_wiring()
    request_id = pay(fns)
    own_broker.restart()
    functions.forget_wiring()
    assert published(own_broker) == []
    fns.checkout("UPDATE checkout_transactions SET completed_at = now()")
    assert reconcile(fns) == (0, 0, 0), "too early: its record may be on its way"

    fns.checkout("UPDATE checkout_transactions SET completed_at = completed_at - interval '6 seconds'")
    for wait in (10, 20, 40):
        [before] = fns.checkout("SELECT now() AS time")
        assert reconcile(fns) == (0, 0, 1)
        [after] = fns.checkout("SELECT now() AS time, recheck_at FROM checkout_transactions")
        assert before["time"] <= after["recheck_at"] - timedelta(seconds=wait) <= after["time"]
        assert reconcile(fns) == (0, 0, 0)
        fns.checkout("UPDATE checkout_transactions SET recheck_at = now()")

    fns.consume(*published(own_broker))
    assert fns.balance() == 500
    assert reconcile(fns) == (1, 0, 0)
    fns.checkout("UPDATE checkout_transactions SET recheck_at = now()")
    assert reconcile(fns) == (0, 0, 0)
    assert fns.row(request_id)["credited_at"] is not None


def test_what_is_in_the_outbox_or_parked_or_of_another_purpose_is_not_emitted_again(
    fns: Functions, own_broker: AnyBroker, stripe: Simulator
) -> None:
    own_broker.kill()
    with impatient():
        waiting = pay(fns)
    own_broker.start()
    parked = pay(fns, currency="usd")
    gift = session_object(str(uuid4()))
    gift["metadata"]["purpose"] = "gift"
    fns.webhook(event(gift))
    fns.consume(*published(own_broker))
    fns.checkout("UPDATE checkout_transactions SET completed_at = completed_at - interval '1 day'")

    assert reconcile(fns) == (0, 1, 0)
    assert outbox(fns) == [f"success:{waiting}"]
    assert fns.row(parked)["recheck_at"] is not None
