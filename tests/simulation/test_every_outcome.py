"""Every outcome of a payment, with its events in every order: the same rows, entries and balance at the end.

Stripe (the simulator) lives each outcome once. Then its events are told in all their orders, of another user
each time. Every event comes once more anywhere later, and one of them a third time, under an id of its own.
Stripe answers with a state that is as old as the event, or any later one. At last all that was emitted goes
to the consumer, twice, shuffled, in batches.

With more than six events, four of them, chosen at random, go through all their orders while the others stand
anywhere between. A failure says the seed; OUTCOMES_SEED takes it.
"""

import os
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import permutations
from random import Random, SystemRandom
from typing import Any

import pytest

from checkout.base import telemetry
from checkout.base.postgres import Database, Transaction
from checkout.base.user_ids import BIGINT, UserId
from checkout.ledger.decision import NOT_TAKEN
from checkout.operations.verbs.verify import Verify
from checkout.outbox.delivery import Delivery
from checkout.outbox.finished_event import TOPIC, decoded
from checkout.outbox.producer import KafkaPublisher
from checkout.outbox.record import Record
from checkout.outbox.table import Message
from checkout.payments.events import StripeEvents
from tests.support.functions import Functions, system
from tests.support.kept_messages import KeptMessages
from tests.support.stripe_lives import Life, Payer, StripeFromThenOn, Telling
from tests.support.stripe_simulator import Simulator

SEED = int(os.environ.get("OUTCOMES_SEED", SystemRandom().randrange(10**9)))
ALL_ORDERS_UP_TO = 6
CHOSEN_AT_A_TIME = 4
BATCH = 250

PENDING_REFUND, FAILING_REFUND = "4000000000007726", "4000000000005126"
DISPUTED, INQUIRY = "4000000000000259", "4000000000001976"

Order = tuple[int, ...]


@dataclass(frozen=True)
class Row:
    """What a transaction says at the end."""

    status: str
    refunded_cents: int = 0
    disputed_cents: int = 0


@dataclass(frozen=True)
class End:
    """How everything stands at the end: transactions by request, and signed ledger entries by effect key."""

    rows: Mapping[str, Row]
    entries: Mapping[str, int]
    balance: int


def end(row: Row, entries: Mapping[str, int], balance: int) -> End:
    """Of an outcome with one transaction."""
    return End({"request": row}, entries, balance)


def paid_by_card(payer: Payer) -> Life:
    payer.pay()
    return payer.life()


def declined_and_expired(payer: Payer) -> Life:
    session = payer.open()
    payer.decline(session)
    payer.expire(session)
    return payer.life()


def debit_settled(payer: Payer) -> Life:
    payer.pay(payment_method="bank_debit_succeeds")
    payer.until("checkout.session.async_payment_succeeded")
    return payer.life()


def debit_failed(payer: Payer) -> Life:
    payer.pay(payment_method="bank_debit_fails")
    payer.until("checkout.session.async_payment_failed")
    return payer.life()


def debit_failed_and_settled(payer: Payer) -> Life:
    """No simulated bank changes its mind, so the failure is made up."""
    return debit_settled(payer).with_event(
        1, "checkout.session.async_payment_failed", like="checkout.session.completed"
    )


def debit_refunded(payer: Payer) -> Life:
    payment = payer.pay(payment_method="bank_debit_succeeds")
    payer.until("checkout.session.async_payment_succeeded")
    payer.refund(payment)
    return payer.life()


def refunded(*amounts: int | None) -> Callable[[Payer], Life]:
    def live(payer: Payer) -> Life:
        payment = payer.pay()
        for amount in amounts:
            payer.refund(payment, amount)
        return payer.life()

    return live


def refund_pending_then_succeeded(payer: Payer) -> Life:
    payer.refund(payer.pay(PENDING_REFUND), 300)
    payer.until("refund.updated")
    return payer.life()


def refund_failed_after_it_succeeded(payer: Payer) -> Life:
    payer.refund(payer.pay(FAILING_REFUND))
    payer.until("refund.failed")
    return payer.life()


def refund_canceled(payer: Payer) -> Life:
    payer.cancel(payer.refund(payer.pay(), instructions_email="payer@example.com"))
    return payer.life()


def two_refunds_failed(payer: Payer) -> Life:
    payment = payer.pay(FAILING_REFUND)
    for amount in (200, 300):
        payer.refund(payment, amount)
    payer.until("refund.failed", 2)
    return payer.life()


