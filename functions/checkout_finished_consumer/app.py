"""Records of checkout.finished → balances. Raises what is transient, so that the batch comes again."""

import os
from typing import Any

from checkout.base import timing, tracing
from checkout.base.config import Config
from checkout.base.telemetry import count, instrumented, logger, measure_seconds
from checkout.outbox.finished_event import seconds_since
from checkout.outbox.record import first_of_each_partition, records_of, response
from checkout.release.self_check import APPLICATION_DATABASE, self_checking
from checkout.system import System

system = System(Config(os.environ))
system.prepare("credit_balances")


def consume(event: dict[str, Any], context: Any) -> dict[str, Any]:
    with tracing.linked(event, "credit balances"):
        tally = system.credit_balances(
            records_of(event), timing.deadline(context, "checkout_finished_consumer")
        )
    logger.info(
        "consumed",
        extra={
            "credited": tally.credited,
            "known": tally.known,
            "without_effect": tally.without_effect,
            "parked": tally.parked,
            "again": len(tally.again),
        },
    )
    count("CreditsEntered", tally.credited)
    if tally.oldest_paid_at is not None and (seconds := seconds_since(tally.oldest_paid_at)) is not None:
        measure_seconds("TimeToCredit", seconds)
    again = first_of_each_partition(tally.again)
    return response(again, is_partial=system.config.kafka_partial_responses)


handler = instrumented(self_checking(consume, system, APPLICATION_DATABASE))
