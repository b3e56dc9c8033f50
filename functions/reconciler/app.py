"""Every 15 minutes: find events that no webhook brought, payments that nobody finished, and uncredited
ones."""

import os
import time
from typing import Any

from checkout.base import timing
from checkout.base.config import Config
from checkout.base.errors import NotYetConfigured, Unavailable
from checkout.base.telemetry import count, instrumented, logger
from checkout.release.self_check import (
    APPLICATION_DATABASE,
    BROKER,
    CHECKOUT_DATABASE,
    SECRETS,
    self_checking,
)
from checkout.system import System

system = System(Config(os.environ))
system.prepare("reconcile")

RESERVE_SECONDS = timing.RESERVE["reconciler"]


def reconcile(_event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Raises Unavailable if a part of the run failed, once the others are done: an alarm counts errors."""
    deadline = time.monotonic() + context.get_remaining_time_in_millis() / 1000 - RESERVE_SECONDS
    try:
        found = system.reconcile(deadline=deadline).as_dict()
    except NotYetConfigured as error:
        logger.warning("not configured", extra={"detail": error.detail})
        return {"configured": False}
    if any(value for name, value in found.items() if name != "complete"):
        logger.info("reconciled", extra=found)
    count("MissedEvents", found["missed_events"])
    if found["failed"]:
        raise Unavailable("; ".join(f"{part['what']}: {part['reason']}" for part in found["failed"]))
    return found


handler = instrumented(
    self_checking(reconcile, system, SECRETS, CHECKOUT_DATABASE, APPLICATION_DATABASE, BROKER)
)
