"""What every consumer of checkout.finished may rely on: a credit is published before what takes it back, and
a user's records are in one partition."""

import json
from collections.abc import Container, Iterable, Sequence

from checkout.outbox.table import Message
from simulation.broken import Broken

CREDIT = "success"
TAKING = ("refunded", "disputed")


def offence(messages: Sequence[Message], ever: Container[bytes]) -> Broken | None:
    """What is wrong with what is published together; `ever` has the values of what was published before."""
    for message in messages:
        if message.key != str(json.loads(message.value)["user_id"]):
            return Broken("a user's records have his key", f"{message.effect_key}: {message.key}")
    credit = overtaken(message.value for message in messages)
    # One that is emitted again can come after what has waited in the outbox.
    return None if credit is None or credit in ever else ahead_of(credit)


def overtaken(values: Iterable[bytes]) -> bytes | None:
    """A credit that comes after what takes it back."""
    taken: set[str] = set()
    for value in values:
        record = json.loads(value)
        if record["status"] in TAKING:
            taken.add(record["payment_intent_id"])
        elif record["status"] == CREDIT and record["payment_intent_id"] in taken:
            return value
    return None


def ahead_of(credit: bytes) -> Broken:
    return Broken("a credit is published before what takes it back", f"{credit!r}")
