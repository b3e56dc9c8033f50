"""The Kafka trigger when it loses its partitions during an invocation and gets them back."""

import base64
import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import Any

import pytest
from confluent_kafka import Consumer, Producer

from local.kafka.trigger import Poller
from local.lambda_runtime.environments import Result
from local.lambda_runtime.template import KafkaTrigger
from tests.support.brokers import IS_APACHE, AnyBroker
from tests.support.waiting import eventually

TOPIC = "checkout.finished"
TRIGGER = KafkaTrigger(
    "consumer", TOPIC, "group", "arn", batch_size=1000, window_seconds=0, partial_responses=True
)
Invoke = Callable[[dict[str, Any]], "Future[Result]"]


@pytest.fixture
def broker(own_broker: AnyBroker) -> AnyBroker:
    """With the empty topic, and no committed offset."""
    return own_broker


def produce(broker: AnyBroker, *values: str) -> None:
    """Produce to the partitions in turn."""
    producer = Producer({"bootstrap.servers": broker.address, "log_level": 2})
    for number, value in enumerate(values):
        producer.produce(TOPIC, value.encode(), partition=number % 3)
    assert producer.flush(10) == 0


def values_of(event: dict[str, Any]) -> list[str]:
    return [base64.b64decode(one["value"]).decode() for many in event["records"].values() for one in many]


def another_member_comes_and_goes(broker: AnyBroker) -> None:
    """A rebalance, which takes all partitions from the first member for a moment."""
    consumer = Consumer({"bootstrap.servers": broker.address, "group.id": "group", "log_level": 2})
    consumer.subscribe([TOPIC])
    eventually(lambda: consumer.poll(0.1) is None and bool(consumer.assignment()))
    consumer.close()


@pytest.fixture
def poll(broker: AnyBroker) -> Iterator[Callable[[Invoke], None]]:
    pollers: list[Poller] = []

    def start(invoke: Invoke) -> None:
        poller = Poller(TRIGGER, broker.address, invoke, print, forgetful=not IS_APACHE, maximum_backoff=3.0)
        poller.start()
        pollers.append(poller)

    yield start
    for poller in pollers:
        poller.stop()


def test_it_reads_on_after_a_rebalance_during_an_invocation(
    broker: AnyBroker, poll: Callable[[Invoke], None]
) -> None:
    seen: list[str] = []
    first: list[Future[Result]] = []

    def invoke(event: dict[str, Any]) -> "Future[Result]":
        seen.extend(values_of(event))
        future: Future[Result] = Future()
        if first:
            future.set_result(Result(b"null"))
        else:
            first.append(future)
        return future

    poll(invoke)
    produce(broker, "slow")
    eventually(lambda: bool(first))
    another_member_comes_and_goes(broker)
    first[0].set_result(Result(b"null"))

    produce(broker, "a", "b", "c")

    eventually(lambda: {"a", "b", "c"} <= set(seen))


def test_it_reads_on_after_a_rebalance_while_it_waits_to_try_again(
    broker: AnyBroker, poll: Callable[[Invoke], None]
) -> None:
    seen: list[str] = []
    succeeds = threading.Event()

    def invoke(event: dict[str, Any]) -> "Future[Result]":
        seen.extend(values_of(event))
        future: Future[Result] = Future()
        failed = json.dumps({"errorMessage": "database away"}).encode()
        future.set_result(Result(b"null") if succeeds.is_set() else Result(failed, is_error=True))
        return future

    poll(invoke)
    produce(broker, "failing")
    eventually(lambda: len(seen) > 5)  # From the sixth attempt on the pause is 3 seconds.
    another_member_comes_and_goes(broker)
    succeeds.set()

    produce(broker, "a", "b", "c")

    eventually(lambda: {"a", "b", "c"} <= set(seen))
