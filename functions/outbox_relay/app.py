"""Every minute: publish what the webhook could not."""

import os
from typing import Any

from checkout.base import timing
from checkout.base.config import Config
from checkout.base.telemetry import instrumented, logger
from checkout.release.self_check import BROKER, CHECKOUT_DATABASE, self_checking
from checkout.system import System

system = System(Config(os.environ))
system.prepare("delivery")


def relay(_event: dict[str, Any], context: Any) -> dict[str, Any]:
    published, left = system.delivery.relay(timing.deadline(context, "outbox_relay"))
    if published or left:
        logger.info("relayed", extra={"published": published, "left": left})
    return {"published": published, "left": left}


handler = instrumented(self_checking(relay, system, CHECKOUT_DATABASE, BROKER))
