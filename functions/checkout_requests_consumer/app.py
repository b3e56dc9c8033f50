"""Records of checkout.requests → Stripe sessions, and an answer to each on checkout.finished."""

import os
import time
from typing import Any

from checkout.base import timing, tracing
from checkout.base.config import Config
from checkout.base.errors import NotYetConfigured, Unavailable
from checkout.base.telemetry import instrumented, logger
from checkout.outbox.record import records_of
from checkout.release.self_check import (
    APPLICATION_DATABASE,
    BROKER,
    CHECKOUT_DATABASE,
    SECRETS,
    self_checking,
)
from checkout.system import System

system = System(Config(os.environ))
system.prepare("answer_requests")

RESERVE_SECONDS = timing.RESERVE["checkout_requests_consumer"]


def consume(event: dict[str, Any], context: Any) -> dict[str, Any]:
    deadline = time.monotonic() + context.get_remaining_time_in_millis() / 1000 - RESERVE_SECONDS
    again = records = records_of(event)
    try:
        with tracing.linked(event, "answer requests"):
            again = system.answer_requests(records, deadline)
    except NotYetConfigured as error:
        logger.warning("not configured", extra={"detail": error.detail})
    if again and not system.config.kafka_partial_responses:
        raise Unavailable(
            f"{len(again)} of {len(records)} requests must be delivered again, with their batch."
        )
    return {
        "batchItemFailures": [
            {"itemIdentifier": {"partition": f"{record.topic}-{record.partition}", "offset": record.offset}}
            for record in again
        ]
    }


handler = instrumented(
    self_checking(consume, system, SECRETS, CHECKOUT_DATABASE, APPLICATION_DATABASE, BROKER)
)
