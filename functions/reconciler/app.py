"""Every 15 minutes: find events that no webhook brought, payments that nobody finished, and uncredited
ones."""

import os
from typing import Any

from checkout.base import timing
from checkout.base.config import Config
from checkout.base.errors import NotYetConfigured, Unavailable
from checkout.base.telemetry import instrumented, logger
from checkout.release.self_check import EVERYTHING, self_checking
from checkout.system import System

system = System(Config(os.environ))
system.prepare("reconcile")


def reconcile(_event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Raises Unavailable if a part of the run failed, once the others are done: an alarm counts errors."""
    try:
        found = system.reconcile(deadline=timing.deadline(context, "reconciler")).as_dict()
    except NotYetConfigured as error:
        logger.warning("not configured", extra={"detail": error.detail})
        return {"configured": False}
    if any(value for name, value in found.items() if name != "complete"):
        logger.info("reconciled", extra=found)
    if found["failed"]:
        raise Unavailable("; ".join(f"{part['what']}: {part['reason']}" for part in found["failed"]))
    return found


handler = instrumented(self_checking(reconcile, system, *EVERYTHING))
