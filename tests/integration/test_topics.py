"""Missing topics are made, on Apache Kafka itself: the embedded broker has no administration."""

import time
from collections.abc import Iterator
from typing import Any

import pytest
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic  # type: ignore[attr-defined]
from kafka import KafkaAdminClient

from checkout.base.errors import Unavailable
from checkout.outbox.producer import KafkaPublisher
from checkout.outbox.table import Message
from checkout.release import topics
from local.kafka.apache import ApacheKafka
from tests.support.apache_kafka import share_jars

pytestmark = pytest.mark.timeout(240)  # The first test may have to wait for the download.


@pytest.fixture(scope="module")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApacheKafka]:
    data = tmp_path_factory.mktemp("kafka") / "data"
    share_jars(data)
    running = ApacheKafka({"there": 2}, data)
    running.start()
    yield running
    running.stop()


def options(kafka: ApacheKafka) -> dict[str, Any]:
    return {"bootstrap_servers": [kafka.address]}


def partitions(kafka: ApacheKafka) -> dict[str, int]:
    found = AdminClient({"bootstrap.servers": kafka.address}).list_topics(timeout=10).topics
    return {name: len(topic.partitions) for name, topic in found.items()}


def test_what_is_missing_is_made_once_and_what_is_there_stays(kafka: ApacheKafka) -> None:
    wanted = ("there", "missing")

    assert topics.ensure(options(kafka), wanted, 3) == ["missing"]
    assert topics.ensure(options(kafka), wanted, 6) == []

    assert partitions(kafka) == {"there": 2, "missing": 3}
    resource = ConfigResource("topic", "missing")
    admin = AdminClient({"bootstrap.servers": kafka.address})
    configs = admin.describe_configs([resource])[resource].result(timeout=10)
    assert configs["retention.ms"].value == "604800000"


def test_a_topic_that_another_run_made_meanwhile_is_no_failure(
    kafka: ApacheKafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(KafkaAdminClient, "list_topics", lambda _: [])

    assert topics.ensure(options(kafka), ["there"], 3) == []


def test_brokers_that_are_away_are_told() -> None:
    with pytest.raises(Unavailable, match="Kafka"):
        topics.ensure({"bootstrap_servers": ["127.0.0.1:1"], "bootstrap_timeout_ms": 200}, ["x"], 3)


def test_a_message_for_a_topic_that_is_missing_waits_until_it_is_made(kafka: ApacheKafka) -> None:
    publisher = KafkaPublisher([kafka.address])
    messages = [Message("1", "later", "1", b"{}"), Message("2", "there", "1", b"{}")]

    began = time.monotonic()
    assert list(publisher.publish(messages[:1], 1.0)) == []
    assert time.monotonic() - began < 6.0

    topics.ensure(options(kafka), ["later"], 3)
    assert list(KafkaPublisher([kafka.address]).publish(messages, 10.0)) == ["1", "2"]


def test_a_message_that_the_brokers_refuse_for_its_size_does_not_stop_the_others(kafka: ApacheKafka) -> None:
    admin = AdminClient({"bootstrap.servers": kafka.address})
    [made] = admin.create_topics([NewTopic("small", 1, 1, config={"max.message.bytes": "10000"})]).values()
    made.result(timeout=10)
    publisher = KafkaPublisher([kafka.address])
    messages = [Message(str(number), "small", "1", b"x" * size) for number, size in enumerate((5, 20_000, 5))]

    assert list(publisher.publish(messages, 10.0)) == ["0", "2"]
    # It was not the broker that was away, so nobody is made to pause.
    assert list(publisher.publish(messages[:1], 10.0)) == ["0"]
    publisher.close()


def test_the_publisher_misses_a_topic_that_is_not_there(kafka: ApacheKafka) -> None:
    publisher = KafkaPublisher([kafka.address])
    publisher.require("there", 10.0)
    with pytest.raises(Unavailable, match="Kafka"):
        publisher.require("nowhere", 1.0)
    publisher.close()
