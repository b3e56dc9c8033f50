"""Three nodes of Apache Kafka, as MSK has them: one is lost while customers pay, then all; no money is."""

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import psutil  # type: ignore[import-untyped]
import pytest
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from tests.support.apache_kafka import share_jars
from tests.support.running_stack import RunningStack, Session
from tests.support.waiting import eventually

pytestmark = pytest.mark.timeout(400)  # The first test may have to wait for the download.

USERS = 6
PAYMENTS = 60
CUSTOMERS_AT_ONCE = 2


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    running = RunningStack(tmp_path_factory.mktemp("three") / "project", KAFKA="apache", NODES="3")
    share_jars(running.folder / ".local" / "kafka")
    with running:
        yield running


def brokers(stack: RunningStack) -> list[psutil.Process]:
    found = [one for one in stack.supervisor.children() if "kafka.Kafka" in one.cmdline()]
    return sorted(found, key=psutil.Process.cwd)


def leaders(stack: RunningStack) -> list[int]:
    """Of each partition, by number; negative where there is none now. A single -1 where nobody can say."""
    client = AdminClient({"bootstrap.servers": stack.description["kafka_brokers"], "log_level": 2})
    try:
        topic = client.list_topics("checkout.finished", timeout=20).topics["checkout.finished"]
    except KafkaException:
        return [-1]
    return [topic.partitions[number].leader for number in sorted(topic.partitions)] or [-1]


def new_leader(stack: RunningStack, old: int | None = None) -> int:
    """Of the first partition, as soon as it has one that is not the old one."""
    found: list[int] = []

    def is_elected() -> bool:
        found[:] = leaders(stack)
        return found[0] not in (old, -1)

    eventually(is_elected, 60, lambda: [found, stack.log[-5000:]])
    return found[0]


def pay(stack: RunningStack, users: list[int], number: int) -> Session:
    session = stack.create(users[number % USERS], 500 + number)
    stack.pay(session)
    return session


def check(stack: RunningStack, users: list[int], sessions: list[Session]) -> None:
    """Every delivery was answered 200, and every payment is credited once."""
    stack.until_credited(*sessions, seconds=60)
    stack.until_settled()
    assert set(re.findall(r"POST /webhooks/stripe → (\d+)", stack.log)) == {"200"}
    for number, user in enumerate(users):
        amounts = [session.amount_cents for session in sessions[number::USERS]]
        assert sorted(stack.entries(user)) == amounts
    stack.check_books()


def test_the_topics_are_on_three_nodes(stack: RunningStack) -> None:
    client = AdminClient({"bootstrap.servers": stack.description["kafka_brokers"]})
    topics = client.list_topics(timeout=20).topics

    assert len(stack.description["kafka_brokers"].split(",")) == 3
    for name in ("checkout.requests", "checkout.finished"):
        assert [len(one.replicas) for one in topics[name].partitions.values()] == [3, 3, 3]


def test_the_leader_of_a_partition_is_killed_while_customers_pay(stack: RunningStack) -> None:
    users = [stack.add_user() for _ in range(USERS)]
    leader = new_leader(stack)
    process = brokers(stack)[leader - 1]
    moved: list[int] = []

    def top_up(number: int) -> Session:
        if number == PAYMENTS // 3:
            process.suspend()  # Its followers notice by themselves, and the stack does not bring it back.
        if number == 2 * PAYMENTS // 3:
            moved.append(new_leader(stack, leader))
            process.kill()
        return pay(stack, users, number)

    with ThreadPoolExecutor(CUSTOMERS_AT_ONCE) as customers:
        sessions = list(customers.map(top_up, range(PAYMENTS)))

    assert moved
    check(stack, users, sessions)
    eventually(lambda: f"Kafka broker {leader} is back" in stack.log, 90, lambda: stack.log[-5000:])


def test_all_brokers_are_killed_and_come_back(stack: RunningStack) -> None:
    users = [stack.add_user() for _ in range(USERS)]
    for process in brokers(stack):
        process.kill()

    sessions = [pay(stack, users, number) for number in range(12)]

    check(stack, users, sessions)
