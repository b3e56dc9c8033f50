"""The operations, for those who may invoke this function: {"verb": "parked", "arguments": ["list"]}.

`arguments` are those of `python -m checkout.operations <verb>`. Nobody can be asked here: what changes money
needs "--yes" among them. Every hour the schedule has it verify.
"""

from typing import Any

from checkout.errors import CheckoutError, InvalidRequest
from checkout.operations import command, text
from checkout.self_check import APPLICATION_DATABASE, BROKER, CHECKOUT_DATABASE, SECRETS, self_checking
from checkout.telemetry import instrumented


def operate(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """{"clean", "result"}; or {"error"} where it was refused and nothing was changed."""
    try:
        outcome = command.execute(command.parser().parse_args(_words(event)), lambda _question: False)
    except CheckoutError as error:
        if error.status >= 500:
            raise
        return {"error": error.detail}
    return {"clean": outcome.clean, "result": text.plain(outcome.content)}


def _words(event: object) -> list[str]:
    given = event if isinstance(event, dict) else {}
    arguments = given.get("arguments", [])
    words = [given.get("verb"), *arguments] if isinstance(arguments, list) else [None]
    if not all(isinstance(word, str) for word in words) or {"-h", "--help"} & set(words):
        raise InvalidRequest('The event is {"verb": "…", "arguments": ["…", …]}, all of them texts.')
    return [str(word) for word in words]


handler = instrumented(self_checking(operate, SECRETS, CHECKOUT_DATABASE, APPLICATION_DATABASE, BROKER))
