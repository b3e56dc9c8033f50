"""The operations for those who may invoke this function: {"verb": "parked", "arguments": ["list"]}.

`arguments` are those of `python -m checkout.operations <verb>`. Nobody can be asked here, so a verb that asks
before it changes something needs "--yes" among them. `identity` may prove who calls; `python -m deployment
operations` adds it. A schedule runs `verify` every hour.
"""

import os
from typing import Any

from checkout.base.config import Config
from checkout.base.errors import CheckoutError, InvalidRequest
from checkout.base.telemetry import instrumented
from checkout.operations import caller_identity, command, text
from checkout.operations.journal import Caller
from checkout.operations.verb import NotConfirmed
from checkout.release.self_check import EVERYTHING, self_checking
from checkout.system import System

system = System(Config(os.environ))
system.prepare("reconcile", "credit_balances", "accounts")


def operate(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """{"clean", "result"}; or {"error"} if it was refused and nothing was changed, with {"plan"}, which says
    what would change, if only the confirmation is missing."""

    def caller() -> Caller:
        return Caller(_identity(event, words, context), context.aws_request_id)

    try:
        words = _words(event)
        given = command.parser().parse_args(words)
        outcome = command.execute(given, system, lambda _question: False, caller)
    except NotConfirmed as refusal:
        return {"error": refusal.detail, "plan": refusal.plan}
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
        raise InvalidRequest('The event must be {"verb": "…", "arguments": ["…", …]}, all of them texts.')
    return [str(word) for word in words]


def _identity(event: dict[str, Any], words: list[str], context: Any) -> str | None:
    """The ARN of who calls; None if they do not prove it."""
    proof = event.get("identity")
    if proof is None:
        return None
    if not isinstance(proof, str):
        raise InvalidRequest("identity must be an address of STS, signed for this act.")
    account = context.invoked_function_arn.split(":")[4]
    return caller_identity.proved(proof, context.function_name, words, account)


handler = instrumented(self_checking(operate, system, *EVERYTHING))
