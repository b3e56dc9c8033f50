"""Missing topics are made, on Apache Kafka itself: the embedded broker has no administration."""

import time
from collections.abc import Iterator
from typing import Any

import pytest
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic  # type: ignore[attr-defined]
from kafka import KafkaAdminClient

from checkout.base.errors import ConfigurationError, Unavailable
from checkout.outbox.producer import KafkaPublisher
from checkout.outbox.table import Message
from checkout.release import topics
from checkout.release.topics import Owner
from local.kafka.apache import ApacheKafka
from tests.support.apache_kafka import share_jars
from tests.support.waiting import eventually

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


def make(kafka: ApacheKafka, name: str, **config: str) -> None:
    admin = AdminClient({"bootstrap.servers": kafka.address})
    [made] = admin.create_topics([NewTopic(name, 1, 1, config=config)]).values()
    made.result(timeout=10)
    until_seen(kafka, name)


def ensure(kafka: ApacheKafka, prefix: str, owner: Owner) -> list[str]:
    made = topics.ensure(options(kafka), prefix, owner)
    until_seen(kafka, *made)
    return list(made)


def until_seen(kafka: ApacheKafka, *names: str) -> None:
    """The controller has a topic before the broker lists it."""
    eventually(lambda: partitions(kafka).keys() >= set(names))


def test_what_is_missing_is_made_once_and_what_is_there_stays(kafka: ApacheKafka) -> None:
    mark, requests, finished = "a.checkout.owner.shop.1", "a.checkout.requests", "a.checkout.finished"
    assert ensure(kafka, "a.", Owner("shop.1")) == [mark, requests, finished]
    assert ensure(kafka, "a.", Owner("shop.1", 6)) == []

    found = partitions(kafka)
    assert (found[mark], found[requests], found[finished]) == (1, 3, 3)
    resource = ConfigResource("topic", finished)
    admin = AdminClient({"bootstrap.servers": kafka.address})
    configs = admin.describe_configs([resource])[resource].result(timeout=10)
    assert configs["retention.ms"].value == "604800000"


def test_a_topic_that_another_run_made_meanwhile_is_no_failure(
    kafka: ApacheKafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    ensure(kafka, "b.", Owner("shop.1"))
    monkeypatch.setattr(KafkaAdminClient, "list_topics", lambda _: [])

    assert ensure(kafka, "b.", Owner("shop.1")) == []


def test_the_topics_of_another_stack_are_refused(kafka: ApacheKafka) -> None:
    ensure(kafka, "c.", Owner("shop.1"))

    for had_them in (False, True):
        with pytest.raises(ConfigurationError, match=r"the topic c\.checkout\.owner\.shop\.1 says"):
            ensure(kafka, "c.", Owner("shop.2", had_them=had_them))
    assert len(ensure(kafka, "c.staging.", Owner("shop.2"))) == 3
    assert ensure(kafka, "c.", Owner("shop.1")) == []


def test_topics_without_a_mark_are_taken_by_who_had_them_alone(kafka: ApacheKafka) -> None:
    make(kafka, "d.checkout.finished")

    with pytest.raises(ConfigurationError, match=r"make the topic d\.checkout\.owner\.new\.1 with"):
        ensure(kafka, "d.", Owner("new.1"))
    assert "d.checkout.requests" not in partitions(kafka)

    made = ensure(kafka, "d.", Owner("old.1", had_them=True))
    assert made == ["d.checkout.owner.old.1", "d.checkout.requests"]


def test_topics_that_somebody_made_for_the_stack_are_taken(kafka: ApacheKafka) -> None:
    for name in ("e.checkout.owner.new.1", "e.checkout.requests", "e.checkout.finished"):
        make(kafka, name)

    assert ensure(kafka, "e.", Owner("new.1")) == []


@pytest.mark.parametrize("dies_after", [1, 2])
def test_a_run_that_died_on_the_way_is_completed(
    kafka: ApacheKafka, monkeypatch: pytest.MonkeyPatch, dies_after: int
) -> None:
    prefix, made = f"f{dies_after}.", list[str]()
    create = KafkaAdminClient.create_topics

    def dies(admin: KafkaAdminClient, wanted: dict[str, Any]) -> None:
        if len(made) == dies_after:
            raise KeyboardInterrupt
        made.extend(wanted)
        create(admin, wanted)

    monkeypatch.setattr(KafkaAdminClient, "create_topics", dies)
    with pytest.raises(KeyboardInterrupt):
        ensure(kafka, prefix, Owner("shop.1"))
    monkeypatch.undo()
    until_seen(kafka, *made)

    with pytest.raises(ConfigurationError, match="belong to another stack"):
        ensure(kafka, prefix, Owner("shop.2"))
    assert len(ensure(kafka, prefix, Owner("shop.1"))) == 3 - dies_after


def test_brokers_that_are_away_are_told() -> None:
    with pytest.raises(Unavailable, match="Kafka"):
        topics.ensure(
            {"bootstrap_servers": ["127.0.0.1:1"], "bootstrap_timeout_ms": 200}, "", Owner("shop.1")
        )


def test_a_message_for_a_topic_that_is_missing_waits_until_it_is_made(kafka: ApacheKafka) -> None:
    publisher = KafkaPublisher([kafka.address])
    messages = [Message("1", "later", "1", b"{}"), Message("2", "there", "1", b"{}")]

    began = time.monotonic()
    assert not publisher.publish(messages[:1], 1.0).acknowledged
    assert time.monotonic() - began < 6.0

    make(kafka, "later")
    assert KafkaPublisher([kafka.address]).publish(messages, 10.0).acknowledged == ["1", "2"]


def test_a_message_that_the_brokers_refuse_for_its_size_does_not_stop_the_others(kafka: ApacheKafka) -> None:
    make(kafka, "small", **{"max.message.bytes": "10000"})
    publisher = KafkaPublisher([kafka.address])
    messages = [Message(str(number), "small", "1", b"x" * size) for number, size in enumerate((5, 20_000, 5))]

    answer = publisher.publish(messages, 10.0)
    assert answer.acknowledged == ["0", "2"]
    assert answer.refused == {"1"}, "although brokers refuse all that was sent together"
    # It was not the broker that was away, so nobody is made to pause.
    assert publisher.publish(messages[:1], 10.0).acknowledged == ["0"]
    publisher.close()


def test_the_publisher_misses_a_topic_that_is_not_there(kafka: ApacheKafka) -> None:
    publisher = KafkaPublisher([kafka.address])
    publisher.require("there", 10.0)
    with pytest.raises(Unavailable, match="Kafka"):
        publisher.require("nowhere", 1.0)
    publisher.close()
