"""Apache Kafka killed while customers pay: it comes back with its data; no money is lost or doubled."""

import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support.apache_kafka import share_jars
from tests.support.running_stack import RunningStack, Session
from tests.support.waiting import eventually

USERS = 10
PAYMENTS = 500
CUSTOMERS_AT_ONCE = 4


@pytest.mark.timeout(400)
def test_500_payments_with_the_broker_killed_in_the_middle(tmp_path: Path) -> None:
    stack = RunningStack(tmp_path / "project", KAFKA="apache")
    share_jars(stack.folder / ".local" / "kafka")
    with stack:
        assert stack.description["kafka_api_version"] is None
        users = [stack.add_user() for _ in range(USERS)]
        broker = stack.child("kafka.Kafka")

        def top_up(number: int) -> Session:
            if number == PAYMENTS // 2:
                broker.kill()
            session = stack.create(users[number % USERS], 500 + number)
            stack.pay(session)
            return session

        with ThreadPoolExecutor(CUSTOMERS_AT_ONCE) as customers:
            sessions = list(customers.map(top_up, range(PAYMENTS)))

        stack.until_credited(*sessions, seconds=60)
        stack.until_settled()
        assert "Kafka broker has ended (signal 9)" in stack.log
        eventually(lambda: "Kafka broker is back" in stack.log, 90, lambda: stack.log[-5000:])
        # Every delivery of every event, not only the last attempt.
        answers = re.findall(r"POST /webhooks/stripe → (\d+)", stack.log)
        assert len(answers) >= PAYMENTS
        assert set(answers) == {"200"}
        for number, user in enumerate(users):
            assert sorted(stack.entries(user)) == [500 + one for one in range(number, PAYMENTS, USERS)]
        # Of those published before the kill, too.
        published = b" ".join(record.value for record in stack.topic.records())
        assert [one for one in sessions if one.request_id.encode() not in published] == []
        stack.check_books()
