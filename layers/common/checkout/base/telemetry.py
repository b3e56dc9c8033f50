"""Logs (JSON, correlated by request_id) and metrics (CloudWatch EMF). Nothing secret, nothing personal."""

import json
from collections.abc import Callable
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from checkout.base.text import printable

NAMESPACE = "Checkout"


def line(entry: dict[str, Any]) -> str:
    """One line of JSON that can always be written: with a lone surrogate in it, a log loses the entry."""
    return printable(json.dumps(entry, ensure_ascii=False, separators=(",", ":"), default=str))


# By POWERTOOLS_SERVICE_NAME: on AWS the stack's name, since an account may have several.
metrics = Metrics(namespace=NAMESPACE)
metrics.service = metrics.service or "checkout"
logger = Logger(service=metrics.service, json_serializer=line)

Handler = Callable[[dict[str, Any], Any], Any]


def correlate(request_id: str | None) -> None:
    """Every later line of this invocation carries the request_id."""
    if request_id is not None:
        logger.append_keys(request_id=request_id)


def uncorrelate() -> None:
    """What comes next is about another request, which is not known yet."""
    logger.remove_keys(["request_id"])


def count(name: str, value: int = 1) -> None:
    """Adds to a metric of this invocation."""
    if value:
        metrics.add_metric(name=name, unit=MetricUnit.Count, value=value)


def measure_seconds(name: str, value: int) -> None:
    """Zero, too: an alarm watches that it comes at all."""
    metrics.add_metric(name=name, unit=MetricUnit.Seconds, value=value)


def alert(name: str, message: str, **fields: object) -> None:
    """Loud: an error in the log, and a metric that an alarm watches. For what a person must look at."""
    logger.error(message, extra={"alert": name, **fields})
    count(name)


def instrumented(handler: Handler) -> Handler:
    """Gives every line the invocation's ids, and sends the metrics off at its end."""

    @logger.inject_lambda_context(clear_state=True)
    def instrumented_handler(event: dict[str, Any], context: Any) -> Any:
        try:
            return handler(event, context)
        finally:
            if metrics.provider.metric_set:
                metrics.flush_metrics()

    return instrumented_handler
