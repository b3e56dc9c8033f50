"""The embedded broker, with both clients that the project uses."""

import os
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from kafka import KafkaConsumer, KafkaProducer

from local.kafka.embedded import Broker, BrokerError

ROOT = Path(__file__).parents[2]
TOPICS = {"checkout.requests": 3, "checkout.finished": 3}


@pytest.fixture
def broker() -> Iterator[Broker]:
    broker = Broker(TOPICS)
    broker.start()
    yield broker
    broker.stop()


def consumer(broker: Broker, group: str = "group") -> Consumer:
    reader = Consumer(
        {
            "bootstrap.servers": broker.address,
            "group.id": group,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "session.timeout.ms": 3000,
            "log_level": 2,
        }
    )
    reader.subscribe(["checkout.finished"])
    return reader


def read(reader: Consumer, count: int, seconds: float = 15) -> list[bytes]:
    """Exactly `count` values, and nothing after them for a moment."""
    values: list[bytes] = []
    deadline = time.monotonic() + seconds
    while len(values) < count and time.monotonic() < deadline:
        values += [
            message.value() or b"" for message in reader.consume(count, 0.1) if message.error() is None
        ]
    assert len(values) == count
    assert reader.poll(0.2) is None
    return values


def test_has_the_topics_with_their_partitions_and_no_other(broker: Broker) -> None:
    topics = AdminClient({"bootstrap.servers": broker.address}).list_topics(timeout=5).topics

    assert {name: len(topic.partitions) for name, topic in topics.items()} == TOPICS


def test_kafka_python_produces_what_confluent_kafka_consumes(broker: Broker) -> None:
    producer = KafkaProducer(bootstrap_servers=broker.address, api_version=(2, 3), acks="all")
    sent = [
        producer.send("checkout.finished", key=b"7", value=b"%d" % number, headers=[("trace", b"abc")])
        for number in range(100)
    ]
    metadata = [future.get(timeout=5) for future in sent]
    producer.close()

    reader = consumer(broker)
    values = read(reader, 100)
    reader.close()

    assert values == [b"%d" % number for number in range(100)]
    assert [one.offset for one in metadata] == list(range(100))
    assert len({one.partition for one in metadata}) == 1


def test_confluent_kafka_produces_what_kafka_python_consumes(broker: Broker) -> None:
    producer = Producer({"bootstrap.servers": broker.address, "enable.idempotence": True})
    producer.produce("checkout.finished", b"value", key=b"7", headers={"trace": b"abc"})
    assert producer.flush(10) == 0

    reader = KafkaConsumer(
        "checkout.finished",
        bootstrap_servers=broker.address,
        api_version=(2, 3),
        group_id="group",
        auto_offset_reset="earliest",
        session_timeout_ms=2000,  # How long the broker waits for members when a second round is needed.
        heartbeat_interval_ms=500,
        consumer_timeout_ms=10_000,
    )
    record = next(reader)
    reader.close()

    assert (record.key, record.value, record.headers) == (b"7", b"value", [("trace", b"abc")])


def test_a_group_resumes_from_what_it_committed(broker: Broker) -> None:
    producer = Producer({"bootstrap.servers": broker.address})
    for number in range(10):
        producer.produce("checkout.finished", b"%d" % number, partition=1)
    producer.flush(10)
    first = consumer(broker)
    read(first, 10)
    first.commit(offsets=[TopicPartition("checkout.finished", 1, 4)], asynchronous=False)
    first.close()

    second = consumer(broker)
    values = read(second, 6)
    second.close()
    other = consumer(broker, group="another")
    everything = read(other, 10)
    other.close()

    assert values == [b"4", b"5", b"6", b"7", b"8", b"9"]
    assert len(everything) == 10


def test_a_restart_keeps_the_port_forgets_everything_and_clients_recover(broker: Broker) -> None:
    producer = KafkaProducer(bootstrap_servers=broker.address, api_version=(2, 3))
    for _ in range(5):
        producer.send("checkout.finished", key=b"7", value=b"before").get(timeout=5)
    address = broker.address

    broker.restart()

    assert broker.address == address
    assert producer.send("checkout.finished", key=b"7", value=b"after").get(timeout=10).offset == 0
    producer.close()
    reader = consumer(broker)
    assert read(reader, 1) == [b"after"]
    reader.close()


def test_is_gone_between_kill_and_start(broker: Broker) -> None:
    host, _, port = broker.address.partition(":")

    broker.kill()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((host, int(port)))
    broker.start()

    socket.create_connection((host, int(port))).close()


def test_many_clients_connect_at_once(broker: Broker) -> None:
    host, _, port = broker.address.partition(":")

    connections = [socket.create_connection((host, int(port)), timeout=1) for _ in range(60)]

    assert len(connections) == 60
    for connection in connections:
        connection.close()


def test_a_taken_port_is_an_error(broker: Broker, capfd: pytest.CaptureFixture[str]) -> None:
    port = int(broker.address.partition(":")[2])

    with pytest.raises(BrokerError):
        Broker(TOPICS, port).start()

    assert f"cannot serve on port {port}" in capfd.readouterr().err


def test_ends_when_its_parent_is_killed() -> None:
    program = """
        from local.kafka.embedded import Broker
        broker = Broker({"topic": 1})
        broker.start()
        print(broker.address, flush=True)
        input()
    """
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ},
    ) as parent:
        assert parent.stdout is not None
        host, _, port = parent.stdout.readline().strip().partition(":")
        socket.create_connection((host, int(port))).close()

        parent.kill()
        parent.wait()

        deadline = time.monotonic() + 10
        while True:
            try:
                socket.create_connection((host, int(port))).close()
            except ConnectionRefusedError:
                break
            assert time.monotonic() < deadline
            time.sleep(0.01)
