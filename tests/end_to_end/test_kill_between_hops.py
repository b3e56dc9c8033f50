"""The power fails while a payment is at every hop of the way; each of them is credited exactly once.

One kill serves all hops: payments are brought to them and held there, those that are furthest first.
"""

import contextlib
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from uuid import uuid4

import psutil  # type: ignore[import-untyped]
import pytest
import requests

from local.kafka import TOPICS
from local.kafka.embedded import Broker
from tests.support.running_stack import RunningStack, Session
from tests.support.waiting import eventually

pytestmark = pytest.mark.timeout(300)

AMOUNT = 500
HOP_SECONDS = 60.0
MOST_SECONDS = 60.0
"""From when the restarted stack is ready to the last credit."""


@pytest.fixture(scope="module")
def broker() -> Iterator[Broker]:
    """One that the stack does not start, and that does not die with it."""
    running = Broker(TOPICS)
    running.start()
    yield running
    running.stop()


@pytest.fixture(scope="module")
def stack_beside_broker(broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    folder = tmp_path_factory.mktemp("outlived") / "project"
    settings = {"KAFKA_BROKERS": broker.address, "KAFKA_API_VERSION": str(broker.api_version)}
    with RunningStack(folder, **settings) as running:
        yield running


@pytest.fixture
def outlived(stack_beside_broker: RunningStack) -> RunningStack:
    """Running, whatever a failed test has left."""
    if not stack_beside_broker.is_running:
        stack_beside_broker.start()
    return stack_beside_broker


@dataclass(frozen=True)
class Held:
    """Where the payments are, and will be found again after the power has failed."""

    requested: str
    """A request_id: Stripe made the session, and its answer never came."""
    created: Session
    paid: Session
    """Stripe has been paid, and has not told us."""
    stored: Session
    """In the outbox."""
    published: Session
    consumed: Session
    """In the ledger; the trigger has not committed the offset."""
    finished: Session


def kill_with_a_payment_at_every_hop(
    stack: RunningStack, broker: psutil.Process, *, is_answered: bool
) -> tuple[int, Held]:
    """Kills the stack; gives the new user whose payments they are, and where it left them. (The published one
    is another user's.)

    `is_answered` says whether Stripe has had our answer about the stored payment.
    """
    user, other = stack.add_user(), stack.add_user()
    # Held to the end: the published payment is not credited, whichever batches the trigger makes.
    with stack.locked(other):
        try:
            held = hold_a_payment_at_every_hop(stack, broker, user, other, is_answered=is_answered)
        finally:
            stack.kill()
            with contextlib.suppress(psutil.NoSuchProcess):
                broker.resume()
    return user, held


def hold_a_payment_at_every_hop(
    stack: RunningStack, broker: psutil.Process, user: int, other: int, *, is_answered: bool
) -> Held:
    """Leaves the broker and the supervisor frozen."""
    requested = str(uuid4())
    created, paid, stored, consumed, finished = (stack.create(user, AMOUNT) for _ in range(5))
    published = stack.create(other, AMOUNT)

    stack.pay(finished)
    stack.until_credited(finished)
    stack.until_settled()

    with stack.locked(user) as holder:
        stack.pay(consumed)
        until(lambda: stack.is_waited_for(holder), "consumed, but for the lock")
        stack.pay(published)
        until(lambda: stack.topic.lag() == 2 and not stack.in_outbox(), "published")
        # The consumer gives up now and then, and is asked again: not without the broker.
        until(lambda: stack.is_waited_for(holder), "consumed, but for the lock")
        broker.suspend()
    stack.until_credited(consumed)

    ask_without_ever_hearing_from_stripe(stack, user, requested)
    until(lambda: bool(stripe_sessions(stack, requested)), "requested")

    if is_answered:
        stack.pay(stored)
    else:
        stack.pay_unattended(stored)
    until(lambda: stored.effect_key in stack.in_outbox(), "stored")

    stack.supervisor.suspend()
    stack.pay_unattended(paid)
    path = f"/v1/checkout/sessions/{paid.session_id}"
    until(lambda: stack.ask_stripe(path)["payment_status"] == "paid", "paid")

    unknown = stack.checkout("SELECT request_id FROM checkout_transactions WHERE stripe_session_id IS NULL")
    assert unknown == [{"request_id": requested}]
    everything = [created, paid, stored, published, consumed, finished]
    assert stack.uncredited(everything) == [created, paid, stored, published]
    return Held(requested, created, paid, stored, published, consumed, finished)


def ask_without_ever_hearing_from_stripe(stack: RunningStack, user: int, request_id: str) -> None:
    stack.control_stripe(
        "faults", path_prefix="/v1/checkout/sessions", method="POST", timeout_seconds=600, times=100
    )

    def ask() -> None:
        with contextlib.suppress(requests.RequestException, AssertionError):
            stack.create(user, AMOUNT, request_id)

    Thread(target=ask, daemon=True).start()


def stripe_sessions(stack: RunningStack, request_id: str) -> list[str]:
    """The ids of those that Stripe has made for a request."""
    sessions = stack.ask_stripe("/v1/checkout/sessions", limit="100")["data"]
    return [one["id"] for one in sessions if one["metadata"]["request_id"] == request_id]


def until(condition: Callable[[], bool], hop: str) -> None:
    eventually(condition, HOP_SECONDS, lambda: f"no payment was brought to its hop: {hop}")


def check_that_a_restart_credits_each_once(stack: RunningStack, user: int, held: Held) -> None:
    stack.start()
    ready_at = time.monotonic()
    requested = stack.create(user, AMOUNT, held.requested)
    assert stripe_sessions(stack, held.requested) == [requested.session_id]
    stack.pay(requested)
    stack.pay(held.created)
    sessions = [
        *(requested, held.created, held.paid, held.stored, held.published, held.consumed, held.finished)
    ]
    stack.until_credited(*sessions, seconds=ready_at + MOST_SECONDS - time.monotonic())
    stack.until_settled()
    for one, count in Counter(session.user_id for session in sessions).items():
        assert stack.entries(one) == [AMOUNT] * count
        assert stack.balance(one) == AMOUNT * count
    stack.check_books()


def test_with_a_broker_that_forgets(tmp_path: Path) -> None:
    with RunningStack(tmp_path / "project") as stack:
        broker = stack.child("local.kafka.embedded")
        user, held = kill_with_a_payment_at_every_hop(stack, broker, is_answered=False)

        check_that_a_restart_credits_each_once(stack, user, held)


def test_with_a_broker_that_goes_on(outlived: RunningStack, broker: Broker) -> None:
    assert broker.process is not None
    process = psutil.Process(broker.process.pid)
    user, held = kill_with_a_payment_at_every_hop(outlived, process, is_answered=True)
    assert (
        outlived.topic.lag() >= 1
    )  # And the one that was consumed, unless its offset was committed just then.

    check_that_a_restart_credits_each_once(outlived, user, held)


def test_a_trigger_that_begins_again(outlived: RunningStack) -> None:
    sessions = [outlived.create(outlived.add_user(), AMOUNT) for _ in range(3)]
    for session in sessions:
        outlived.pay(session)
    outlived.until_credited(*sessions)
    outlived.until_settled()
    entries = outlived.application("SELECT * FROM ledger_entries ORDER BY id")
    users = outlived.application("SELECT * FROM users ORDER BY id")
    outlived.stop()
    outlived.replace_trigger("consumes-from-the-beginning")
    assert outlived.topic.lag() == len(outlived.topic.records()) >= len(sessions)

    outlived.start()

    outlived.until_settled()
    assert outlived.application("SELECT * FROM ledger_entries ORDER BY id") == entries
    assert outlived.application("SELECT * FROM users ORDER BY id") == users
    outlived.check_books()
