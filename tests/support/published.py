"""What was published on `checkout.finished` since the test began, and what the consumer makes of it."""

from typing import Any

from checkout.outbox.record import Record
from tests.support.functions import Functions
from tests.support.tail import Tail


class Published:
    """To be closed; `records` are those that the consumer was given so far."""

    def __init__(self, fns: Functions, brokers: str) -> None:
        self._fns = fns
        self._tail = Tail(brokers)
        self.records: list[Record] = []

    def balance(self, user_id: int = 1) -> int:
        """Minor units, once the consumer was given everything new."""
        new = self._tail.read()
        self.records += new
        if new:
            assert self._fns.consume(*new) == {"batchItemFailures": []}
        return self._fns.balance(user_id)

    def again(self) -> int:
        """User 1's balance, once Kafka has delivered everything again."""
        self._fns.consume(*self.records)
        return self._fns.balance()

    def __enter__(self) -> "Published":
        return self

    def __exit__(self, *_: Any) -> None:
        self._tail.close()
