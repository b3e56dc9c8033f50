"""The console writes readable lines without secrets."""

import base64
import errno
import io
import json
import logging
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from local.stack.console import Console
from tests.support.settings import put

ROOT = Path(__file__).parents[3]


@pytest.fixture
def stream() -> io.StringIO:
    return io.StringIO()


def test_a_powertools_line_becomes_readable(stream: io.StringIO) -> None:
    line = {
        "level": "INFO",
        "location": "handler:10",
        "message": "session created",
        "timestamp": "2026-01-01",
        "service": "checkout",
        "cold_start": True,
        "function_name": "create_session",
        "function_memory_size": "512",
        "function_arn": "arn",
        "function_request_id": "lambda-id",
        "request_id": "11111111-2222",
        "amount_cents": 500,
        "nothing": None,
    }

    Console(stream).log("create_session", json.dumps(line))

    (printed,) = stream.getvalue().splitlines()
    assert printed[9:].split() == [
        "create_session",
        "session",
        "created",
        "amount_cents=500",
        "11111111-2222",
    ]


TRACE = f"""Traceback (most recent call last):
  File "{ROOT}/functions/web/app.py", line 5, in lambda_handler
    answer()
  File "{ROOT}/.venv/lib/python3.13/site-packages/kafka/client.py", line 6, in poll
    raise KafkaError
kafka.errors.KafkaError: away

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "{ROOT}/functions/web/app.py", line 10, in lambda_handler
    answer()
    ~~~~~~^^
  File "{ROOT}/layers/common/checkout/system.py", line 20, in answer
    ask()
  File "/opt/python/checkout/base/postgres.py", line 30, in ask
    cursor.execute("SELECT")
  File "/opt/python/psycopg2/extras.py", line 40, in execute
    return super().execute(query)
psycopg2.errors.UndefinedTable: relation "users" does not exist
LINE 1: SELECT
        ^
"""


def test_an_exception_is_named_with_our_innermost_frames_in_the_same_line(stream: io.StringIO) -> None:
    line = {"level": "ERROR", "message": "failed", "exception": TRACE, "exception_name": "UndefinedTable"}

    Console(stream).log("f", json.dumps(line))

    assert stream.getvalue().endswith(
        '  failed  psycopg2.errors.UndefinedTable: relation "users" does not exist'
        "  at checkout/base/postgres.py:30, from layers/common/checkout/system.py:20,"
        " from functions/web/app.py:10\n"
    )


@pytest.mark.parametrize("trace", ["ValueError: no", "Traceback\n  x\nValueError: no"])
def test_an_exception_without_frames_is_only_named(stream: io.StringIO, trace: str) -> None:
    Console(stream).log("f", json.dumps({"message": "failed", "exception": trace, "exception_name": "V"}))

    assert stream.getvalue().endswith("failed  ValueError: no\n")


def test_metrics_and_empty_lines_are_left_out(stream: io.StringIO) -> None:
    Console(stream).log("f", '{"_aws":{"Timestamp":1},"Credited":1}')
    Console(stream).log("f", "  ")

    assert stream.getvalue() == ""


@pytest.mark.parametrize("line", ["plain words", "{not json", "[1, 2]", '"text"'])
def test_anything_else_is_kept(stream: io.StringIO, line: str) -> None:
    Console(stream).log("f", line)

    assert line.removeprefix("[ERROR] ") in stream.getvalue()


def test_colors_mark_levels_and_can_be_off(stream: io.StringIO) -> None:
    Console(stream, color=True).log("f", "[ERROR] broken")
    colored = stream.getvalue()
    stream.truncate(0)
    Console(stream, color=False).log("f", "[ERROR] broken")

    assert "\033[31mbroken" in colored
    assert "\033" not in stream.getvalue()