def refund_and_another_failed(payer: Payer) -> Life:
    """On the card with failing refunds all of them fail, so the failure of the first is left out."""
    life = two_refunds_failed(payer)
    [first] = [object_id for object_id, name in life.names.items() if name == "refund 1"]
    return life.without({"refund.updated", "charge.refund.updated", "refund.failed"}, first)


def disputed(evidence: str | None, ends_with: str) -> Callable[[Payer], Life]:
    """`evidence` None accepts the dispute."""

    def live(payer: Payer) -> Life:
        payer.pay(DISPUTED)
        if evidence is None:
            payer.accept_dispute()
        else:
            payer.answer_dispute(evidence)
        payer.until(ends_with)
        return payer.life()

    return live


def inquired(payer: Payer) -> Life:
    payer.pay(INQUIRY)
    payer.answer_dispute("winning_evidence")
    payer.until("charge.dispute.closed")
    return payer.life()


def refunded_and_disputed(payer: Payer) -> Life:
    """A disputed payment cannot be refunded; one that is inquired after can, and is disputed then."""
    payment = payer.pay(INQUIRY)
    payer.until("charge.dispute.created")
    payer.refund(payment)
    payer.answer_dispute("escalate_inquiry_evidence")
    payer.until("charge.dispute.funds_withdrawn")
    payer.accept_dispute()
    return payer.life()


def second_payment_refunded(payer: Payer) -> Life:
    payer.pay()
    payer.refund(payer.pay())
    return payer.life()


PAID = {"success:request": 500}
REFUND_1_FAILED = {"refunded:refund 1": -500, "refund_failed:refund 1": 500}
WITHDRAWN = {"disputed:movement 1": -500}

OUTCOMES: dict[str, tuple[Callable[[Payer], Life], End]] = {
    "paid by card": (paid_by_card, end(Row("payment_succeeded"), PAID, 500)),
    "declined, then expired": (declined_and_expired, end(Row("session_expired"), {}, 0)),
    "bank debit settles": (debit_settled, end(Row("payment_succeeded"), PAID, 500)),
    "bank debit fails": (debit_failed, end(Row("payment_failed"), {}, 0)),
    "bank debit fails, then settles": (debit_failed_and_settled, end(Row("payment_succeeded"), PAID, 500)),
    "bank debit refunded": (
        debit_refunded,
        end(Row("payment_succeeded", refunded_cents=500), PAID | {"refunded:refund 1": -500}, 0),
    ),
    "refunded in full": (
        refunded(None),
        end(Row("payment_succeeded", refunded_cents=500), PAID | {"refunded:refund 1": -500}, 0),
    ),
    "refunded in two parts": (
        refunded(200, 100),
        end(
            Row("payment_succeeded", refunded_cents=300),
            PAID | {"refunded:refund 1": -200, "refunded:refund 2": -100},
            200,
        ),
    ),
    "refunded in three parts": (
        refunded(1, 200, None),
        end(
            Row("payment_succeeded", refunded_cents=500),
            PAID | {"refunded:refund 1": -1, "refunded:refund 2": -200, "refunded:refund 3": -299},
            0,
        ),
    ),
    "refund pending, then succeeded": (
        refund_pending_then_succeeded,
        end(Row("payment_succeeded", refunded_cents=300), PAID | {"refunded:refund 1": -300}, 200),
    ),
    "refund succeeded, then failed": (
        refund_failed_after_it_succeeded,
        end(Row("payment_succeeded"), PAID | REFUND_1_FAILED, 500),
    ),
    "refund canceled": (refund_canceled, end(Row("payment_succeeded"), PAID | REFUND_1_FAILED, 500)),
    "a refund, and another failed": (
        refund_and_another_failed,
        end(
            Row("payment_succeeded", refunded_cents=200),
            PAID | {"refunded:refund 1": -200, "refunded:refund 2": -300, "refund_failed:refund 2": 300},
            300,
        ),
    ),
    "two refunds failed": (
        two_refunds_failed,
        end(
            Row("payment_succeeded"),
            PAID
            | {"refunded:refund 1": -200, "refund_failed:refund 1": 200}
            | {"refunded:refund 2": -300, "refund_failed:refund 2": 300},
            500,
        ),
    ),
    "dispute accepted": (
        disputed(None, "charge.dispute.closed"),
        end(Row("payment_succeeded", disputed_cents=500), PAID | WITHDRAWN, 0),
    ),
    "dispute lost": (
        disputed("losing_evidence", "charge.dispute.closed"),
        end(Row("payment_succeeded", disputed_cents=500), PAID | WITHDRAWN, 0),
    ),
    "dispute won": (
        disputed("winning_evidence", "charge.dispute.funds_reinstated"),
        end(Row("payment_succeeded"), PAID | WITHDRAWN | {"dispute_won:movement 2": 500}, 500),
    ),
    "inquiry closed": (inquired, end(Row("payment_succeeded"), PAID, 500)),
    "refunded and disputed": (
        refunded_and_disputed,
        end(
            Row("payment_succeeded", refunded_cents=500, disputed_cents=500),
            PAID | {"refunded:refund 1": -500} | WITHDRAWN,
            -500,
        ),
    ),
    "second payment refunded": (
        second_payment_refunded,
        End(
            {
                "request": Row("payment_succeeded"),
                "request:session 2": Row("payment_succeeded", refunded_cents=500),
            },
            PAID | {"success:request:session 2": 500, "refunded:refund 1": -500},
            500,
        ),
    ),
}


