"""500 credits, each reversed twice at once, by two events, and every record consumed twice at once: 500
reversals, and every sum exact."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from typing import Any, TypeVar
from uuid import uuid4

import pytest

from checkout.base.postgres import Database
from checkout.ledger.crediting import CreditBalances
from checkout.operations.verbs.verify import Verify
from checkout.outbox.delivery import Delivery
from checkout.outbox.finished_event import TOPIC
from checkout.outbox.record import Record
from checkout.outbox.table import Message
from checkout.payments import stripe_event
from checkout.payments.events import StripeEvents
from tests.support.functions import Functions, system
from tests.support.kept_messages import KeptMessages
from tests.support.stripe_events import encoded, event, session_object
from tests.support.stripe_reversals import KnownStripe, refund

PAYMENTS, USERS = 500, 20
PAID_CENTS = 500
WEBHOOKS, CONSUMERS = 8, 4
BATCH = 25

Connect = Callable[[Callable[[], str]], Database]
Job = TypeVar("Job")
Result = TypeVar("Result")


@pytest.fixture
def connect() -> Iterator[Connect]:
    """Connections that end with the test, for as many at a time as there are."""
    with ExitStack() as stack:
        yield lambda url: stack.enter_context(closing(Database(url)))


def user_of(number: int) -> int:
    return 1 + number % USERS


def refunded_cents(number: int) -> int:
    """Another amount for each, so that no mistake makes up for another."""
    return number + 1


def tell(connect: Connect, told: Sequence[dict[str, Any]], stripe: KnownStripe) -> list[Message]:
    """Record events by several webhooks. Returns what they emitted."""
    messages = KeptMessages()

    def webhook() -> Callable[[dict[str, Any]], str]:
        checkout = connect(system().config.checkout_database_url)
        events = StripeEvents(checkout, lambda: stripe, Delivery(checkout, messages), system().config)
        return lambda one: events.record(stripe_event.parsed(encoded(one)))

    assert set(shared_out([webhook() for _ in range(WEBHOOKS)], told)) == {"applied"}
    return messages.kept


def consume_twice(connect: Connect, messages: Sequence[Message]) -> None:
    """By several consumers, both deliveries of a batch at about the same time."""
    records = [
        Record(TOPIC, 0, offset, message.key.encode(), message.value)
        for offset, message in enumerate(messages)
    ]
    batches = [records[start : start + BATCH] for start in range(0, len(records), BATCH)]

    def consumer() -> Callable[[Sequence[Record]], object]:
        config = system().config
        return CreditBalances(connect(config.database_url), config.currency)

    shared_out([consumer() for _ in range(CONSUMERS)], [batch for batch in batches for _ in range(2)])


def shared_out(workers: Sequence[Callable[[Job], Result]], jobs: Sequence[Job]) -> list[Result]:
    """Each job in its turn, by whichever worker is free."""
    left = iter(jobs)

    def work(worker: Callable[[Job], Result]) -> list[Result]:
        # Threads may share a list's iterator: each job goes to one of them.
        return [worker(job) for job in left]

    with ThreadPoolExecutor(len(workers)) as pool:
        return [result for results in pool.map(work, workers) for result in results]


def test_500_credits_each_reversed_twice_at_once(fns: Functions, connect: Connect) -> None:
    fns.add_users(*range(2, USERS + 1))
    refunds = [refund(f"pi_{number}", amount=refunded_cents(number)) for number in range(PAYMENTS)]
    stripe = KnownStripe(*refunds)
    payments = [
        session_object(
            str(uuid4()), user_id=user_of(number), amount=PAID_CENTS, payment_intent=f"pi_{number}"
        )
        for number in range(PAYMENTS)
    ]
    consume_twice(connect, tell(connect, [event(session) for session in payments], stripe))

    reversals = tell(connect, [event(one, "refund.created") for one in refunds for _ in range(2)], stripe)
    consume_twice(connect, reversals)

    assert len(reversals) == PAYMENTS
    entries = fns.application("SELECT effect_key, amount_cents FROM ledger_entries WHERE kind = 'refunded'")
    assert {entry["effect_key"]: entry["amount_cents"] for entry in entries} == {
        f"refunded:{one['id']}": -one["amount"] for one in refunds
    }
    assert len(entries) == PAYMENTS
    for user_id in range(1, USERS + 1):
        theirs = [number for number in range(PAYMENTS) if user_of(number) == user_id]
        assert fns.balance(user_id) == sum(PAID_CENTS - refunded_cents(number) for number in theirs)
    [of_rows] = fns.checkout("SELECT sum(refunded_cents) AS cents FROM checkout_transactions")
    assert of_rows["cents"] == sum(one["amount"] for one in refunds)
    assert fns.checkout("SELECT 1 FROM outbox") == []
    assert [finding for finding in Verify(system())() if finding.count] == []
