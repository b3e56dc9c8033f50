"""What is on Kafka: effects of payments, and what services are told about the requests that they made."""

import json
from collections.abc import Collection
from itertools import islice
from typing import Any

from simulation.broken import Broken

_ANSWERS = ("session_created", "failed")


class Answers:
    """`effects` are the keys of all effects that were ever published."""

    def __init__(self) -> None:
        self.effects: set[str] = set()
        self._known: dict[str, dict[str, Any]] = {}
        self._read = 0

    def forget(self, records: Collection[bytes], published: int) -> None:
        """A database was restored when so many of the records had been published. Since then a request may be
        answered anew."""
        before = islice(records, self._read, published)
        self.effects |= {
            _effect_key(one) for one in map(_decoded, before) if one.get("status") not in _ANSWERS
        }
        self._read = max(self._read, published)
        self._known.clear()

    def check(self, records: Collection[bytes], forgotten: Collection[str] = ()) -> None:
        """`records` are all that were ever on the topic, oldest first. The release before forgets why it has
        refused these request_ids."""
        for value in islice(records, self._read, None):
            record = _decoded(value)
            if record.get("status") not in _ANSWERS:
                self.effects.add(_effect_key(record))
                continue
            if record["status"] == "failed" and record.get("session_id") is not None:
                continue  # A payment that failed.
            answer = record
            known = self._known.setdefault(answer["request_id"], answer)
            if known != answer and answer["request_id"] not in forgotten:
                raise Broken("a request has one answer", f"{known}, and {answer}")
            if answer["status"] == "session_created" and answer.get("session_id") is None:
                raise Broken("who is told of a session gets one", f"{answer}")
        self._read = len(records)


def effect_of(value: bytes) -> str:
    """The effect key of this record."""
    return _effect_key(_decoded(value))


def credited(value: bytes) -> tuple[Any, ...] | None:
    """Payment intent, user and amount of a record that credits a payment; None of any other."""
    record = _decoded(value)
    if record.get("status") != "success":
        return None
    return record.get("payment_intent_id"), record["user_id"], record["amount_cents"]


def _effect_key(record: dict[str, Any]) -> str:
    return f"{record.get('status')}:{record.get('source_id') or record.get('request_id')}"


def _decoded(value: bytes) -> dict[str, Any]:
    """Empty if it makes no sense."""
    try:
        record = json.loads(value)
    except ValueError:
        return {}
    return record if isinstance(record, dict) else {}
