"""Records of checkout.finished → balances. Raises what is transient, so that the batch comes again."""

import time
from typing import Any

from checkout import bootstrap
from checkout.base import tracing
from checkout.base.errors import Unavailable
from checkout.base.telemetry import count, instrumented, logger, measure_seconds
from checkout.outbox.finished_event import seconds_since
from checkout.outbox.record import first_of_each_partition, records_of
from checkout.release.self_check import APPLICATION_DATABASE, self_checking

RESERVE_SECONDS = 30
"""Kept for the transaction that is under way when the time is up: one statement may take 25 s."""


def consume(event: dict[str, Any], context: Any) -> dict[str, Any]:
    deadline = time.monotonic() + context.get_remaining_time_in_millis() / 1000 - RESERVE_SECONDS
    records = records_of(event)
    with tracing.linked(event, "credit balances"):
        tally = bootstrap.credit_balances()(records, deadline)
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
    if tally.again and not bootstrap.config().kafka_partial_responses:
        raise Unavailable(f"{len(tally.again)} of {len(records)} records must come again, and so the batch.")
    return {
        "batchItemFailures": [
            {"itemIdentifier": {"partition": f"{record.topic}-{record.partition}", "offset": record.offset}}
            for record in first_of_each_partition(tally.again)
        ]
    }


handler = instrumented(self_checking(consume, APPLICATION_DATABASE))
