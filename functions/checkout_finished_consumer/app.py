"""Records of checkout.finished → balances. Raises what is transient, so that the batch comes again."""

from typing import Any

from checkout import bootstrap, tracing
from checkout.domain.finished_event import seconds_since
from checkout.domain.msk import records_of
from checkout.self_check import APPLICATION_DATABASE, self_checking
from checkout.telemetry import count, instrumented, logger, measure_seconds


def consume(event: dict[str, Any], _context: object) -> dict[str, Any]:
    with tracing.linked(event, "credit balances"):
        tally = bootstrap.credit_balances()(records_of(event))
    logger.info(
        "consumed",
        extra={
            "credited": tally.credited,
            "known": tally.known,
            "without_effect": tally.without_effect,
            "parked": tally.parked,
        },
    )
    count("CreditsEntered", tally.credited)
    if tally.oldest_paid_at is not None and (seconds := seconds_since(tally.oldest_paid_at)) is not None:
        measure_seconds("TimeToCredit", seconds)
    return {"batchItemFailures": []}


handler = instrumented(self_checking(consume, APPLICATION_DATABASE))
