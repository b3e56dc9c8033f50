"""The Kafka trigger when its function cannot be invoked at all."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer

from local.kafka.trigger import Poller
from local.lambda_runtime.environments import Result
from local.lambda_runtime.template import KafkaTrigger
from tests.support.brokers import IS_APACHE, new_broker

TOPIC = "checkout.finished"
TRIGGER = KafkaTrigger(
    "consumer", TOPIC, "group", "arn", batch_size=1000, window_seconds=0, partial_responses=True
)


def raises() -> "Future[Result]":
    raise ConnectionError("nobody there")


def fails() -> "Future[Result]":
    future: Future[Result] = Future()
    future.set_exception(ConnectionError("nobody there"))
    return future


@pytest.mark.parametrize("away", [raises, fails])
def test_its_records_come_again_until_it_can(away: Callable[[], "Future[Result]"], tmp_path: Path) -> None:
    attempts: list[dict[str, Any]] = []
    invoked = threading.Event()
    logged: list[str] = []

    def invoke(event: dict[str, Any]) -> "Future[Result]":
        attempts.append(event)
        if len(attempts) < 4:
            return away()
        invoked.set()
        future: Future[Result] = Future()
        future.set_result(Result(b"null"))
        return future

    broker = new_broker({TOPIC: 1}, tmp_path / "kafka")
    broker.start()
    poller = Poller(
        TRIGGER, broker.address, invoke, logged.append, forgetful=not IS_APACHE, maximum_backoff=0.2
    )
    try:
        producer = Producer({"bootstrap.servers": broker.address, "log_level": 2})
        producer.produce(TOPIC, b"a")
        assert producer.flush(10) == 0
        poller.start()

        assert invoked.wait(20), logged
    finally:
        poller.stop()
        broker.stop()
    assert [event["records"] for event in attempts[1:]] == [attempts[0]["records"]] * 3
    assert sum("nobody there" in line for line in logged) == 3
