"""Apache Kafka itself, started and killed as the local stack does it, with both clients of the project."""

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from kafka import KafkaProducer

from local.kafka import apache as apache_kafka
from local.kafka import jars as kafka_jars
from local.kafka.apache import ApacheKafka
from local.kafka.jars import ApacheKafkaError
from tests.support.apache_kafka import share_jars
from tests.support.project import Project
from tests.support.settings import put

TOPICS = {"checkout.requests": 3, "checkout.finished": 3}
TOPIC = "checkout.finished"
PARTITION = TopicPartition(TOPIC, 1)
SECONDS = 20.0

pytestmark = pytest.mark.timeout(240)  # The first test may have to wait for the download.


@pytest.fixture(scope="module")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApacheKafka]:
    data = tmp_path_factory.mktemp("kafka") / "données, with spaces"
    share_jars(data)
    running = ApacheKafka(TOPICS, data)
    running.start()
    yield running
    running.stop()


def produce(kafka: ApacheKafka, *values: bytes) -> None:
    producer = Producer({"bootstrap.servers": kafka.address, "enable.idempotence": True, "log_level": 2})
    for value in values:
        producer.produce(TOPIC, value, b"7", PARTITION.partition)
    assert producer.flush(SECONDS) == 0


def consumer(kafka: ApacheKafka, group: str) -> Consumer:
    return Consumer(
        {
            "bootstrap.servers": kafka.address,
            "group.id": group,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "log_level": 2,
        }
    )


def read(kafka: ApacheKafka, group: str, wanted: bytes) -> list[bytes]:
    """What the group has not committed, to the wanted record; commits it."""
    reader = consumer(kafka, group)
    reader.subscribe([TOPIC])
    values: list[bytes] = []
    deadline = time.monotonic() + SECONDS
    while wanted not in values:
        assert time.monotonic() < deadline, values
        message = reader.poll(0.1)
        if message is not None and message.error() is None:
            values.append(message.value() or b"")
            reader.commit(message=message, asynchronous=False)
    reader.close()
    return values


def test_has_the_topics_with_their_partitions(kafka: ApacheKafka) -> None:
    topics = AdminClient({"bootstrap.servers": kafka.address}).list_topics(timeout=SECONDS).topics

    assert {name: len(topics[name].partitions) for name in TOPICS} == TOPICS
    assert set(topics) <= {*TOPICS, "__consumer_offsets"}


def test_kafka_python_finds_out_the_version_by_itself(kafka: ApacheKafka) -> None:
    assert kafka.api_version is None
    producer = KafkaProducer(bootstrap_servers=kafka.address, acks="all")

    sent = producer.send(TOPIC, key=b"7", value=b"negotiated", headers=[("trace", b"abc")])

    assert sent.get(timeout=SECONDS).topic == TOPIC
    producer.close()
    assert read(kafka, "negotiated", b"negotiated")[-1] == b"negotiated"


def test_a_kill_keeps_the_port_the_records_and_the_committed_offsets(kafka: ApacheKafka) -> None:
    produce(kafka, b"read before")
    read(kafka, "group", b"read before")
    produce(kafka, b"not read before")
    address = kafka.address

    kafka.kill()
    host, _, port = address.partition(":")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((host, int(port)))
    kafka.start()

    assert kafka.address == address
    produce(kafka, b"after")
    assert read(kafka, "group", b"after") == [b"not read before", b"after"]
    everything = read(kafka, "another", b"after")
    assert [value for value in everything if b"read before" in value] == [b"read before", b"not read before"]


def test_a_stop_keeps_the_records_for_the_next_start_in_the_folder(
    kafka: ApacheKafka, tmp_path_factory: pytest.TempPathFactory
) -> None:
    produce(kafka, b"kept")
    kafka.stop()
    log = kafka.nodes[0].log
    assert log.exists()

    successor = ApacheKafka(TOPICS, log.parents[1])
    successor.start()
    try:
        assert read(successor, "successor", b"kept")[-1] == b"kept"
    finally:
        successor.stop()
        kafka.start()


def test_ends_when_its_parent_is_killed_and_the_next_start_is_not_disturbed(tmp_path: Path) -> None:
    data = tmp_path / "kafka"
    share_jars(data)
    program = f"""if True:
        from pathlib import Path
        from local.kafka.apache import ApacheKafka
        kafka = ApacheKafka({TOPICS}, Path({str(data)!r}))
        kafka.start()
        print(kafka.address, flush=True)
        input()
    """
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        address = parent.stdout.readline().strip()
        parent.kill()
        parent.wait()

    successor = ApacheKafka(TOPICS, data, int(address.partition(":")[2]))
    successor.start()
    try:
        produce(successor, b"value")
    finally:
        successor.stop()


