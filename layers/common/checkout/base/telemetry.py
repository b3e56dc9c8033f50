"""Logs (JSON, correlated by request_id) and metrics (CloudWatch EMF). Nothing secret, nothing personal."""

import json
import logging
import traceback
from collections.abc import Callable
from typing import Any

from aws_lambda_powertools import Logger, Metrics, single_metric
from aws_lambda_powertools.logging.formatter import RESERVED_LOG_ATTRS, LambdaPowertoolsFormatter
from aws_lambda_powertools.metrics import MetricUnit

from checkout.base.text import printable

NAMESPACE = "Checkout"
MAX_METRICS = 100
"""Values of one metric in a line; CloudWatch takes no more."""

MAX_FRAMES = 10
"""The innermost ones: an endless recursion has a thousand."""


_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=str)


def line(entry: Any) -> str:
    """One line of JSON that can always be written: with a lone surrogate in it, a log loses the entry."""
    return printable(_ENCODER.encode(entry))


class Formatter(LambdaPowertoolsFormatter):
    """Powertools' own line; without an exception, in half of its time."""

    def format(self, record: logging.LogRecord) -> str:
        if record.exc_info:
            return super().format(record)
        entry = {
            **self.log_format,
            "level": record.levelname,
            "location": f"{record.funcName}:{record.lineno}",
            "message": record.getMessage(),
            "timestamp": self.formatTime(record),
            **fields(record),
            "xray_trace_id": self._get_latest_trace_id(),
        }
        return line({name: value for name, value in entry.items() if value is not None})


_OF_A_RECORD = frozenset({*RESERVED_LOG_ATTRS, *logging.makeLogRecord({}).__dict__})
"""Attributes that every log record has; the others are our own fields."""


def fields(record: logging.LogRecord) -> dict[str, Any]:
    """Our own fields of a log record."""
    return {name: value for name, value in record.__dict__.items() if name not in _OF_A_RECORD}


# By POWERTOOLS_SERVICE_NAME: on AWS the stack's name, since an account may have several.
metrics = Metrics(namespace=NAMESPACE)
metrics.service = metrics.service or "checkout"
logger = Logger(
    service=metrics.service,
    logger_formatter=Formatter(service=metrics.service, json_serializer=line),
)

Handler = Callable[[dict[str, Any], Any], Any]


def correlate(request_id: str | None) -> None:
    """Every later line of this invocation carries the request_id."""
    if request_id is not None:
        logger.append_keys(request_id=request_id)


def uncorrelate() -> None:
    """Drop the request_id: the next lines are about another request, which is not known yet."""
    logger.remove_keys(["request_id"])


def count(name: str, value: int = 1) -> None:
    """Adds to a metric of this invocation."""
    if value:
        _add(name, "Count", value)


def count_of_version(name: str, context: object) -> None:
    """Adds one to a metric, and to that of the version which Lambda's context names, by which a release is
    judged."""
    count(name)
    version = getattr(context, "function_version", None)
    if version is not None:
        with single_metric(name, MetricUnit.Count, 1, namespace=NAMESPACE) as metric:
            metric.add_dimension("service", metrics.service)
            metric.add_dimension("FunctionName", getattr(context, "function_name", "unknown"))
            metric.add_dimension("ExecutedVersion", version)


def measure_seconds(name: str, value: int) -> None:
    """Zero, too: an alarm watches that it comes at all."""
    _add(name, "Seconds", value)


def _add(name: str, unit: str, value: int) -> None:
    """As Metrics.add_metric, which takes twenty times as long to check what is constant here."""
    metric = metrics.provider.metric_set.setdefault(
        name, {"Unit": unit, "StorageResolution": 60, "Value": []}
    )
    metric["Value"].append(float(value))
    if len(metric["Value"]) == MAX_METRICS:
        metrics.flush_metrics()


def alert(name: str, message: str, **fields: object) -> None:
    """Loud: an error in the log, and a metric that an alarm watches. For what a person must look at.

    Call it before the commit of what it is about: better twice than never. For the same reason the metric
    does not wait for the end of the invocation, before which the process may die.
    """
    logger.error(message, extra={"alert": name, **fields})
    count(name)
    _flush()


def origin(error: Exception) -> dict[str, Any]:
    """Where it was raised, as fields of a line. Its message is left out: it may quote what is personal."""
    return {
        "exception_name": type(error).__name__,
        "stack_trace": traceback.format_tb(error.__traceback__, limit=-MAX_FRAMES),
    }


def _flush() -> None:
    if metrics.provider.metric_set:
        metrics.flush_metrics()


def instrumented(handler: Handler) -> Handler:
    """Gives every line the invocation's ids, and sends the metrics off at its end."""

    @logger.inject_lambda_context(clear_state=True)
    def instrumented_handler(event: dict[str, Any], context: Any) -> Any:
        try:
            return handler(event, context)
        finally:
            _flush()

    return instrumented_handler
