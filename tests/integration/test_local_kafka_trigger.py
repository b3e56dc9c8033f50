"""The Kafka trigger with a real broker and a fake function."""

import base64
import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import replace
from typing import Any

import pytest
from confluent_kafka import Consumer, Producer

from local.kafka.trigger import Poller
from local.lambda_runtime.environments import Result
from local.lambda_runtime.template import KafkaTrigger
from tests.support import brokers
from tests.support.brokers import IS_APACHE, AnyBroker, forgets
from tests.support.waiting import eventually

TOPIC = "checkout.finished"
TRIGGER = KafkaTrigger(
    "consumer", TOPIC, "group", "arn", batch_size=1000, window_seconds=0, partial_responses=True
)
IN_PAIRS = replace(TRIGGER, batch_size=2, window_seconds=60)
"""Without a window, two records that were produced together can still come in two batches."""
Answer = Callable[[list[str]], object]


class Function:
    """A fake function that records its events and returns `answer`."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.batches: list[list[str]] = []
        self.answer: Answer = lambda _: None
        self.logged: list[str] = []

    def invoke(self, event: dict[str, Any]) -> "Future[Result]":
        future: Future[Result] = Future()
        values = [
            base64.b64decode(record["value"]).decode()
            for records in event["records"].values()
            for record in records
        ]
        self.events.append(event)
        self.batches.append(values)

        def work() -> None:
            try:
                future.set_result(Result(json.dumps(self.answer(values)).encode()))
            except RuntimeError as error:
                future.set_result(Result(b'{"errorMessage":"%s"}' % str(error).encode(), is_error=True))

        threading.Thread(target=work, daemon=True).start()
        return future

    @property
    def seen(self) -> list[str]:
        return [value for batch in self.batches for value in batch]


@pytest.fixture
def broker(own_broker: AnyBroker) -> AnyBroker:
    """With the empty topic, and no committed offset."""
    return own_broker


@pytest.fixture
def function() -> Function:
    return Function()


@pytest.fixture
def poll(broker: AnyBroker, function: Function) -> Iterator[Callable[..., Poller]]:
    pollers: list[Poller] = []

    def start(trigger: KafkaTrigger = TRIGGER) -> Poller:
        poller = Poller(
            trigger,
            broker.address,
            function.invoke,
            function.logged.append,
            forgetful=not IS_APACHE,
            maximum_backoff=0.2,
        )
        poller.start()
        pollers.append(poller)
        return poller

    yield start
    for poller in pollers:
        poller.stop()


def produce(broker: AnyBroker, *values: str, partition: int = 0, size: int = 0) -> None:
    """Produce in one message set, unless the values are large: separate sets can be fetched separately."""
    producer = Producer({"bootstrap.servers": broker.address, "log_level": 2, "linger.ms": 60_000})
    for value in values:
        producer.produce(TOPIC, value.ljust(size).encode(), key=b"7", partition=partition)
    assert producer.flush(30) == 0


def committed(broker: AnyBroker, partition: int = 0) -> int:
    """The committed offset, or a negative number."""
    consumer = Consumer({"bootstrap.servers": broker.address, "group.id": "group", "log_level": 2})
    try:
        return brokers.committed(consumer, TOPIC, 3)[partition]
    finally:
        consumer.close()


def fail(times: int) -> Answer:
    """An answer that fails this many times, then succeeds."""
    left = [times]

    def answer(_: list[str]) -> None:
        left[0] -= 1
        if left[0] >= 0:
            raise RuntimeError("database away")

    return answer


def test_a_batch_mixes_partitions_and_is_committed_afterwards(
    broker: AnyBroker, function: Function, poll: Callable[..., Poller]
) -> None:
    for partition in range(3):
        produce(broker, f"a{partition}", f"b{partition}", partition=partition)

    poll(replace(TRIGGER, batch_size=6, window_seconds=60))

    eventually(lambda: len(function.seen) == 6)
    assert len(function.batches) == 1
    assert set(function.events[0]["records"]) == {f"{TOPIC}-0", f"{TOPIC}-1", f"{TOPIC}-2"}
    assert function.events[0]["bootstrapServers"] == broker.address
    eventually(lambda: [committed(broker, partition) for partition in range(3)] == [2, 2, 2])


def test_what_is_produced_later_arrives_soon(
    broker: AnyBroker, function: Function, poll: Callable[..., Poller]
) -> None:
    poll()
    produce(broker, "first")
    eventually(lambda: function.seen == ["first"])

    begun = time.monotonic()
    produce(broker, "second")
    eventually(lambda: function.seen == ["first", "second"])

    assert time.monotonic() - begun < 5


def test_a_batch_has_at_most_batch_size_records(
    broker: AnyBroker, function: Function, poll: Callable[..., Poller]
) -> None:
    produce(broker, *map(str, range(25)))

    poll(replace(TRIGGER, batch_size=10, window_seconds=1))

    eventually(lambda: len(function.seen) == 25)
    assert [len(batch) for batch in function.batches] == [10, 10, 5]
    assert function.seen == [str(number) for number in range(25)]


def test_a_batch_has_at_most_six_megabytes(
    broker: AnyBroker, function: Function, poll: Callable[..., Poller]
) -> None:
    produce(broker, *map(str, range(7)), size=680_000)

    poll(replace(TRIGGER, window_seconds=60))

    eventually(lambda: len(function.seen) == 7)
    assert [len(batch) for batch in function.batches] == [6, 1]


def test_the_window_waits_for_more(
    broker: AnyBroker, function: Function, poll: Callable[..., Poller]
) -> None:
    poll(replace(TRIGGER, window_seconds=0.0))
    warm = ["warm", "up"]
    produce(broker, *warm)
    eventually(lambda: function.seen == warm)
    poll(replace(IN_PAIRS, group="other"))
    eventually(lambda: function.seen == warm * 2)
    assert function.batches[-1] == warm

    produce(broker, "one")
    eventually(lambda: ["one"] in function.batches)
    produce(broker, "two")

    eventually(lambda: ["one", "two"] in function.batches)


def test_a_function_error_brings_the_same_batch_again_until_it_succeeds(
    broker: AnyBroker, function: Function, poll: Callable[..., Poller]
) -> None:
    produce(broker, "a", "b")
    function.answer = fail(4)

    poll(IN_PAIRS)
    eventually(lambda: len(function.batches) == 1)
    produce(broker, "c", "d")

    eventually(lambda: function.seen[-1] == "d")
    assert function.batches == [["a", "b"]] * 5 + [["c", "d"]]
    eventually(lambda: committed(broker) == 4)
    assert any("database away" in line for line in function.logged)


def test_nothing_is_committed_while_it_fails(
    broker: AnyBroker, function: Function, poll: Callable[..., Poller]
) -> None:
    produce(broker, "a")
    function.answer = fail(1000)

    poller = poll()
    eventually(lambda: len(function.batches) >= 3)
    poller.stop()

    assert committed(broker) < 0
    function.answer = lambda _: None
    poll()
    eventually(lambda: committed(broker) == 1)


def test_a_partial_response_resumes_that_partition_there_and_keeps_the_others_going(
    broker: AnyBroker, function: Function, poll: Callable[..., Poller]
) -> None:
    produce(broker, "a0", "a1", "a2", partition=0)
    produce(broker, "b0", partition=1)
    failing = [True]

    def answer(values: list[str]) -> object:
        if failing[0] and "a1" in values:
            return {"batchItemFailures": [{"itemIdentifier": {"partition": f"{TOPIC}-0", "offset": 1}}]}
        return None

    function.answer = answer
    poll(replace(TRIGGER, window_seconds=1))
    eventually(lambda: len(function.batches) >= 2)
    produce(broker, "b1", partition=1)
    eventually(lambda: committed(broker, 1) == 2)
    assert committed(broker, 0) == 1
    failing[0] = False

    eventually(lambda: committed(broker, 0) == 3)
    assert sorted(function.batches[0]) == ["a0", "a1", "a2", "b0"]
    assert function.seen.count("a0") == 1
    assert function.seen.count("b1") == 1


@pytest.mark.parametrize(
    "answer", ["nonsense", {"batchItemFailures": [{"itemIdentifier": {"partition": "x"}}]}]
)
def test_a_response_that_is_not_understood_repeats_the_batch(
    broker: AnyBroker, function: Function, poll: Callable[..., Poller], answer: object
) -> None:
    produce(broker, "a", "b")
    answers = [answer, answer, None]
    function.answer = lambda _: answers.pop(0)

    poll(IN_PAIRS)

    eventually(lambda: committed(broker) == 2)
    assert function.batches == [["a", "b"]] * 3


def test_without_partial_responses_any_answer_is_a_success(
    broker: AnyBroker, function: Function, poll: Callable[..., Poller]
) -> None:
    produce(broker, "a")
    function.answer = lambda _: "nonsense"

    poll(replace(TRIGGER, partial_responses=False))

    eventually(lambda: committed(broker) == 1)
    assert function.batches == [["a"]]


def test_attempts_can_be_limited(broker: AnyBroker, function: Function, poll: Callable[..., Poller]) -> None:
    produce(broker, "a")

    def answer(values: list[str]) -> None:
        if "a" in values:
            raise RuntimeError("never")

    function.answer = answer
    poll(replace(TRIGGER, maximum_retries=2))

    eventually(lambda: committed(broker) == 1)
    assert function.batches == [["a"]] * 3
    assert any("gives up 1 records after 3 attempts" in line for line in function.logged)


def test_bisecting_isolates_the_record_that_fails(
    broker: AnyBroker, function: Function, poll: Callable[..., Poller]
) -> None:
    produce(broker, *map(str, range(8)))
    succeeded: list[str] = []

    def answer(values: list[str]) -> None:
        if "5" in values:
            raise RuntimeError("poison")
        succeeded.extend(values)

    function.answer = answer
    poll(replace(TRIGGER, bisect=True, maximum_retries=1, window_seconds=1))

    eventually(lambda: committed(broker) == 8)
    assert succeeded == ["0", "1", "2", "3", "4", "6", "7"]
    assert function.batches.count(["5"]) == 2


def test_a_long_invocation_stays_in_the_group(
    broker: AnyBroker, function: Function, poll: Callable[..., Poller]
) -> None:
    produce(broker, "a")
    function.answer = lambda values: time.sleep(4.5) if values == ["a"] else None

    poll()
    eventually(lambda: len(function.batches) == 1)
    produce(broker, "b")

    eventually(lambda: committed(broker) == 2)
    assert function.batches == [["a"], ["b"]]


def test_stop_does_not_wait_for_the_function_and_its_records_come_again(
    broker: AnyBroker, function: Function, poll: Callable[..., Poller]
) -> None:
    produce(broker, "a")
    release = threading.Event()
    function.answer = lambda _: release.wait(30) and None

    poller = poll()
    eventually(lambda: len(function.batches) == 1)
    begun = time.monotonic()
    poller.stop()

    assert time.monotonic() - begun < 8
    release.set()
    poll()
    eventually(lambda: function.batches == [["a"], ["a"]])


@forgets
def test_a_restarted_broker_s_records_are_all_read_even_if_its_log_is_longer_than_the_old_position(
    broker: AnyBroker, function: Function, poll: Callable[..., Poller]
) -> None:
    produce(broker, "old0", "old1")
    poll()
    eventually(lambda: committed(broker) == 2)

    broker.restart()
    produce(broker, *(f"new{number}" for number in range(5)))

    eventually(lambda: {f"new{number}" for number in range(5)} <= set(function.seen))
    eventually(lambda: committed(broker) == 5)


@forgets
def test_a_broker_that_restarts_during_an_invocation_gets_no_old_offset(
    broker: AnyBroker, function: Function, poll: Callable[..., Poller]
) -> None:
    produce(broker, "old0", "old1", "old2")
    begun, release = threading.Event(), threading.Event()

    def answer(values: list[str]) -> None:
        if values[0].startswith("old"):
            begun.set()
            release.wait(30)

    function.answer = answer
    poll(replace(TRIGGER, window_seconds=1))
    assert begun.wait(20)

    broker.restart()
    produce(broker, *(f"new{number}" for number in range(5)))
    release.set()

    eventually(lambda: {f"new{number}" for number in range(5)} <= set(function.seen))
    eventually(lambda: committed(broker) == 5)


def test_twice_in_a_row_and_with_the_broker_away_for_a_while(
    broker: AnyBroker, function: Function, poll: Callable[..., Poller]
) -> None:
    poll()
    for turn in range(3):
        produce(broker, f"turn{turn}")
        eventually(lambda turn=turn: f"turn{turn}" in function.seen)  # type: ignore[misc]
        broker.kill()
        time.sleep(0.5 * turn)
        broker.start()
    produce(broker, "last")

    eventually(lambda: "last" in function.seen)
