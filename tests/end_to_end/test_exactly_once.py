"""The same fact many times, through the whole stack: one transaction, one entry."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.support.running_stack import RunningStack, Session

DELIVERIES = 50
TWINS = 20


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    with RunningStack(tmp_path_factory.mktemp("exactly_once") / "project") as running:
        yield running


def paid_but_not_told(stack: RunningStack, session: Session) -> dict[str, Any]:
    """Pay; the event that says so, which Stripe itself does not deliver."""
    stack.control_stripe("webhooks", mode="drop")
    stack.pay(session)
    stack.control_stripe("webhooks", mode="normal")
    events = stack.ask_stripe("/v1/events", type="checkout.session.completed")["data"]
    [event] = [event for event in events if event["data"]["object"]["id"] == session.session_id]
    found: dict[str, Any] = event
    return found


def test_concurrent_deliveries_of_one_event_and_of_its_twin(stack: RunningStack) -> None:
    user = stack.add_user()
    session = stack.create(user)
    event = paid_but_not_told(stack, session)
    twin = {**event, "id": f"{event['id']}Twin"}

    with ThreadPoolExecutor(DELIVERIES + TWINS) as clients:
        answers = list(clients.map(stack.deliver, [event] * DELIVERIES + [twin] * TWINS))

    assert answers == [200] * (DELIVERIES + TWINS)
    stack.until_credited(session)
    stack.until_settled()
    assert stack.entries(user) == [500]
    assert stack.balance(user) == 500
    transactions = stack.checkout("SELECT status FROM checkout_transactions WHERE user_id = %s", (user,))
    assert transactions == [{"status": "payment_succeeded"}]
    stored = stack.checkout(
        "SELECT event_id FROM stripe_events WHERE request_id = %s ORDER BY event_id", (session.request_id,)
    )
    assert [row["event_id"] for row in stored] == [event["id"], twin["id"]]
    stack.check_books()


def test_the_topic_replayed_from_its_beginning(stack: RunningStack) -> None:
    sessions = [stack.create(stack.add_user(), 500 + number) for number in range(5)]
    for session in sessions:
        stack.pay(session)
    stack.until_credited(*sessions)
    stack.until_settled()
    before = books(stack)
    records = stack.topic.records()
    assert len(records) >= len(sessions)

    stack.topic.produce(records)
    stack.until_settled()

    assert len(stack.topic.records()) == 2 * len(records)
    assert books(stack) == before
    stack.check_books()


def books(stack: RunningStack) -> list[dict[str, Any]]:
    return stack.application("SELECT * FROM ledger_entries ORDER BY id") + stack.application(
        "SELECT * FROM users ORDER BY id"
    )
