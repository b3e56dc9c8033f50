"""Every minute: publish what the webhook could not."""

import os
import time
from typing import Any

from checkout.base import timing
from checkout.base.config import Config
from checkout.base.telemetry import instrumented, logger
from checkout.release.self_check import BROKER, CHECKOUT_DATABASE, self_checking
from checkout.system import System

system = System(Config(os.environ))
system.prepare("delivery")

RESERVE_SECONDS = timing.RESERVE["outbox_relay"]


def relay(_event: dict[str, Any], context: Any) -> dict[str, Any]:
    deadline = time.monotonic() + context.get_remaining_time_in_millis() / 1000 - RESERVE_SECONDS
    published, left = system.delivery.relay(deadline)
    if published or left:
        logger.info("relayed", extra={"published": published, "left": left})
    return {"published": published, "left": left}


handler = instrumented(self_checking(relay, system, CHECKOUT_DATABASE, BROKER))
