"""The trace (W3C trace context) of a payment through the outbox and Kafka.

Off, and without any cost, unless OpenTelemetry's Lambda layer is attached: that instruments the handlers,
HTTP and PostgreSQL automatically. What it cannot know is that a record belongs to the webhook that committed
it.
"""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

HEADER = "traceparent"


def current() -> str | None:
    """The running span as the header's value; None while tracing is off."""
    if not _is_on():
        return None
    from opentelemetry import propagate

    carrier: dict[str, str] = {}
    propagate.inject(carrier)
    return carrier.get(HEADER)


@contextmanager
def linked(event: Mapping[str, Any], name: str) -> Iterator[None]:
    """A span for the batch of a Kafka trigger's event, linked to the spans that its records came from."""
    if not _is_on():
        yield
        return
    from opentelemetry import propagate, trace

    found = {value for records in event["records"].values() for one in records if (value := _header(one))}
    contexts = [trace.get_current_span(propagate.extract({HEADER: one})).get_span_context() for one in found]
    links = [trace.Link(context) for context in contexts if context.is_valid]
    with trace.get_tracer("checkout").start_as_current_span(name, links=links):
        yield


def _is_on() -> bool:
    return "opentelemetry.trace" in sys.modules


def _header(record: Mapping[str, Any]) -> str | None:
    """Lambda gives each header as {name: [signed bytes]}."""
    for header in record.get("headers", []):
        if HEADER in header:
            return bytes(byte & 0xFF for byte in header[HEADER]).decode("ascii", "replace")
    return None
