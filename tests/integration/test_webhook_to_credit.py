"""The way of the money: a signed webhook, the outbox, Kafka's record, the ledger and the balance."""

import json
from uuid import uuid4

from tests.support.brokers import AnyBroker
from tests.support.functions import Functions
from tests.support.stripe_events import event, session_object
from tests.support.tail import Tail


def test_a_paid_session_is_stored_published_and_credited_once(fns: Functions, broker: AnyBroker) -> None:
    request_id = str(uuid4())
    paid = event(session_object(request_id))
    tail = Tail(broker.address)

    answers = [fns.webhook(paid), fns.webhook(paid)]
    records = tail.read()
    failures = [fns.consume(*records), fns.consume(*records)]

    assert [answer.status for answer in answers] == [200, 200]
    assert [answer.json["outcome"] for answer in answers] == ["applied", "duplicate"]
    assert fns.row(request_id)["status"] == "payment_succeeded"
    assert fns.checkout("SELECT * FROM outbox") == []
    [record] = records
    assert json.loads(record.value)["request_id"] == request_id
    assert failures == [{"batchItemFailures": []}] * 2
    entries = fns.application("SELECT effect_key, user_id, amount_cents FROM ledger_entries")
    assert entries == [{"effect_key": f"success:{request_id}", "user_id": 1, "amount_cents": 500}]
    assert fns.balance() == 500
    assert fns.get("/checkout/balance").json["balance_cents"] == 500


def test_the_signature_is_over_the_bytes_that_api_gateway_gave_as_base64(fns: Functions) -> None:
    request_id = str(uuid4())
    session = session_object(request_id)
    session["customer_details"] = {"name": "Zoë"}
    body = json.dumps(event(session), ensure_ascii=False, indent=2).encode()

    assert fns.webhook(body, as_base64=True).json["outcome"] == "applied"
    assert fns.row(request_id)["status"] == "payment_succeeded"


def test_what_is_emitted_is_what_was_paid(fns: Functions, broker: AnyBroker) -> None:
    """And not what was asked."""
    asked = session_object(str(uuid4()), session_id="cs_test_one", payment_status="unpaid")
    fns.webhook(event(asked))
    tail = Tail(broker.address)
    paid = {**asked, "payment_status": "paid", "amount_total": 400, "currency": "usd"}
    fns.webhook(event(paid, "checkout.session.async_payment_succeeded"))
    [emitted] = [json.loads(record.value) for record in tail.read()]
    assert (emitted["status"], emitted["amount_cents"], emitted["currency"]) == ("success", 400, "usd")