class Joined(Database):
    """Every transaction is a part of the one that is open, and is undone alone if it raises: to commit each
    of so many events takes minutes."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    @contextmanager
    def transaction(self, *, durable: bool = True, commit: bool = True) -> Iterator[Transaction]:
        self._tx.execute("SAVEPOINT part")
        self._tx.roll_back = self._roll_back  # type: ignore[method-assign]
        try:
            yield self._tx
        except BaseException:
            self._tx._queued.clear()
            self._tx.execute("ROLLBACK TO SAVEPOINT part")
            raise
        finally:
            self._tx.execute("RELEASE SAVEPOINT part")

    def _roll_back(self) -> None:
        self._tx._queued.clear()
        self._tx.execute("ROLLBACK TO SAVEPOINT part")

    @contextmanager
    def autocommit(self, *, durable: bool = True) -> Iterator[Transaction]:
        with self.transaction(durable=durable) as tx:
            yield tx


@pytest.fixture(scope="module")
def living(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    with Simulator(
        tmp_path_factory.mktemp("stripe"), debit_seconds=0.05, refund_seconds=0.05, dispute_seconds=0.05
    ) as simulator:
        yield simulator


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Tens of thousands of events are not worth a line each."""
    level = telemetry.logger.log_level
    telemetry.logger.setLevel("ERROR")
    yield
    telemetry.logger.setLevel(level)


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_every_order_of_its_events_ends_the_same(fns: Functions, living: Simulator, outcome: str) -> None:
    live, expected = OUTCOMES[outcome]
    life = live(Payer(living))
    random = Random(f"{SEED} {outcome}")
    told = {Telling(life, user_id): order for user_id, order in enumerate(orders(len(life.facts), random), 1)}
    add_users(fns, told)
    # Which of two payments is the second one, only the session that is known before can tell.
    is_known = len(expected.rows) > 1
    add_rows(fns, [telling for telling in told if is_known or random.random() < 0.5])

    messages = tell_all(told, outcome)

    check_emitted_once(told, messages, expected, outcome)
    consume(messages, random)

    ends = all_ends(fns, told)
    for telling, order in told.items():
        assert ends[telling.user_id] == expected, described(outcome, telling, order)
    check_nothing_is_left(fns)
    check_verified(reversed_beyond_paid=len(told) if expected.balance < 0 else 0)


def orders(count: int, random: Random) -> Iterator[Order]:
    if count <= ALL_ORDERS_UP_TO:
        yield from permutations(range(count))
        return
    chosen = random.sample(range(count), CHOSEN_AT_A_TIME)
    others = [moment for moment in range(count) if moment not in chosen]
    for order in permutations(chosen):
        yield tuple(at_random_places([*order], others, random))


def at_random_places(order: list[int], others: Sequence[int], random: Random) -> list[int]:
    for moment in others:
        order.insert(random.randint(0, len(order)), moment)
    return order


def deliveries(order: Order, random: Random) -> list[tuple[int, bool]]:
    """The moments in this order, each once more anywhere behind, and a twin of one of them."""
    sequence = [(moment, False) for moment in order]
    for moment, is_twin in [*sequence, (random.choice(order), True)]:
        behind = sequence.index((moment, False)) + 1
        sequence.insert(random.randint(behind, len(sequence)), (moment, is_twin))
    return sequence


def tell_all(told: Mapping[Telling, Order], outcome: str) -> Sequence[Message]:
    """Returns everything that went to Kafka."""
    publisher = KeptMessages()
    for telling, order in told.items():
        try:
            with system().checkout_database.transaction() as cursor:
                tell(telling, order, Joined(cursor), publisher)
        except Exception as error:
            error.add_note(described(outcome, telling, order))
            raise
    return publisher.kept


