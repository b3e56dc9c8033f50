"""Records of checkout.finished → balances. Raises what is transient, so that the batch comes again."""

import os
import time
from typing import Any

from checkout.base import timing, tracing
from checkout.base.config import Config
from checkout.base.errors import Unavailable
from checkout.base.telemetry import count, instrumented, logger, measure_seconds
from checkout.outbox.finished_event import seconds_since
from checkout.outbox.record import first_of_each_partition, records_of
from checkout.release.self_check import APPLICATION_DATABASE, self_checking
from checkout.system import System

system = System(Config(os.environ))
system.prepare("credit_balances")

RESERVE_SECONDS = timing.RESERVE["checkout_finished_consumer"]


def consume(event: dict[str, Any], context: Any) -> dict[str, Any]:
    deadline = time.monotonic() + context.get_remaining_time_in_millis() / 1000 - RESERVE_SECONDS
    records = records_of(event)
    with tracing.linked(event, "credit balances"):
        tally = system.credit_balances(records, deadline)
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
    if tally.again and not system.config.kafka_partial_responses:
        raise Unavailable(f"{len(tally.again)} of {len(records)} records must come again, and so the batch.")
    return {
        "batchItemFailures": [
            {"itemIdentifier": {"partition": f"{record.topic}-{record.partition}", "offset": record.offset}}
            for record in first_of_each_partition(tally.again)
        ]
    }


handler = instrumented(self_checking(consume, system, APPLICATION_DATABASE))
