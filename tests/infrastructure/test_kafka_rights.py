"""Each function does its work on Apache Kafka under the rights of its role, and may do nothing else there."""

from collections.abc import Callable, Iterator
from functools import cache
from itertools import count
from typing import Any

import kafka
import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic  # type: ignore[attr-defined]
from kafka import KafkaConsumer
from kafka.errors import TopicAuthorizationFailedError

from checkout.base.errors import ConfigurationError, Unavailable
from checkout.outbox import administration, finished_event, request_event, sign_in, triggers
from checkout.outbox.producer import KafkaPublisher
from checkout.outbox.table import Message
from checkout.release import topics
from checkout.release.topics import Owner
from tests.infrastructure import acls, permissions, transformed, whole
from tests.infrastructure.permissions import Call, granted
from tests.support.secure_kafka import PASSWORD, SECONDS, Secure
from tests.support.waiting import eventually

pytestmark = pytest.mark.timeout(300)  # The first test may have to wait for the download.

PREFIX = "staging."
FINISHED, REQUESTS = PREFIX + finished_event.TOPIC, PREFIX + request_event.TOPIC
GROUPS = {FINISHED: PREFIX + finished_event.CONSUMER_GROUP, REQUESTS: PREFIX + request_event.CONSUMER_GROUP}
FOREIGN = finished_event.TOPIC
"""Of a stack without a prefix, on the same cluster."""

PRODUCERS = ("StripeWebhook", "CheckoutRequestsConsumer", "OutboxRelay", "Reconciler", "Operations")
CONSUMERS = {"CheckoutFinishedConsumer": FINISHED, "CheckoutRequestsConsumer": REQUESTS}
REFUSED = {
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.GROUP_AUTHORIZATION_FAILED,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED,
}
_numbers = count()


@cache
def rights(function: str) -> frozenset[Call]:
    """What the function's role allows, in production with a prefix."""
    parameters = {"Profile": "prod", "KafkaBrokerType": "standard", "TopicPrefix": PREFIX}
    found = whole.resources(whole.source(), parameters, permissions.name)
    return frozenset(granted(found[f"{function}FunctionRole"]))


class Cluster:
    """Whoever comes through the listener without a sign-in may do everything: the node itself, and we."""

    def __init__(self, secure: Secure) -> None:
        self._secure = secure
        self.admin = AdminClient({"bootstrap.servers": secure.node.address, "log_level": 2})

    def user(self, allowed: frozenset[Call]) -> "User":
        """A new one with these rights."""
        name = f"user-{next(_numbers)}"
        self._secure.add_user(name, PASSWORD)
        bindings = list(acls.of(name, allowed))
        if bindings:
            for done in self.admin.create_acls(bindings).values():
                done.result(SECONDS)
        return User(name, self, self._secure)

    def forget_marks(self) -> None:
        found = [name for name in self.admin.list_topics(timeout=SECONDS).topics if topics.MARK in name]
        for done in self.admin.delete_topics(found).values() if found else ():
            done.result(SECONDS)


class User:
    def __init__(self, name: str, cluster: Cluster, secure: Secure) -> None:
        self._cluster = cluster
        trusted = secure.authority.root.read_text()
        self._by_password = sign_in.by_password("SCRAM-SHA-512", name, PASSWORD, trusted)
        self._address = secure.address
        by_password = administration.translated(self._by_password)
        self.client = {"bootstrap_servers": [secure.address], **by_password}
        """Options of a client of kafka-python, which our code has."""
        self._settings = {"bootstrap.servers": secure.address, **self._by_password, "log_level": 2}
        self._admin = AdminClient(self._settings)

    # What our functions and Lambda do

    def publishes(self) -> bool:
        publisher = KafkaPublisher([self._address], sign_in=lambda: self._by_password, topic_prefix=PREFIX)
        try:
            publisher.require(finished_event.TOPIC, SECONDS)
            message = Message("1", finished_event.TOPIC, "1", b"{}")
            return publisher.publish([message], SECONDS).acknowledged == ["1"]
        except Unavailable:
            return False
        finally:
            publisher.close()

    def probes(self) -> bool:
        """Return True if the records were published, and the groups could be asked."""
        try:
            return len(triggers.read(self.client, PREFIX, 1, 0)) == 2
        except Unavailable:
            return False

    def makes_topics(self) -> bool:
        """Return True if it can, and sees the mark of another stack."""
        self._cluster.forget_marks()
        try:
            topics.ensure(self.client, PREFIX, Owner("shop.1", had_them=True))
            topics.ensure(self.client, PREFIX, Owner("shop.2", had_them=True))
        except Unavailable:
            return False
        except ConfigurationError:
            return True
        return False

    def polls(self, topic: str) -> bool:
        """Return True if it can do what Lambda's poller does: read, commit, and look at the cluster."""
        broker = ConfigResource(ConfigResource.Type.BROKER, "1")
        consumer = self._consumer(GROUPS[topic])
        try:
            self._admin.describe_configs([broker])[broker].result(SECONDS)
            consumer.subscribe([topic])
            consumer.commit(message=self._first(consumer), asynchronous=False)
        except KafkaException as error:
            return self._allowed(error.args[0])
        finally:
            consumer.close()
        return True

    # What nobody but some may do

    def writes(self, topic: str) -> bool:
        errors: list[KafkaError | None] = []
        producer = Producer({**self._settings, "message.timeout.ms": int(SECONDS * 1000)})
        producer.produce(topic, b"{}", on_delivery=lambda error, _: errors.append(error))
        producer.flush(SECONDS)
        [error] = errors
        return self._allowed(error)

    def reads(self, topic: str) -> bool:
        consumer = KafkaConsumer(**self.client)  # Of no group.
        try:
            if not consumer.partitions_for_topic(topic):
                return False  # It may not even see it.
            partition = kafka.TopicPartition(topic, 0)
            consumer.assign([partition])
            consumer.seek(partition, 0)
            eventually(lambda: consumer.poll(timeout_ms=200), SECONDS)
        except TopicAuthorizationFailedError:
            return False
        finally:
            consumer.close()
        return True

    def creates(self, topic: str) -> bool:
        return self._does(lambda admin: admin.create_topics([NewTopic(topic, 1, 1)], validate_only=True))

    def deletes(self, topic: str) -> bool:
        return self._does(lambda admin: admin.delete_topics([topic]))

    def _does(self, ask: Callable[[Any], dict[Any, Any]]) -> bool:
        [done] = ask(self._admin).values()
        try:
            done.result(SECONDS)
        except KafkaException as error:
            return self._allowed(error.args[0])
        return True

    def _consumer(self, group: str) -> Consumer:
        return Consumer(
            {
                **self._settings,
                "group.id": group,
                "auto.offset.reset": "earliest",
                "enable.auto.commit": False,
                "session.timeout.ms": 6000,
            }
        )

    @staticmethod
    def _first(consumer: Consumer) -> Any:
        """The first record. Raises KafkaException if it is refused."""
        found: list[Any] = []

        def has_one() -> bool:
            if (message := consumer.poll(0.1)) is None:
                return False
            if (error := message.error()) is not None:
                raise KafkaException(error)
            found.append(message)
            return True

        eventually(has_one, SECONDS)
        return found[0]

    @staticmethod
    def _allowed(error: KafkaError | None) -> bool:
        """Raises KafkaException for an error that says nothing about rights."""
        if error is not None and error.code() not in (*REFUSED, KafkaError.TOPIC_ALREADY_EXISTS):
            raise KafkaException(error)
        return error is None or error.code() not in REFUSED


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    authorizer = {
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": "User:ANONYMOUS",
    }
    secure = Secure(tmp_path_factory.mktemp("secure"), {FINISHED: 1, REQUESTS: 1, FOREIGN: 1}, authorizer)
    producer = Producer({"bootstrap.servers": secure.node.address})
    for topic in (FINISHED, REQUESTS, FOREIGN):
        producer.produce(topic, b"{}")
    assert producer.flush(SECONDS) == 0
    yield Cluster(secure)
    secure.node.stop()


