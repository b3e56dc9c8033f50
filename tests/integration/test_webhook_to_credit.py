"""The way of the money: a signed webhook, the outbox, Kafka's record, the ledger and the balance."""

from uuid import uuid4

from tests.support.functions import Functions
from tests.support.stripe_events import event, session_object


def test_a_paid_session_is_stored_published_and_credited_once(fns: Functions) -> None:
    request_id = str(uuid4())
    paid = event(session_object(request_id))

    answer = fns.webhook(paid)

    assert (answer.status, answer.json["outcome"]) == (200, "applied")
    assert fns.row(request_id)["status"] == "payment_succeeded"
    assert fns.checkout("SELECT * FROM outbox") == []
