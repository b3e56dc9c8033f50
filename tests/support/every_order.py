"""Tells the events of a life in all their orders, of another user each time, and lets the consumer enter what
is emitted.

Every event comes once more anywhere later, and one of them a third time, under an id of its own. Stripe
answers with a state that is as old as the event, or any later one. At last all that was emitted goes to the
consumer, twice, shuffled, in batches.

With more events than `all_up_to`, four of them, chosen at random, go through all their orders while the
others stand anywhere between. A failure says the seed; OUTCOMES_SEED takes it, and OUTCOMES_ALL_UP_TO another
`all_up_to`.
"""

import os
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import permutations
from random import Random, SystemRandom
from typing import Any

from checkout.base.postgres import Database, Transaction
from checkout.ledger.decision import NOT_TAKEN
from checkout.operations.verbs.verify import Verify
from checkout.outbox.delivery import Delivery
from checkout.outbox.finished_event import TOPIC
from checkout.outbox.producer import KafkaPublisher
from checkout.outbox.record import Record
from checkout.outbox.table import Message
from checkout.payments.events import StripeEvents
from tests.support.functions import Functions, system
from tests.support.kept_messages import KeptMessages
from tests.support.outcomes import End, Row
from tests.support.stripe_lives import Life, Sale, StripeFromThenOn, Telling

SEED = int(os.environ.get("OUTCOMES_SEED", SystemRandom().randrange(10**9)))
ALL_UP_TO = os.environ.get("OUTCOMES_ALL_UP_TO")
CHOSEN_AT_A_TIME = 4
BATCH = 250

Order = tuple[int, ...]


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


def in_every_order(
    fns: Functions, life: Life, outcome: str, *, sale: Sale, all_up_to: int, first_is_known: bool
) -> tuple[dict[Telling, Order], Sequence[Message]]:
    """Tell it; returns who was told what in which order, and everything that went to Kafka and was consumed.

    `first_is_known`: the row of the first session is always there. Else it is for half of the users, and for
    the others an event makes it.
    """
    random = Random(f"{SEED} {outcome}")
    found = orders(len(life.facts), random, int(ALL_UP_TO or all_up_to))
    told = {Telling(life, user_id): order for user_id, order in enumerate(found, 1)}
    add_users(fns, told)
    add_rows(fns, [telling for telling in told if first_is_known or random.random() < 0.5], sale)
    messages = tell_all(told, outcome)
    consume(messages, random)
    return told, messages


def orders(count: int, random: Random, all_up_to: int) -> Iterator[Order]:
    if count <= all_up_to:
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


def add_rows(fns: Functions, told: Sequence[Telling], sale: Sale) -> None:
    """As creating a session leaves them."""
    fns.checkout(
        "INSERT INTO checkout_transactions (request_id, user_id, amount_cents, credit_cents, currency,"
        " purpose, status, stripe_session_id)"
        " SELECT request_id, user_id, %s, %s, 'eur', 'balance_topup', 'session_created', session_id"
        " FROM unnest(%s::text[], %s::bigint[], %s::text[]) AS known (request_id, user_id, session_id)",
        (
            sale.price,
            sale.credit if sale.promises else None,
            [telling.request_id for telling in told],
            [telling.user_id for telling in told],
            [telling.first_session_id for telling in told],
        ),
    )


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


def described(outcome: str, telling: Telling, order: Order) -> str:
    types = ", ".join(telling.life.facts[moment].type for moment in order)
    return f"{outcome}, in the order {order} ({types}), OUTCOMES_SEED={SEED}"


def check_verified(*, reversed_beyond_paid: int) -> None:
    """The checks of all invariants are silent, but for what was taken back twice."""
    found = {finding.name: finding.count for finding in Verify(system())() if finding.count}
    assert found == ({"ReversedMoreThanPaid": reversed_beyond_paid} if reversed_beyond_paid else {})
