"""What a service's request looks like on the topic, and what is refused before it is there."""

import json
from typing import Any
from uuid import UUID

import pytest

from checkout import publisher
from checkout.base.config import Config
from checkout.base.errors import Unavailable
from checkout.base.user_ids import BIGINT
from checkout.outbox.producer import KafkaPublisher, Published
from checkout.outbox.request_event import CheckoutRequestEvent, decoded
from checkout.outbox.table import Message
from checkout.publisher import request_session
from checkout.system import System


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch) -> list[Message]:
    sent: list[Message] = []

    def publish(_self: KafkaPublisher, messages: list[Message], _seconds: float) -> Published:
        sent.extend(messages)
        return Published([message.effect_key for message in messages])

    monkeypatch.setattr(KafkaPublisher, "publish", publish)
    system = System(Config({}), kafka_publisher=KafkaPublisher(["127.0.0.1:1"]))
    monkeypatch.setattr(publisher, "_system", lambda: system)
    return sent


def test_a_request_as_the_contract_says(published: list[Message]) -> None:
    request_id = request_session(7, 500)
    [message] = published
    event = json.loads(message.value)
    assert (message.topic, message.key) == ("checkout.requests", "7")
    assert str(UUID(request_id)) == event["request_id"]
    assert event.pop("timestamp").endswith("Z")
    assert event == {
        "request_id": request_id,
        "user_id": 7,
        "amount_cents": 500,
        "currency": None,
        "purpose": "balance_topup",
        "success_url": None,
        "cancel_url": None,
    }


def test_it_is_read_as_it_was_written(published: list[Message]) -> None:
    returned = request_session(
        7,
        500,
        request_id="Order 注文",
        currency="EUR",
        purpose="gift",
        success_url="https://shop.example.com/paid",
        cancel_url="/basket",
    )
    event = decoded(published[0].value, BIGINT)
    assert returned == event.request_id == "order 注文"
    assert event == CheckoutRequestEvent(
        request_id="order 注文",
        user_id=7,
        amount_cents=500,
        currency="eur",
        purpose="gift",
        timestamp=event.timestamp,
        success_url="https://shop.example.com/paid",
        cancel_url="/basket",
    )


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("user_id", 0),
        ("user_id", "1"),
        ("amount_cents", 5.0),
        ("amount_cents", True),
        ("request_id", ""),
        ("request_id", "r" * 256),
        ("request_id", "\ud800"),
        ("currency", ""),
        ("purpose", "a\0b"),
        ("success_url", 1),
    ],
)
def test_what_nobody_would_answer_is_refused_here(published: list[Message], field: str, value: Any) -> None:
    with pytest.raises(ValueError, match=field):
        request_session(**{"user_id": 7, "amount_cents": 500, field: value})
    assert published == []


def test_a_broker_that_is_away_is_said_with_the_request_id(
    published: list[Message], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(KafkaPublisher, "publish", lambda *_: Published())
    with pytest.raises(Unavailable, match="order-7"):
        request_session(7, 500, request_id="order-7")
