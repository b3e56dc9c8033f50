"""Good payments among the other inputs, and their expected entries."""

import threading
from collections import defaultdict
from dataclasses import dataclass, field
from random import Random
from typing import Any

import requests

from tests.fuzz.records import FINISHED, REQUESTS, Record
from tests.fuzz.routes import request_id
from tests.fuzz.topics import Topics
from tests.support.project import HTTP_SECONDS
from tests.support.running_stack import RunningStack, Session

KINDS = (
    "card",
    "card",
    "card",
    "told twice",
    "bank debit",
    "refunded",
    "refunded in part",
    "by Kafka",
    "foreign",
)


@dataclass
class GoodPayments:
    """May be shared by threads. No other input has one of the `user_ids`."""

    stack: RunningStack
    topics: Topics
    user_ids: tuple[int, ...]
    expected: dict[int, list[int]] = field(default_factory=lambda: defaultdict(list))
    """The expected amounts of each user's entries, in any order."""
    keys: set[str] = field(default_factory=set)
    """The effect keys of the expected credits."""
    made: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _asked: dict[str, tuple[int, int]] = field(default_factory=dict)
    """The users and amounts of requests without a session yet."""

    def make(self, random: Random) -> None:
        """Make one payment, or a request on Kafka that `pay_asked` pays later. Raises AssertionError."""
        user_id, amount = random.choice(self.user_ids), random.randrange(50, 5_000)
        kind = random.choice(KINDS)
        if kind == "by Kafka":
            self._ask(random, user_id, amount)
        elif kind == "foreign":
            self._credit(random, user_id, amount)
        else:
            self._pay(random, kind, self.stack.create(user_id, amount, request_id(random)))
        with self._lock:
            self.made[kind] += 1

    def pay_asked(self) -> bool:
        """Pay the requests that have a session; returns True if some have none yet."""
        with self._lock:
            asked = dict(self._asked)
        rows = self.stack.checkout(
            "SELECT request_id, stripe_session_id, stripe_session_url FROM checkout_transactions"
            " WHERE request_id = ANY(%s) AND stripe_session_url IS NOT NULL",
            (list(asked),),
        )
        for row in rows:
            user_id, amount = asked[row["request_id"]]
            session = Session(
                row["request_id"], row["stripe_session_id"], row["stripe_session_url"], user_id, amount
            )
            self.stack.pay(session)
            self._expect(user_id, f"success:{session.request_id}", amount)
            with self._lock:
                del self._asked[row["request_id"]]
        with self._lock:
            return bool(self._asked)

    def wrong(self) -> list[str]:
        """The differences between the ledger and the expected entries."""
        rows = self.stack.application(
            "SELECT users.id AS user_id, balance,"
            " array_agg(amount_cents) FILTER (WHERE amount_cents IS NOT NULL) AS amounts"
            " FROM users LEFT JOIN ledger_entries ON user_id = users.id WHERE users.id = ANY(%s)"
            " GROUP BY users.id",
            (list(self.user_ids),),
        )
        found = {row["user_id"]: (row["balance"], sorted(row["amounts"] or [])) for row in rows}
        return [
            f"user {user_id}: expected {sum(amounts)} = {sorted(amounts)}, found {found.get(user_id)}"
            for user_id, amounts in self.expected.items()
            if found.get(user_id) != (sum(amounts), sorted(amounts))
        ]

    def _pay(self, random: Random, kind: str, session: Session) -> None:
        if random.random() < 0.2:
            assert self.stack.create(session.user_id, session.amount_cents, session.request_id) == session
        if kind == "bank debit":
            self._submit(session, payment_method="bank_debit_succeeds")
        else:
            self.stack.pay(session)
        self._expect(session.user_id, session.effect_key, session.amount_cents)
        if kind == "told twice":
            self._tell_again(random, session)
        elif kind.startswith("refunded"):
            part = session.amount_cents if kind == "refunded" else random.randrange(1, session.amount_cents)
            self._refund(session, part)

    def _submit(self, session: Session, **form: str) -> None:
        answer = requests.post(session.url, data=form, allow_redirects=False, timeout=HTTP_SECONDS)
        assert answer.status_code == 303, answer.text

    def _tell_again(self, random: Random, session: Session) -> None:
        """Deliver the event again, and its twin with another id."""
        for event in self.stack.ask_stripe("/v1/events", limit="20")["data"]:
            if event["data"]["object"]["id"] == session.session_id:
                assert self.stack.deliver(event) == 200
                assert self.stack.deliver({**event, "id": f"evt_twin_{random.getrandbits(64):x}"}) == 200

    def _refund(self, session: Session, amount: int) -> None:
        found = self.stack.ask_stripe(f"/v1/checkout/sessions/{session.session_id}")
        answer = requests.post(
            f"{self.stack.description['stripe_api_url']}/v1/refunds",
            data={"payment_intent": found["payment_intent"], "amount": str(amount)},
            headers={"Authorization": f"Bearer {self.stack.description['stripe_secret']}"},
            timeout=HTTP_SECONDS,
        )
        assert answer.status_code == 200, answer.text
        self._expect(session.user_id, None, -amount)

    def _ask(self, random: Random, user_id: int, amount: int) -> None:
        wanted = random.choice(("{}", "{}", "注文-{}", "order {} of №7", "ORDER:{}")).format(
            request_id(random)
        )
        with self._lock:
            self._asked[wanted.lower()] = (user_id, amount)
        self._produce(REQUESTS, {"request_id": wanted, "user_id": user_id, "amount_cents": amount})

    def _credit(self, random: Random, user_id: int, amount: int) -> None:
        """Produce a record with only the required fields, as another producer may."""
        wanted = request_id(random)
        event = {"request_id": wanted, "user_id": user_id, "amount_cents": amount, "status": "success"}
        self._produce(FINISHED, event)
        self._expect(user_id, f"success:{wanted}", amount)

    def _produce(self, topic: str, event: dict[str, Any]) -> None:
        self.topics.produce(Record.of(topic, event["user_id"], event))

    def _expect(self, user_id: int, key: str | None, amount: int) -> None:
        with self._lock:
            self.expected[user_id].append(amount)
            if key is not None:
                self.keys.add(key)
