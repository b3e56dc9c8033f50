"""Lambda's runtime: imports a handler once, then invokes it with one event after the other.

It is a program of its own and imports nothing of this project, so a handler finds on `sys.path` what it finds
on Lambda: its own folder, the layers and the installed packages.

A frame on the socket is two lengths (unsigned, 32 bits, big-endian), a JSON header and a JSON payload. The
program sends `{"type": "ready"}` or `{"type": "error"}` after the import; then, for each
`{"request_id", "deadline_ms", "trace_id"}` with an event, `{"type": "result"}` or `{"type": "error"}`.
"""

import importlib
import json
import os
import socket
import struct
import sys
import time
import traceback
from collections.abc import Callable
from types import TracebackType
from typing import Any, NamedTuple

_LENGTHS = struct.Struct("!II")
Handler = Callable[[Any, "Context"], Any]


class _Identity(NamedTuple):
    """An identity without Cognito."""

    cognito_identity_id: str | None = None
    cognito_identity_pool_id: str | None = None


class Context:
    """The context that Lambda passes to a handler along with the event."""

    def __init__(self, request_id: str, deadline_ms: int) -> None:
        self.aws_request_id = request_id
        self.function_name = os.environ["AWS_LAMBDA_FUNCTION_NAME"]
        self.function_version = os.environ["AWS_LAMBDA_FUNCTION_VERSION"]
        self.memory_limit_in_mb = os.environ["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"]
        self.log_group_name = os.environ["AWS_LAMBDA_LOG_GROUP_NAME"]
        self.log_stream_name = os.environ["AWS_LAMBDA_LOG_STREAM_NAME"]
        region = os.environ["AWS_REGION"]
        self.invoked_function_arn = f"arn:aws:lambda:{region}:000000000000:function:{self.function_name}"
        self.identity = _Identity()
        self.client_context = None
        self.tenant_id = None
        self._deadline_ms = deadline_ms

    def get_remaining_time_in_millis(self) -> int:
        """The time left until the function's timeout; never negative."""
        return max(0, self._deadline_ms - int(time.time() * 1000))


def main(descriptor: int, handler: str, *paths: str) -> None:
    """Serve the socket until its other end is closed. `paths` go first on the import path, in their order."""
    sys.path[:0] = paths
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(line_buffering=True)
    connection = socket.socket(fileno=descriptor)
    reader = connection.makefile("rb")

    def send(header: dict[str, str], payload: bytes) -> None:
        head = json.dumps(header).encode()
        connection.sendall(_LENGTHS.pack(len(head), len(payload)) + head + payload)

    try:
        handle = _import(handler)
    except Exception as error:  # noqa: BLE001 - a handler's module may raise anything
        send({"type": "error"}, _report(error, _import_error_kind(error)))
        return
    send({"type": "ready"}, b"")
    while lengths := reader.read(_LENGTHS.size):
        head_length, payload_length = _LENGTHS.unpack(lengths)
        header = json.loads(reader.read(head_length))
        send(*_invoke(handle, header, reader.read(payload_length)))


def _import(handler: str) -> Handler:
    module, _, name = handler.rpartition(".")
    found: Handler = getattr(importlib.import_module(module.replace("/", ".")), name)
    return found


def _import_error_kind(error: Exception) -> str | None:
    match error:
        case ImportError():
            return "Runtime.ImportModuleError"
        case SyntaxError():
            return "Runtime.UserCodeSyntaxError"
        case AttributeError():
            return "Runtime.HandlerNotFound"
    return None


def _invoke(handle: Handler, header: dict[str, Any], payload: bytes) -> tuple[dict[str, str], bytes]:
    os.environ["_X_AMZN_TRACE_ID"] = header["trace_id"]
    context = Context(header["request_id"], header["deadline_ms"])
    try:
        result = handle(json.loads(payload), context)
    except Exception as error:  # noqa: BLE001 - a handler may raise anything
        return {"type": "error"}, _report(error, request_id=context.aws_request_id)
    try:
        return {"type": "result"}, json.dumps(result, separators=(",", ":")).encode()
    except (TypeError, ValueError, RecursionError) as error:
        unmarshalled = TypeError(f"Unable to marshal response: {error}")
        return {"type": "error"}, _report(unmarshalled, "Runtime.MarshalError", context.aws_request_id)


def _report(error: Exception, kind: str | None = None, request_id: str = "") -> bytes:
    """Lambda's description of a function error, which is also printed, as Lambda logs it."""
    trace = [] if kind == "Runtime.MarshalError" else _frames(error.__traceback__)
    kind = kind or type(error).__name__
    # A message about a setting names it; the frames say nothing more.
    is_about_setting = any(one.__name__ == "ConfigurationError" for one in type(error).__mro__)
    printed = "" if is_about_setting else "".join(trace)
    print(f"[ERROR] {kind}: {one_line(str(error))}\n{printed}".rstrip(), file=sys.stderr)  # noqa: T201
    description = {
        "errorMessage": str(error),
        "errorType": kind,
        "requestId": request_id,
        "stackTrace": trace,
    }
    return json.dumps(description).encode()


def one_line(text: str) -> str:
    """Escape as `checkout.base.text.printable` does: a message must not add lines to the log."""
    return "".join(one if one.isprintable() else json.dumps(one)[1:-1] for one in text)


def _frames(trace: TracebackType | None) -> list[str]:
    # Neither this file's frames nor those of the import system.
    frames = [
        frame
        for frame in traceback.extract_tb(trace)
        if frame.filename != __file__ and not frame.filename.startswith(("<frozen", importlib.__file__))
    ]
    return traceback.format_list(frames)


if __name__ == "__main__":
    main(int(sys.argv[1]), *sys.argv[2:])