WORK: dict[str, Callable[[User], bool]] = {
    **dict.fromkeys(PRODUCERS, User.publishes),
    "CheckoutFinishedConsumer": lambda user: user.polls(FINISHED),
    "CheckoutRequestsConsumer": lambda user: user.publishes() and user.polls(REQUESTS),
    "Operations": lambda user: user.publishes() and user.probes(),
    "Migrate": User.makes_topics,
}


@pytest.mark.parametrize("function", sorted(WORK))
def test_a_function_does_its_work_under_the_rights_of_its_role(cluster: Cluster, function: str) -> None:
    assert WORK[function](cluster.user(rights(function)))


def test_no_other_function_has_rights_on_the_cluster() -> None:
    functions = transformed.of_type(transformed.source(), "AWS::Serverless::Function")
    named = {name.removesuffix("Function") for name in functions}
    assert {name for name in named if list(acls.of("any", rights(name)))} == WORK.keys()


@pytest.mark.parametrize("function", sorted(WORK))
def test_a_function_may_do_nothing_else(cluster: Cluster, function: str) -> None:
    user = cluster.user(rights(function))

    assert {topic for topic in (FINISHED, REQUESTS, FOREIGN) if user.writes(topic)} == {
        *([FINISHED] if function in PRODUCERS else []),
        *([REQUESTS] if function == "Operations" else []),
    }
    assert [topic for topic in (FINISHED, REQUESTS, FOREIGN) if user.reads(topic)] == [
        topic for name, topic in CONSUMERS.items() if name == function
    ]
    for topic in (FINISHED, f"{PREFIX}{topics.MARK}any", FOREIGN, f"{topics.MARK}any"):
        assert user.creates(topic) == (function == "Migrate" and topic.startswith(PREFIX))
    assert not user.deletes(FINISHED)


# That it bites


@pytest.mark.parametrize(
    ("function", "action"),
    [
        ("StripeWebhook", "kafka-cluster:WriteData"),
        ("CheckoutFinishedConsumer", "kafka-cluster:ReadData"),
        ("CheckoutFinishedConsumer", "kafka-cluster:AlterGroup"),
        ("CheckoutRequestsConsumer", "kafka-cluster:DescribeClusterDynamicConfiguration"),
        ("Operations", "kafka-cluster:DescribeGroup"),
        ("Migrate", "kafka-cluster:CreateTopic"),
        ("Migrate", "kafka-cluster:DescribeTopic"),
    ],
)
def test_a_right_that_is_missing_is_noticed(cluster: Cluster, function: str, action: str) -> None:
    kept = frozenset(grant for grant in rights(function) if grant.action != action)
    assert kept < rights(function)

    assert not WORK[function](cluster.user(kept))


def test_a_right_that_is_too_many_is_noticed(cluster: Cluster) -> None:
    foreign = f"{permissions.CLUSTER.replace(':cluster/', ':topic/')}/{FOREIGN}"
    more = Call("kafka-cluster:WriteData", foreign)

    assert cluster.user(rights("StripeWebhook") | {more}).writes(FOREIGN)
