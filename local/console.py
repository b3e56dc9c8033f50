"""What the stack says: one readable line a hop, with the request id, and never a secret."""

import base64
import errno
import json
import os
import re
import signal
import sys
import threading
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TextIO

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
# What Powertools and Lambda put into every line; the rest is what the line is about.
_USUAL = frozenset(
    {
        *("level", "location", "message", "timestamp", "service", "cold_start", "sampling_rate", "alert"),
        *("function_name", "function_memory_size", "function_arn", "function_request_id", "request_id"),
        *("xray_trace_id", "correlation_id", "exception", "exception_name", "stack_trace"),
    }
)


_SHOWN_RECORDS = 3
_ID_LENGTH = 64
_NOBODY_READS = (errno.EPIPE, errno.EIO)


class Console:
    """Writes whole lines, from any thread."""

    def __init__(self, stream: TextIO | None = None, color: bool | None = None) -> None:
        """`color` None means: on a terminal, unless NO_COLOR is set."""
        self._stream = stream or sys.stdout or Path(os.devnull).open("w")  # noqa: SIM115 - for as long as we run
        self._color = color if color is not None else self._stream.isatty() and not os.environ.get("NO_COLOR")
        self._lock = threading.Lock()
        self._secrets: tuple[str, ...] = ()

    def hide(self, secrets: Iterable[str]) -> None:
        """From now on these never appear in a line, except through `reveal`."""
        self._secrets = tuple(secret for secret in secrets if len(secret) > 4)

    def reveal(self, text: str) -> None:
        """Print something as it is: for the summary, which shows each secret once."""
        self._print(text)

    def progress(self, text: str) -> None:
        """A step of starting or stopping."""
        self._line("stack", text, "green")

    def warn(self, text: str) -> None:
        """Something went wrong that the stack itself deals with."""
        self._line("stack", text, "yellow")

    def request(self, method: str, path: str, status: int, seconds: float) -> None:
        """An answered HTTP request."""
        color = "red" if status >= 500 else "yellow" if status >= 400 else "dim"
        self._line("gateway", f"{method} {path} → {status} in {seconds * 1000:.0f} ms", color)

    def batch(self, function: str, event: Mapping[str, Any]) -> None:
        """A batch of Kafka's records on its way to a function, with the request ids of the first few."""
        records = [record for partition in event["records"].values() for record in partition]
        ids = [_request_id(record) for record in records[:_SHOWN_RECORDS]]
        more = [f"and {len(records) - _SHOWN_RECORDS} more"] if len(records) > _SHOWN_RECORDS else []
        text = f"{len(records)} record{'s' * (len(records) != 1)} → {function}"
        self._line(records[0]["topic"], text, "dim", " ".join([*filter(None, ids), *more]))

    def log(self, source: str, line: str) -> None:
        """A line that a child printed: JSON of Powertools, or any text. Metrics are left out."""
        if not line.strip():
            return
        try:
            entry = json.loads(line) if line.startswith("{") else None
        except ValueError:
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
            *(f"{name}={_text(value)}" for name, value in extra.items()),
        ]
        if entry.get("exception_name"):
            parts.append(str(entry["exception_name"]))
        if entry.get("exception"):
            parts.append(str(entry["exception"]).strip().splitlines()[-1])
        level = str(entry.get("level", "INFO"))
        request_id = entry.get("request_id")
        self._line(source, "  ".join(parts), _LEVELS.get(level), str(request_id) if request_id else None)

    def _line(self, source: str, text: str, color: str | None = None, request_id: str | None = None) -> None:
        clock = time.strftime("%H:%M:%S")
        text = self._masked(text)
        parts = [
            self._painted(clock, "dim"),
            self._painted(f"{source:<26}", "cyan"),
            self._painted(text, color),
        ]
        if request_id:
            parts.append(self._painted(request_id, "magenta"))
        self._print(" ".join(parts))

    def _print(self, text: str) -> None:
        with self._lock:
            try:
                print(text, file=self._stream, flush=True)
            except OSError as error:
                if error.errno not in _NOBODY_READS:
                    return
                # As after `make run | head`, or in a closed terminal: end as a Ctrl-C would, and in silence.
                os.dup2(os.open(os.devnull, os.O_WRONLY), self._stream.fileno())
                os.kill(os.getpid(), signal.SIGTERM)

    def _masked(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return _SECRETS.sub("***", text)

    def _painted(self, text: str, color: str | None) -> str:
        if not self._color or color is None:
            return text
        return f"\033[{_COLORS[color]}m{text}\033[0m"


def _request_id(record: Mapping[str, Any]) -> str:
    """Empty where the record has none, or is nothing of ours."""
    try:
        return str(json.loads(base64.b64decode(record["value"]))["request_id"])[:_ID_LENGTH]
    except (ValueError, KeyError, TypeError, RecursionError):
        return ""


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
