"""Custom resources of CloudFormation's: an event to a call, and its outcome to the answer that is waited for.

Without an answer a deployment hangs for an hour and cannot be rolled back. So one is given whatever happens,
and before the function's time is up.
"""

import threading
from collections.abc import Callable, Mapping
from typing import Any

from checkout.base import timing
from checkout.base.errors import CheckoutError
from checkout.base.telemetry import logger
from checkout.release import cloudformation

Work = Callable[[Mapping[str, Any]], Mapping[str, str]]
"""CloudFormation's request to the resource's attributes."""


def is_request(event: Mapping[str, Any]) -> bool:
    return "ResponseURL" in event


def serve(event: dict[str, Any], context: Any, work: Work) -> dict[str, str]:
    """Create and Update do the work; Delete does nothing and succeeds. Returns the attributes.

    A failure is reported to CloudFormation instead of raised, since Lambda would retry the invocation.
    """
    answered = threading.Lock()

    def answer(failure: str | None = None, attributes: Mapping[str, str] | None = None) -> None:
        if answered.acquire(blocking=False):
            cloudformation.answer(
                event["ResponseURL"],
                event,
                event.get("PhysicalResourceId") or event["LogicalResourceId"],
                failure=failure,
                attributes=attributes or {},
            )

    if event["RequestType"] == "Delete":
        answer()
        return {}
    left = timing.time_left(context, "migrate")
    watch = threading.Timer(left, answer, [f"It did not end within {left:.0f} s. {_where(context)}"])
    watch.daemon = True
    watch.start()
    try:
        attributes = work(event)
    except Exception as error:  # noqa: BLE001 - whatever it is, CloudFormation must hear of it
        logger.exception("custom resource failed")
        # What was not meant to be shown may hold anything; the log has it.
        detail = error.detail if isinstance(error, CheckoutError) else f"{type(error).__name__}."
        answer(f"{detail} {_where(context)}")
        return {}
    finally:
        watch.cancel()
    answer(attributes=attributes)
    return dict(attributes)


def _where(context: Any) -> str:
    return f"See {context.log_group_name}, {context.log_stream_name}."
