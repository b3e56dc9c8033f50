"""The stack's output: one readable line for each hop, with the request id and without secrets.

The callers invoke functions, answer requests and read children, so no method raises: a line that cannot be
written is lost. What is written stays on one line and has no control characters.
"""

import base64
import errno
import json
import logging
import os
import re
import signal
import sys
import threading
import time
import traceback
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TextIO

from checkout.base import terminal
from checkout.base.text import printable, word

_COLORS = {
    "dim": "2",
    "red": "31",
    "green": "32",
    "yellow": "33",
    "blue": "34",
    "magenta": "35",
    "cyan": "36",
}
_LEVELS = {"ERROR": "red", "CRITICAL": "red", "WARNING": "yellow"}
_SECRETS = re.compile(
    r"(?:[sr]k_(?:test|live)_|whsec_)\w+|eyJ[\w-]+\.[\w-]+\.[\w-]+|(?<=://)[^\s/:@]+:[^\s/@]+(?=@)"
)
_BRACKETED = re.compile(r"\[(?P<level>[A-Z]+)]\s*(?P<text>.*)", re.DOTALL)
# Powertools and Lambda put these into every line; the others say what the line is about.
_USUAL = frozenset(
    {
        *("level", "location", "message", "timestamp", "service", "cold_start", "sampling_rate", "alert"),
        *("function_name", "function_memory_size", "function_arn", "function_request_id", "request_id"),
        *("xray_trace_id", "correlation_id", "exception", "exception_name", "stack_trace"),
    }
)


# Relative to the project's folder, or to those of code and layers in a container.
_OWN_FRAME = re.compile(
    rf'^  File "(?:{re.escape(str(Path(__file__).parents[2]))}/(?!\.)|/var/task/|/opt/python/(?=checkout/))'
    r'(?P<file>[^"]+)", line (?P<line>\d+)',
    re.MULTILINE,
)
_SHOWN_FRAMES = 3
_SHOWN_RECORDS = 3
_ID_LENGTH = 64
_NOBODY_READS = (errno.EPIPE, errno.EIO)


@contextmanager
def _harmless() -> Iterator[None]:
    """A decorator that keeps errors of writing from the caller."""
    with suppress(Exception):
        yield


