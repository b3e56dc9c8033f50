"""Records of checkout.requests → Stripe sessions, and an answer to each on checkout.finished."""

import os
from typing import Any

from checkout.base import timing, tracing
from checkout.base.config import Config
from checkout.base.errors import NotYetConfigured
from checkout.base.telemetry import instrumented, logger
from checkout.outbox.record import records_of, response
from checkout.release.self_check import EVERYTHING, self_checking
from checkout.system import System

system = System(Config(os.environ))
system.prepare("answer_requests")


def consume(event: dict[str, Any], context: Any) -> dict[str, Any]:
    again = records = records_of(event)
    try:
        with tracing.linked(event, "answer requests"):
            again = system.answer_requests(records, timing.deadline(context, "checkout_requests_consumer"))
    except NotYetConfigured as error:
        logger.warning("not configured", extra={"detail": error.detail})
    return response(again, is_partial=system.config.kafka_partial_responses)


handler = instrumented(self_checking(consume, system, *EVERYTHING))