def tell(telling: Telling, order: Order, checkout: Database, publisher: KafkaPublisher) -> None:
    random = Random(f"{SEED} {telling.user_id}")
    stripe = StripeFromThenOn(random)
    events = StripeEvents(checkout, lambda: stripe, Delivery(checkout, publisher), system().config)
    for moment, is_twin in deliveries(order, random):
        stripe.handles(telling, moment)
        events.record(telling.event(moment, twin=is_twin))


def add_users(fns: Functions, told: Collection[Telling]) -> None:
    fns.application(
        "INSERT INTO users (id) SELECT * FROM unnest(%s::bigint[]) ON CONFLICT DO NOTHING",
        ([telling.user_id for telling in told],),
    )


def add_rows(fns: Functions, told: Sequence[Telling]) -> None:
    """As creating a session leaves them. Where there is none, an event makes it."""
    fns.checkout(
        "INSERT INTO checkout_transactions"
        " (request_id, user_id, amount_cents, currency, purpose, status, stripe_session_id)"
        " SELECT request_id, user_id, 500, 'eur', 'balance_topup', 'session_created', session_id"
        " FROM unnest(%s::text[], %s::bigint[], %s::text[]) AS known (request_id, user_id, session_id)",
        (
            [telling.request_id for telling in told],
            [telling.user_id for telling in told],
            [telling.first_session_id for telling in told],
        ),
    )


def check_emitted_once(
    told: Mapping[Telling, Order], messages: Sequence[Message], expected: End, outcome: str
) -> None:
    """However often it was told. `failed` moves nothing; where the payment succeeds in the end, some orders
    emit it before and some never."""
    emitted: dict[UserId, Counter[str]] = defaultdict(Counter)
    for message in messages:
        event = decoded(message.value, "eur", BIGINT)
        emitted[event.user_id][event.effect.effect_key if event.effect else event.status] += 1
    effects = expected.entries.keys() | (set() if expected.entries else {"failed"})
    for telling, order in told.items():
        found = Counter({telling.readable(key): count for key, count in emitted[telling.user_id].items()})
        found.pop("failed" if expected.entries else "", None)
        assert found == Counter(effects), described(outcome, telling, order)


def consume(messages: Sequence[Message], random: Random) -> None:
    """By the consumer's own code: all of it twice, in any order."""
    shuffled = random.sample([*messages, *messages], 2 * len(messages))
    records = [
        Record(TOPIC, 0, offset, message.key.encode(), message.value)
        for offset, message in enumerate(shuffled)
    ]
    for start in range(0, len(records), BATCH):
        system().credit_balances(records[start : start + BATCH])


def all_ends(fns: Functions, told: Collection[Telling]) -> Mapping[int, End]:
    """By user."""
    rows: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for row in fns.checkout("SELECT * FROM checkout_transactions"):
        rows[row["user_id"]].append(row)
    entries: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for entry in fns.application("SELECT * FROM ledger_entries"):
        entries[entry["user_id"]].append(entry)
    balances = {user["id"]: user["balance"] for user in fns.application("SELECT * FROM users")}
    return {
        telling.user_id: End(
            {
                telling.readable(row["request_id"]): Row(
                    row["status"], row["refunded_cents"], row["disputed_cents"]
                )
                for row in rows[telling.user_id]
            },
            {
                telling.readable(entry["effect_key"]): entry["amount_cents"]
                for entry in entries[telling.user_id]
            },
            balances[telling.user_id],
        )
        for telling in told
    }


def check_nothing_is_left(fns: Functions) -> None:
    assert fns.checkout("SELECT outcome, reason FROM stripe_events WHERE outcome <> 'applied' LIMIT 5") == []
    assert fns.checkout("SELECT * FROM reversals WHERE state <> 'emitted' LIMIT 5") == []
    assert fns.checkout("SELECT effect_key FROM outbox LIMIT 5") == []
    # What came before what it gives back has waited for that.
    parked = fns.application("SELECT DISTINCT reason, resolution FROM parked_events")
    assert all((row["reason"], row["resolution"]) == (NOT_TAKEN, "replayed") for row in parked), parked


def check_verified(*, reversed_beyond_paid: int) -> None:
    """The checks of all invariants are silent, but for what was taken back twice."""
    found = {finding.name: finding.count for finding in Verify(system())() if finding.count}
    assert found == ({"ReversedMoreThanPaid": reversed_beyond_paid} if reversed_beyond_paid else {})


def described(outcome: str, telling: Telling, order: Order) -> str:
    types = ", ".join(telling.life.facts[moment].type for moment in order)
    return f"{outcome}, in the order {order} ({types}), OUTCOMES_SEED={SEED}"