class Console:
    """Writes whole lines, from any thread."""

    def __init__(self, stream: TextIO | None = None, color: bool | None = None) -> None:
        """`color` None means colors on a terminal, unless NO_COLOR is set."""
        self._stream = stream or sys.stdout or Path(os.devnull).open("w")  # noqa: SIM115 - for as long as we run
        self._color = color if color is not None else self._stream.isatty() and not os.environ.get("NO_COLOR")
        self._lock = threading.Lock()
        self._secrets: tuple[str, ...] = ()

    def hide(self, secrets: Iterable[str]) -> None:
        """Mask these values in all lines from now on, except in those of `reveal`."""
        self._secrets = tuple(secret for secret in secrets if len(secret) > 4)

    def show_logs(self) -> None:
        """Also write the logs of libraries in this process, which Python would print unmasked."""
        logging.getLogger().addHandler(_Logs(self))

    @_harmless()
    def reveal(self, text: str) -> None:
        """Write lines with the secrets in them, for the summary, which shows each once."""
        self._print("\n".join(map(printable, text.split("\n"))))

    @_harmless()
    def progress(self, text: str) -> None:
        """Write a step of starting or stopping."""
        self._line("stack", text, "green")

    @_harmless()
    def warn(self, text: str) -> None:
        """Write what went wrong, if the stack itself deals with it."""
        self._line("stack", text, "yellow")

    @_harmless()
    def request(self, method: str, path: str, status: int, seconds: float) -> None:
        """Write an answered HTTP request."""
        color = "red" if status >= 500 else "yellow" if status >= 400 else "dim"
        self._line("gateway", f"{method} {path} → {status} in {seconds * 1000:.0f} ms", color)

    @_harmless()
    def batch(self, function: str, event: Mapping[str, Any]) -> None:
        """Write the number of records that a function gets, and the request ids of the first three."""
        records = [record for partition in event["records"].values() for record in partition]
        ids = [_request_id(record) for record in records[:_SHOWN_RECORDS]]
        more = [f"and {len(records) - _SHOWN_RECORDS} more"] if len(records) > _SHOWN_RECORDS else []
        text = f"{len(records)} record{'s' * (len(records) != 1)} → {function}"
        self._line(records[0]["topic"], text, "dim", " ".join([*filter(None, ids), *more]))

    @_harmless()
    def log(self, source: str, line: str) -> None:
        """Write a line that a child printed: Powertools' JSON, or any text. Metrics are left out."""
        if not line.strip():
            return
        try:
            entry = json.loads(line) if line.startswith("{") else None
        except (ValueError, RecursionError):
            entry = None
        if isinstance(entry, dict):
            if "_aws" not in entry:
                self._entry(source, entry)
            return
        bracketed = _BRACKETED.fullmatch(line)
        level = bracketed["level"] if bracketed else "INFO"
        self._line(source, bracketed["text"] if bracketed else line, _LEVELS.get(level))

    def _entry(self, source: str, entry: dict[str, Any]) -> None:
        extra = {name: value for name, value in entry.items() if name not in _USUAL and value is not None}
        parts = [
            _text(entry.get("message", "")),
            *(f"{name}={self._shown(value)}" for name, value in extra.items()),
        ]
        if entry.get("exception"):
            parts += _where_and_why(str(entry["exception"]))
        level = str(entry.get("level", "INFO"))
        request_id = word(str(entry["request_id"])) if entry.get("request_id") else None
        self._line(source, "  ".join(parts), _LEVELS.get(level), request_id)

    def _line(self, source: str, text: str, color: str | None = None, request_id: str | None = None) -> None:
        clock = time.strftime("%H:%M:%S")
        parts = [
            self._painted(clock, "dim"),
            self._painted(f"{printable(source):<26}", "cyan"),
            self._painted(printable(self._masked(text)), color),
        ]
        if request_id:
            parts.append(self._painted(printable(request_id), "magenta"))
        self._print(" ".join(parts))

    def _print(self, text: str) -> None:
        with self._lock:
            try:
                terminal.put(text + "\n", self._stream)
            except OSError as error:
                if error.errno not in _NOBODY_READS:
                    return
                # After `make run | head`, or in a closed terminal: end silently, as after Ctrl-C.
                os.dup2(os.open(os.devnull, os.O_WRONLY), self._stream.fileno())
                os.kill(os.getpid(), signal.SIGTERM)

    def _masked(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return _SECRETS.sub("***", text)

    def _shown(self, value: Any) -> str:
        # Masked first, since a quoted secret would not be recognised.
        return word(self._masked(value)) if isinstance(value, str) else _text(value)

    def _painted(self, text: str, color: str | None) -> str:
        if not self._color or color is None:
            return text
        return f"\033[{_COLORS[color]}m{text}\033[0m"


class _Logs(logging.Handler):
    def __init__(self, console: Console) -> None:
        super().__init__(logging.WARNING)
        self._console = console

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        trace = "".join(traceback.format_tb(error.__traceback__)).splitlines() if error else []
        what = f"{record.getMessage()}: {error!r}" if error else record.getMessage()
        for line in (what, *trace):
            self._console.log(record.name, f"[{record.levelname}] {line}")


def _where_and_why(trace: str) -> Iterator[str]:
    """What was raised last, and the innermost frames of the project's own files."""
    lines = trace.strip().rpartition("Traceback (most recent call last):")[2].splitlines() or [""]
    frames = [number for number, line in enumerate(lines) if line.startswith("  File ")]
    raised = lines[frames[-1] + 1 :] if frames else []
    # A message may have several lines, and only the first one has the name.
    yield next((line for line in raised if not line.startswith(" ")), lines[-1])
    own = list(_OWN_FRAME.finditer("\n".join(lines)))[-_SHOWN_FRAMES:]
    if own:
        yield "at " + ", from ".join(f"{frame['file']}:{frame['line']}" for frame in reversed(own))


def _request_id(record: Mapping[str, Any]) -> str:
    """The record's request id, or an empty string if it has none."""
    try:
        return word(str(json.loads(base64.b64decode(record["value"]))["request_id"])[:_ID_LENGTH])
    except (ValueError, KeyError, TypeError, RecursionError):
        return ""


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
