"""EventBridge's schedules on one machine, sixty times faster: a minute takes a second."""

import asyncio
import time
import uuid
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

from checkout.base import terminal
from local.lambda_runtime.environment import REGION
from local.lambda_runtime.environments import Result, Throttled
from local.lambda_runtime.template import Schedule

SPEED = 60
Invoke = Callable[[str, dict[str, Any]], Awaitable[Result]]
Log = Callable[[str], None]


async def run(schedule: Schedule, invoke: Invoke, log: Log = terminal.say, speed: float = SPEED) -> None:
    """Invoke the function repeatedly until cancelled; a run that takes long delays the next one.

    `log` gets the reason if an invocation could not be made at all.
    """
    period = schedule.seconds / speed
    due = time.monotonic() + period
    while True:
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        event = dict(schedule.input) if schedule.input is not None else _event(schedule)
        try:
            await invoke(schedule.function, event)
        except Throttled:
            pass  # The next run makes up for it.
        except Exception as error:  # noqa: BLE001 - the next run may succeed
            log(f"[ERROR] cannot be invoked: {error!r}")
        due = max(due + period, time.monotonic())


def _event(schedule: Schedule) -> dict[str, Any]:
    rule = f"arn:aws:events:{REGION}:000000000000:rule/{schedule.function}-{schedule.name}"
    return {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": "000000000000",
        "time": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "region": REGION,
        "resources": [rule],
        "detail": {},
    }
