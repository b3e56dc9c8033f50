"""Kafka away while customers pay: Stripe notices nothing, and nobody's money is lost or doubled."""

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from local.kafka import TOPICS
from local.kafka.embedded import Broker
from tests.support.running_stack import RunningStack, Session

pytestmark = pytest.mark.timeout(300)

USERS = 10
PAYMENTS = 100
CUSTOMERS_AT_ONCE = 4


@pytest.fixture
def broker() -> Iterator[Broker]:
    running = Broker(TOPICS)
    running.start()
    yield running
    running.stop()


def test_payments_while_the_broker_is_away(broker: Broker, tmp_path: Path) -> None:
    with RunningStack(
        tmp_path / "project", KAFKA_BROKERS=broker.address, KAFKA_API_VERSION=str(broker.api_version)
    ) as stack:
        users = [stack.add_user() for _ in range(USERS)]

        def top_up(number: int) -> Session:
            session = stack.create(users[number % USERS], 500 + number)
            stack.pay(session)
            return session

        broker.kill()
        with ThreadPoolExecutor(CUSTOMERS_AT_ONCE) as customers:
            sessions = list(customers.map(top_up, range(PAYMENTS)))

        assert stack.in_outbox() == {session.effect_key for session in sessions}
        assert stack.uncredited(sessions) == sessions
        # Every delivery of every event, not only the last attempt.
        answers = re.findall(r"POST /webhooks/stripe → (\d+)", stack.log)
        assert len(answers) >= PAYMENTS
        assert set(answers) == {"200"}

        broker.start()

        stack.until_credited(*sessions)
        stack.until_settled()
        for number, user in enumerate(users):
            assert sorted(stack.entries(user)) == [500 + one for one in range(number, PAYMENTS, USERS)]
        stack.check_books()
