"""The operators' console of this stack: its verbs are run by the operations' function here."""

from collections.abc import Mapping, Sequence
from typing import Any

from checkout.base import terminal
from checkout.base.errors import Unavailable
from checkout.console.server import About, ConsoleServer
from local.lambda_runtime.environments import PayloadTooLarge, Throttled
from local.lambda_runtime.functions import Functions

FUNCTION = "operations"


def server(functions: Functions) -> ConsoleServer:
    """On a free port of loopback, with a token of its own."""

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

    return ConsoleServer(operate, About("on this machine", terminal.user()))
