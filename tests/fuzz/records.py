"""Records for both topics: events that are changed and written in many ways, and other bytes."""

import json
from dataclasses import dataclass
from random import Random
from typing import Any

from tests.fuzz.routes import request_id
from tests.fuzz.values import TEXTS, changed, odd, written

FINISHED, REQUESTS = "checkout.finished", "checkout.requests"
KNOWN = ("success", "failed", "session_created", "refunded", "refund_failed", "disputed", "dispute_won")
STATUSES = (*KNOWN, *KNOWN, "success", "success", "SUCCESS", "")
LARGEST = 300_000


@dataclass(frozen=True)
class Record:
    topic: str
    partition: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()

    @classmethod
    def of(cls, topic: str, user_id: int, event: dict[str, Any]) -> "Record":
        """A valid event."""
        return cls(topic, user_id % 3, str(user_id).encode(), json.dumps(event).encode())

    @property
    def size(self) -> int:
        return len(self.value or b"") + len(self.key or b"") + 100


def finished(random: Random, user_ids: tuple[int, ...]) -> Record:
    event: dict[str, Any] = {
        "request_id": random.choice((request_id(random), f"fuzz-{random.randrange(200)}")),
        "user_id": random.choice((*user_ids, 404)),
        "amount_cents": random.choice((500, 500, 700, 2**62)),
        "currency": random.choice(("eur", "eur", "eur", "EUR", "usd", None)),
        "purpose": random.choice(("balance_topup", "balance_topup", None, "gift")),
        "status": random.choice(STATUSES),
        "session_id": f"cs_{random.getrandbits(32):x}",
        "session_url": None,
        "payment_intent_id": random.choice((None, f"pi_{random.randrange(500)}")),
        "error_message": None,
        "timestamp": "2026-11-26T00:00:00Z",
        "event_id": None,
        "source_id": random.choice((None, f"re_{random.randrange(500)}", f"txn_{random.getrandbits(32):x}")),
        "dispute_id": random.choice((None, None, f"dp_{random.randrange(50)}")),
    }
    return _record(random, FINISHED, event)


def requested(random: Random, user_ids: tuple[int, ...]) -> Record:
    event: dict[str, Any] = {
        "request_id": random.choice(
            (request_id(random), str(random.choice(TEXTS)), f"fuzz-{random.randrange(99)}")
        ),
        "user_id": random.choice((*user_ids, 404)),
        "amount_cents": random.choice((500, 500, 1, 10**9)),
        "currency": random.choice(("eur", None, "EUR", "usd")),
        "purpose": random.choice(("balance_topup", None, "gift")),
        "timestamp": "2026-11-26T00:00:00Z",
        "success_url": random.choice((None, None, "", "/x", str(random.choice(TEXTS)))),
        "cancel_url": random.choice((None, None, str(random.choice(TEXTS)))),
    }
    return _record(random, REQUESTS, event)


def _record(random: Random, topic: str, event: dict[str, Any]) -> Record:
    value: bytes | None
    if random.random() < 0.02:
        value = None
    elif random.random() < 0.02:
        value = written(random, odd(random), spoil=0.5)
    else:
        value = written(
            random, changed(random, event, tuple(event), random.choice((0, 0, 1, 2, 4))), spoil=0.2
        )
    if value and random.random() < 0.002:
        value += b" " * random.randrange(LARGEST)
    keys = (str(event["user_id"]).encode(), b"", None, random.randbytes(5), b"\xff" * 300)
    headers = (("traceparent", random.randbytes(9)), ("", b"")) if random.random() < 0.1 else ()
    key = keys[0] if random.random() < 0.8 else random.choice(keys)
    return Record(topic, random.randrange(3), key, value, headers)
