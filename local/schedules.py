"""EventBridge's schedules on one machine, sixty times faster: what runs every minute runs every second."""

import asyncio
import time
import uuid
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from local.environment import REGION
from local.template import Schedule
from local.workers import Result, Throttled

SPEED = 60
Invoke = Callable[[str, dict[str, Any]], Awaitable[Result]]


async def run(schedule: Schedule, invoke: Invoke, speed: float = SPEED) -> None:
    """Invoke the function again and again until cancelled; a run that takes long delays the next one."""
    period = schedule.seconds / speed
    due = time.monotonic() + period
    while True:
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        event = dict(schedule.input) if schedule.input is not None else _event(schedule)
        with suppress(Throttled):  # The next run makes up for it.
            await invoke(schedule.function, event)
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