def test_no_color_is_heeded(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    plain, colored = Terminal(), Terminal()
    put(monkeypatch, NO_COLOR=None)
    Console(colored).progress("x")
    put(monkeypatch, NO_COLOR="1")
    Console(plain).progress("x")

    assert "\033" in colored.getvalue()
    assert "\033" not in plain.getvalue()


@pytest.mark.parametrize(
    "secret",
    [
        "sk_test_abc123",
        "whsec_abc123",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl",
        "postgresql://checkout:hunter22@127.0.0.1/x",
        "made-up-service-token",
    ],
)
def test_secrets_are_masked_and_only_the_summary_shows_them(stream: io.StringIO, secret: str) -> None:
    console = Console(stream)
    console.hide(["made-up-service-token"])
    hidden = "hunter22" if "hunter22" in secret else secret

    console.log("f", f"using {secret} now")
    console.log("f", json.dumps({"message": "x", "token": secret}))
    console.request("GET", f"/x?{secret}", 200, 0.1)
    assert hidden not in stream.getvalue()

    console.reveal(secret)
    assert hidden in stream.getvalue()


def test_a_batch_is_one_line_with_the_first_request_ids(stream: io.StringIO) -> None:
    def record(value: bytes) -> dict[str, str]:
        return {"topic": "topic", "value": base64.b64encode(value).decode()}

    values = [b'{"request_id":"one"}', b"nonsense", b"[" * 100_000, b'{"request_id":"four"}']
    Console(stream).batch("consumer", {"records": {"topic-0": [*map(record, values), {"topic": "topic"}]}})

    (printed,) = stream.getvalue().splitlines()
    assert printed[9:].split() == ["topic", "5", "records", "→", "consumer", "one", "and", "2", "more"]


HOSTILE = "a\ud800\x1b[2J\x9b1m\n12:00:00 stack ready\r\u202e\u2028b"


def event(*values: str) -> dict[str, Any]:
    """A batch with one record for each request id."""
    records = [json.dumps({"request_id": value}).encode() for value in values]
    return {
        "records": {
            "topic-0": [{"topic": "topic", "value": base64.b64encode(record).decode()} for record in records]
        }
    }


@pytest.mark.parametrize("color", [True, False])
@pytest.mark.parametrize(
    "show",
    [
        lambda console: console.batch("consumer", event(HOSTILE)),
        lambda console: console.request("GET", HOSTILE, 404, 0.1),
        lambda console: console.log("f", f"[ERROR] {HOSTILE}"),
        lambda console: console.log(HOSTILE, "words"),
        lambda console: console.log("f", json.dumps({"message": HOSTILE})),
        lambda console: console.log("f", json.dumps({"message": "m", "request_id": HOSTILE})),
        lambda console: console.log("f", json.dumps({"message": "m", "reason": HOSTILE, HOSTILE: 1})),
        lambda console: console.log("f", json.dumps({"message": "m", "reasons": [HOSTILE]})),
        lambda console: console.log("f", json.dumps({"message": "m", "exception": HOSTILE})),
        lambda console: console.warn(HOSTILE),
        lambda console: console.progress(HOSTILE),
    ],
)
def test_whatever_is_in_it_a_line_only_shows(color: bool, show: Callable[[Console], None]) -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    show(Console(stream, color=color))

    stream.seek(0)
    printed = re.sub(r"\x1b\[\d+m", "", stream.read())
    assert printed.endswith("\n")
    assert printed[:-1].isprintable()


def test_a_request_id_is_one_word(stream: io.StringIO) -> None:
    Console(stream).batch("consumer", event("one and 9 more", "two"))
    Console(stream).log("f", json.dumps({"message": "m", "reason": "x  paid=true"}))

    assert stream.getvalue().count('"one and 9 more" two\n') == 1
    assert 'm  reason="x  paid=true"\n' in stream.getvalue()


def test_a_stream_of_another_encoding_gets_every_line() -> None:
    raw = io.BytesIO()
    console = Console(io.TextIOWrapper(raw, encoding="ascii"))
    console.batch("consumer", event("für €"))
    console.reveal("5 €\nsecond")

    assert b'1 record \\u2192 consumer "f\\xfcr \\u20ac"\n5 \\u20ac\nsecond\n' in raw.getvalue()


@pytest.mark.parametrize(
    "show",
    [
        lambda console: console.batch("consumer", {}),
        lambda console: console.batch("consumer", {"records": {}}),
        lambda console: console.log("f", '{"a":' * 100_000),
        lambda console: console.log("f", json.dumps({"message": "m", "exception": " "})),
        lambda console: console.log("f", '{"message": "m", "n": ' + "[" * 900 + "]" * 900 + "}"),
        lambda console: console.request("GET", None, 200, 0.1),
    ],
)
def test_what_cannot_be_shown_stops_nobody(stream: io.StringIO, show: Callable[[Console], None]) -> None:
    show(Console(stream))


def test_a_closed_stream_stops_nobody() -> None:
    stream = io.StringIO()
    console = Console(stream)
    stream.close()
    console.progress("nobody hears this")


def test_logs_of_libraries_are_shown_the_same_way(
    stream: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    Console(stream).show_logs()
    try:
        raise ValueError(HOSTILE)
    except ValueError:
        logging.getLogger("asyncio").exception("went %s", "wrong")

    first, *trace = stream.getvalue().split("\n")[:-1]
    assert "asyncio" in first
    assert "went wrong: ValueError(" in first
    assert any("raise ValueError(HOSTILE)" in line for line in trace)
    assert all(line.isprintable() for line in (first, *trace))


def test_a_request_is_one_line(stream: io.StringIO) -> None:
    Console(stream).request("POST", "/checkout/sessions", 201, 0.0384)

    assert "POST /checkout/sessions → 201 in 38 ms" in stream.getvalue()


class Gone(io.StringIO):
    """A stream whose reader is gone, or that is full."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self._number = number

    def write(self, text: str) -> int:
        raise OSError(self._number, os.strerror(self._number))


def test_a_line_that_cannot_be_written_is_lost() -> None:
    Console(Gone(errno.ENOSPC)).progress("the disk is full")


def test_without_any_output_it_is_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)

    Console().progress("nobody hears this")