def test_a_taken_port_is_an_error(kafka: ApacheKafka, tmp_path: Path) -> None:
    data = tmp_path / "kafka"
    share_jars(data)
    taken = int(kafka.address.partition(":")[2])

    with pytest.raises(ApacheKafkaError, match=f"port {taken} is taken"):
        ApacheKafka(TOPICS, data, taken).start()


def test_a_node_that_ends_says_why(tmp_path: Path) -> None:
    data = tmp_path / "kafka"
    share_jars(data)
    storage = data / "node-1-of-1" / "data"
    storage.mkdir(parents=True)
    (storage / "meta.properties").write_text("version=1\ncluster.id=abc\nnode.id=2\n")

    with pytest.raises(ApacheKafkaError, match=r"ended while starting[^$]*node"):
        ApacheKafka(TOPICS, data).start()


def test_a_start_without_the_jars_says_how_to_get_them(tmp_path: Path) -> None:
    with pytest.raises(ApacheKafkaError, match="make kafka"):
        ApacheKafka(TOPICS, tmp_path).start()


JAVA_17 = """#!/bin/sh\necho 'openjdk version "17.0.1" 2021-10-19' >&2\n"""
JAVA_8 = """#!/bin/sh\necho 'java version "1.8.0_401"' >&2\n"""
MAVEN = """#!/bin/sh\nfor last; do :; done\nmkdir "${last#*=}" && : >"${last#*=}/a.jar"\n"""
OFFLINE = """#!/bin/sh\necho '[ERROR] Unknown host repo.maven.apache.org'; exit 1\n"""


@pytest.mark.parametrize(
    ("programs", "said"),
    [
        ({}, ["Java 17", "install a JDK", "embedded broker needs neither"]),
        ({"java": JAVA_8}, ["Java 17", "version 1", "newer", "embedded broker needs neither"]),
        ({"java": JAVA_17}, ["Maven", "install mvn", "embedded broker needs neither"]),
        (
            {"java": JAVA_17, "mvn": OFFLINE},
            ["Unknown host", "Maven Central reachable?", "embedded broker"],
        ),
    ],
)
def test_what_is_missing_is_named_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, programs: dict[str, str], said: list[str]
) -> None:
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, script in programs.items():
        (folder / name).write_text(script)
        (folder / name).chmod(0o755)
    put(monkeypatch, PATH=str(folder))

    with pytest.raises(ApacheKafkaError) as caught:
        kafka_jars.fetch(tmp_path / "kafka", lambda _: None)

    assert [words for words in said if words not in str(caught.value)] == []


def test_is_fetched_once_and_again_when_another_version_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, data, pom = tmp_path / "bin", tmp_path / "kafka", tmp_path / "pom.xml"
    folder.mkdir()
    (folder / "java").write_text(JAVA_17)
    (folder / "mvn").write_text(MAVEN)
    for program in folder.iterdir():
        program.chmod(0o755)
    put(monkeypatch, PATH=f"{folder}:{os.environ['PATH']}")
    monkeypatch.setattr(kafka_jars, "POM", pom)
    said: list[str] = []

    for version in ("one", "one", "two"):
        pom.write_text(version)
        kafka_jars.fetch(data, said.append)
        assert kafka_jars.is_fetched(data)

    assert len([line for line in said if line.startswith("fetching")]) == 2
    assert (data / "libs" / "a.jar").exists()
    assert not (data / "libs.unfinished").exists()


def test_a_purchase_goes_through_it(tmp_path: Path) -> None:
    project = Project(tmp_path / "project")
    share_jars(project.folder / ".local" / "kafka")

    done = project.command("demo", KAFKA="apache")

    assert "balance  0 + 500 = 500\n" in done.stdout


def test_an_address_that_a_killed_predecessor_left_is_forgotten_before_the_start(tmp_path: Path) -> None:
    data = tmp_path / "kafka"
    share_jars(data)
    (data / "brokers").write_text("127.0.0.1:1")
    kafka = ApacheKafka(TOPICS, data)
    starting = threading.Thread(target=kafka.start)
    starting.start()
    try:
        while (found := apache_kafka.serving(data)) is None:  # Until the folder is held.
            assert starting.is_alive()
        starting.join()
        assert found == kafka.address
    finally:
        starting.join()
        kafka.stop()
