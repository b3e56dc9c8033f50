"""A trace goes on through the outbox and Kafka where OpenTelemetry is attached; else there is nothing."""

import sys
from functools import cache
from typing import Any, cast
from uuid import uuid4

import pytest
from confluent_kafka import Consumer, TopicPartition
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from checkout.base import tracing
from tests.support import lambda_events
from tests.support.brokers import AnyBroker
from tests.support.functions import Functions
from tests.support.stripe_events import event, session_object
from tests.support.tail import Tail


@cache
def exporter() -> InMemorySpanExporter:
    """OpenTelemetry takes one provider a process."""
    made = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(made))
    trace.set_tracer_provider(provider)
    return made


@pytest.fixture
def spans() -> InMemorySpanExporter:
    exporter().clear()
    return exporter()


@pytest.fixture
def off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "opentelemetry.trace")


def headers(broker: AnyBroker, tail: Tail) -> tuple[dict[str, bytes], dict[str, object]]:
    """Of the one record that was published since, and the event in which Lambda gives it to the consumer."""
    [record] = tail.read()
    consumer = Consumer({"bootstrap.servers": broker.address, "group.id": str(uuid4())})
    consumer.assign([TopicPartition(record.topic, record.partition, record.offset)])
    message = consumer.poll(10)
    consumer.close()
    assert message is not None
    found: dict[str, bytes] = dict(cast(Any, message.headers()) or [])
    batch = lambda_events.msk([record])
    for entries in batch["records"].values():
        for entry in entries:
            # Java's bytes are signed.
            entry["headers"] = [
                {name: [byte - 256 if byte > 127 else byte for byte in value]}
                for name, value in [*found.items(), ("other", b"\xff")]
            ]
    return found, batch


@pytest.mark.parametrize("late", [False, True])
def test_the_credit_is_linked_to_the_webhook(
    fns: Functions, broker: AnyBroker, tail: Tail, spans: InMemorySpanExporter, late: bool
) -> None:
    """Also when the relay published it, long after that trace."""
    if late:
        fns.checkout(
            "INSERT INTO outbox (effect_key, topic, key, value, created_at, traceparent)"
            " VALUES ('failed:1', 'checkout.finished', '1', '{}', now() - interval '1 hour', %s)",
            (f"00-{7:032x}-{8:016x}-01",),
        )
        fns.invoke("outbox_relay", {})
        trace_id = 7
    else:
        with trace.get_tracer("tests").start_as_current_span("webhook") as span:
            fns.webhook(event(session_object(str(uuid4()))))
        trace_id = span.get_span_context().trace_id

    found, batch = headers(broker, tail)
    assert found["traceparent"].decode().split("-")[1] == f"{trace_id:032x}"
    fns.invoke("checkout_finished_consumer", batch)
    [credit] = [one for one in spans.get_finished_spans() if one.name == "credit balances"]
    assert [link.context.trace_id for link in credit.links] == [trace_id]


def test_nothing_is_there_while_it_is_off(fns: Functions, broker: AnyBroker, tail: Tail, off: None) -> None:
    fns.webhook(event(session_object(str(uuid4()))))
    found, batch = headers(broker, tail)
    assert found == {}
    fns.invoke("checkout_finished_consumer", batch)
    assert fns.balance() == 500
    assert tracing.current() is None


def test_a_header_that_is_no_context_is_no_link(fns: Functions, spans: InMemorySpanExporter) -> None:
    batch = lambda_events.msk([])
    batch["records"] = {"checkout.finished-0": [{"headers": [{"traceparent": [-1, 120]}]}]}
    with tracing.linked(batch, "credit balances"):
        pass
    [credit] = spans.get_finished_spans()
    assert list(credit.links) == []
