"""What anybody may write to a topic neither stops the stack nor acts on the terminal that it runs in."""

import json
import re
from collections.abc import Iterator

import pytest

from checkout.outbox.record import Record
from tests.support.running_stack import RunningStack
from tests.support.tail import TOPIC
from tests.support.waiting import eventually

COLOR = re.compile(r"\x1b\[\d+m")
HOSTILE = [
    "\ud800",
    "\ud800 lone\udfff",
    "\x1b[2J\x1b]0;title\x07",
    "one\n12:00:00 stack                      stopped\r",
    "\u202eevil\u2066\u2028\u200b",
]


@pytest.fixture(scope="module", params=["utf-8", "ascii"])
def stack(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    folder = tmp_path_factory.mktemp("hostile") / "project"
    with RunningStack(folder, PYTHONIOENCODING=request.param) as running:
        yield running


def finished(request_id: str, user: int) -> bytes:
    event = {"request_id": request_id, "user_id": user, "amount_cents": 500, "status": "success"}
    return json.dumps(event).encode()


def test_records_are_parked_and_what_comes_behind_them_is_credited(stack: RunningStack) -> None:
    user = stack.add_user()
    values = [finished(request_id, 2**62) for request_id in HOSTILE] + [finished("behind", user)]
    stack.topic.produce([Record(TOPIC, 0, 0, b"1", value) for value in values])

    eventually(lambda: stack.entries(user) == [500], 60, lambda: stack.log[-5000:])
    parked = stack.application("SELECT value FROM parked_events ORDER BY kafka_offset")
    assert [bytes(row["value"]) for row in parked] == values[:-1]
    lines = [COLOR.sub("", line) for line in stack.log.split("\n")]
    assert [line for line in lines if not line.isprintable()] == []
    assert "\\u001b[2J" in stack.log
