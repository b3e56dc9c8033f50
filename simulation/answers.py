"""What services are told about the requests that they made through Kafka."""

import json
from collections.abc import Collection
from itertools import islice
from typing import Any

from simulation.broken import Broken


class Answers:
    def __init__(self) -> None:
        self._known: dict[str, dict[str, Any]] = {}
        self._read = 0

    def forget(self) -> None:
        """A database was restored, and a request may be answered anew."""
        self._known.clear()

    def check(self, records: Collection[bytes]) -> None:
        """`records` are all that were ever on the topic, oldest first."""
        for value in islice(records, self._read, None):
            answer = _answer(value)
            if answer is None:
                continue
            known = self._known.setdefault(answer["request_id"], answer)
            if known != answer:
                raise Broken("a request has one answer", f"{known}, and {answer}")
            if answer["status"] == "session_created" and answer.get("session_id") is None:
                raise Broken("who is told of a session gets one", f"{answer}")
        self._read = len(records)


def _answer(value: bytes) -> dict[str, Any] | None:
    """None if the record is something else."""
    try:
        record = json.loads(value)
    except ValueError:
        return None
    if not isinstance(record, dict) or record.get("status") not in ("session_created", "failed"):
        return None
    # A payment that failed had a session.
    is_answer = record["status"] == "session_created" or record.get("session_id") is None
    return record if is_answer else None
