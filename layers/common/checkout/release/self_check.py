"""Could this version do its work? Asked by `pre_traffic` before a new version gets any.

The event is `{"checkout": "self-check"}`; the answer names the release and what was reached. What could not
be reached raises, so that the invocation fails with the reason.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from checkout.base import timing
from checkout.base.postgres import Database
from checkout.base.telemetry import Handler

EVENT = {"checkout": "self-check"}
BROKER_SECONDS = timing.SELF_CHECK_BROKER


class Need(NamedTuple):
    """`check` raises a CheckoutError if it is not met."""

    name: str
    check: Callable[[], None]


def reach(database: Database) -> None:
    with database.autocommit() as tx:
        tx.execute("SELECT 1")


def self_checking(handler: Handler, release: str | None, *needs: Need) -> Handler:
    """The handler, which also answers a self-check: whether everything is there that it needs."""

    def answer(event: dict[str, Any], context: Any) -> Any:
        if event != EVENT:
            return handler(event, context)
        for need in needs:
            need.check()
        return {"release": release, "reached": [need.name for need in needs]}

    return answer
