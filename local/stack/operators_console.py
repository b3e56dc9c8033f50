"""The operators' console of this stack: its verbs are run by the operations' function here.

It keeps its port and its token in the folder of the stack's data, so that an open page carries on after a
restart.
"""

import json
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from checkout.base import terminal
from checkout.base.errors import Unavailable
from checkout.console.server import About, ConsoleServer
from checkout.console.switchboard import Switchboard
from local.lambda_runtime.environments import PayloadTooLarge, Throttled
from local.lambda_runtime.functions import Functions
from local.stack.settings import write_privately

FUNCTION = "operations"


def server(functions: Functions, switchboard: Switchboard, data: Path) -> ConsoleServer:
    """On loopback, with the port and the token of the last start if the port is free."""

    def operate(words: Sequence[str]) -> Mapping[str, Any]:
        event = {"verb": words[0], "arguments": list(words[1:])}
        try:
            result = functions.invoke_from_thread(FUNCTION, event).result()
        except PayloadTooLarge as error:
            raise Unavailable("The answer is longer than Lambda's limit: ask for less.") from error
        except Throttled as error:
            raise Unavailable("All environments of the operations are busy: try again.") from error
        if result.is_error:
            raise Unavailable(f"{words[0]} failed: {result.value.get('errorMessage', 'see the log')}")
        found: Mapping[str, Any] = result.value
        return found

    kept = data / "console.json"
    port, token = _kept(kept)
    about = About("on this machine", terminal.user())

    def made(on_port: int) -> ConsoleServer:
        return ConsoleServer(operate, about, on_port, token=token, switchboard=switchboard)

    try:
        console = made(port)
    except OSError:
        console = made(0)
    write_privately(kept, json.dumps({"port": console.port, "token": token}))
    return console


def _kept(path: Path) -> tuple[int, str]:
    try:
        kept = json.loads(path.read_text())
        return int(kept["port"]), str(kept["token"])
    except (OSError, ValueError, KeyError, TypeError):
        return 0, secrets.token_urlsafe(32)
