"""Missing topics are made, on Apache Kafka itself: the embedded broker has no administration."""

from collections.abc import Iterator
from typing import Any

import pytest
from confluent_kafka.admin import AdminClient, ConfigResource  # type: ignore[attr-defined]
from kafka import KafkaAdminClient

from checkout.adapters import topics
from checkout.adapters.kafka import KafkaPublisher
from checkout.errors import Unavailable
from local.apache_kafka import ApacheKafka
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


def test_the_publisher_misses_a_topic_that_is_not_there(kafka: ApacheKafka) -> None:
    publisher = KafkaPublisher([kafka.address])
    publisher.require("there", 10.0)
    with pytest.raises(Unavailable, match="Kafka"):
        publisher.require("nowhere", 1.0)
    publisher.close()
