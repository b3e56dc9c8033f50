"""`docs/asyncapi.json` says what goes over Kafka: what we send, and what our consumers take."""

import base64
import json
from typing import Any

import jsonschema_rs
import msgspec
import pytest

from checkout.base.user_ids import KINDS
from checkout.outbox import finished_event, request_event
from checkout.outbox.effects import DIRECTIONS, WITHOUT_EFFECT
from checkout.outbox.fields import Unprocessable
from checkout.outbox.finished_event import CheckoutFinishedEvent
from checkout.outbox.request_event import CheckoutRequestEvent
from tests.contracts import breaks, conformance
from tests.contracts.documents import ASYNCAPI, ROOT, Json, asyncapi, messages, schemas
from tests.support import samples
from tests.support.functions import finished, requested

REQUESTS, FINISHED = request_event.TOPIC, finished_event.TOPIC
DOCUMENT = asyncapi()
TAKEN = {
    topic: [one for one in messages(DOCUMENT) if (one.topic, one.action) == (topic, "receive")]
    for topic in (REQUESTS, FINISHED)
}
CHECKERS = {topic: [conformance.validator(one.payload) for one in found] for topic, found in TAKEN.items()}


def payload(name: str) -> Json:
    found: Json = DOCUMENT["components"]["schemas"][name]
    return found


def fits(topic: str, record: Any) -> bool:
    return any(checker.is_valid(record) for checker in CHECKERS[topic])


def is_taken(topic: str, record: Any, kind: str = "bigint") -> bool:
    """True if the consumer can decode the record, and so does not park it for its form."""
    value = record if isinstance(record, bytes) else json.dumps(record).encode()
    try:
        if topic == REQUESTS:
            request_event.decoded(value, KINDS[kind])
        else:
            _ = finished_event.decoded(value, "eur", KINDS[kind]).effect
    except Unprocessable:
        return False
    return True


# The document


def test_the_topics_are_those_that_the_code_names() -> None:
    assert {channel["address"] for channel in DOCUMENT["channels"].values()} == {REQUESTS, FINISHED}
    assert {(one.topic, one.action) for one in messages(DOCUMENT)} == {
        (REQUESTS, "receive"),
        (FINISHED, "receive"),
        (FINISHED, "send"),
    }


def test_it_is_valid() -> None:
    specification = json.loads((ROOT / "tests" / "contracts" / "asyncapi-3.0.0.schema.json").read_text())
    checker = jsonschema_rs.validator_for(specification)
    raw = json.loads((ROOT / ASYNCAPI).read_text())

    assert conformance.problems(checker, raw) == []
    raw["operations"]["sendFinished"]["action"] = "publish"
    assert conformance.problems(checker, raw) != []


def test_its_references_lead_to_what_the_specification_wants() -> None:
    """An operation's messages are references into its channel, and the channel's into the components."""
    raw = json.loads((ROOT / ASYNCAPI).read_text())
    for operation in (*raw["operations"].values(), raw["operations"]["receiveRequest"]["reply"]):
        channel = operation["channel"]["$ref"]
        assert {one["$ref"].rpartition("/")[0] for one in operation["messages"]} == {f"{channel}/messages"}
    for channel in raw["channels"].values():
        assert channel["messages"] == {
            name: {"$ref": f"#/components/messages/{name}"} for name in channel["messages"]
        }
    assert {one.name for one in messages(DOCUMENT)} == raw["components"]["messages"].keys()


def test_contracts_diff_compares_every_keyword_that_it_uses() -> None:
    for one in messages(DOCUMENT):
        for part in schemas(one.payload):
            assert part.keys() <= breaks.COMPARED | {"description"}, one.name


def test_its_examples_are_records_of_ours() -> None:
    for one in messages(DOCUMENT):
        for example in one.content["examples"]:
            value = json.dumps(example["payload"]).encode()
            conformance.check_record(one.topic, value)
            assert is_taken(one.topic, value)


# Fields and statuses


def test_the_fields_are_those_of_the_events() -> None:
    finished_fields = [field.name for field in msgspec.structs.fields(CheckoutFinishedEvent)]
    assert payload("CheckoutFinishedEvent")["properties"].keys() == set(finished_fields)
    assert list(payload("CheckoutRequestEvent")["properties"]) == list(CheckoutRequestEvent.__annotations__)


def test_each_status_has_one_message() -> None:
    assert (
        set(payload("CheckoutFinishedEvent")["properties"]["status"]["enum"])
        == DIRECTIONS.keys() | WITHOUT_EFFECT
    )
    listed = [value for one in TAKEN[FINISHED] for value in one.payload["properties"]["status"]["enum"]]
    assert sorted(listed) == sorted(DIRECTIONS.keys() | WITHOUT_EFFECT)


TEXTS: list[Any] = ["a", "ü" * 255, None, "", "a" * 256, 1, True, [], {}]
FREE: list[Any] = ["", "a" * 300, None, 1, True, [], {}]
CENTS: list[Any] = [1, 2**63 - 1, 0, -1, 2**63, None, True, "500", 1.5, []]
REQUEST: dict[str, list[Any]] = {
    "request_id": TEXTS,
    "user_id": [1, 2**63 - 1, 0, 2**63, None, True, [], {}],
    "amount_cents": CENTS,
    "currency": TEXTS,
    "purpose": TEXTS,
    "success_url": FREE,
    "cancel_url": FREE,
    "unknown": FREE,
}
EVENT: dict[str, list[Any]] = {
    **{name: REQUEST[name] for name in ("request_id", "user_id", "amount_cents", "currency", "purpose")},
    "status": [*DIRECTIONS, *WITHOUT_EFFECT, "Success", "", None, 1, True, []],
    **dict.fromkeys(("session_id", "payment_intent_id", "event_id", "source_id", "dispute_id"), TEXTS),
    **dict.fromkeys(("session_url", "error_message", "timestamp", "unknown"), FREE),
    **dict.fromkeys(("paid_cents", "tax_cents", "discount_cents", "reversed_cents"), CENTS),
}


def test_every_field_is_tried() -> None:
    assert EVENT.keys() == payload("CheckoutFinishedEvent")["properties"].keys() | {"unknown"}
    assert REQUEST.keys() | {"timestamp"} == payload("CheckoutRequestEvent")["properties"].keys() | {
        "unknown"
    }


@pytest.mark.parametrize("name", REQUEST)
def test_a_request_fits_the_document_if_the_consumer_takes_it(name: str) -> None:
    for value in REQUEST[name]:
        record = requested(**{name: value})
        assert fits(REQUESTS, record) == is_taken(REQUESTS, record), (name, value)


@pytest.mark.parametrize("name", EVENT)
@pytest.mark.parametrize("status", ["success", "refunded", "dispute_won", "failed"])
def test_an_event_fits_the_document_if_the_consumer_takes_it(status: str, name: str) -> None:
    for value in EVENT[name]:
        record = finished(**{"status": status, "source_id": "re_1", name: value})
        assert fits(FINISHED, record) == is_taken(FINISHED, record), (name, value)


@pytest.mark.parametrize("missing", [*EVENT])
@pytest.mark.parametrize("status", ["success", "disputed"])
def test_what_may_be_missing(status: str, missing: str) -> None:
    record = finished(status=status, source_id="txn_1")
    record.pop(missing, None)
    assert fits(FINISHED, record) == is_taken(FINISHED, record)


def test_what_a_request_may_lack() -> None:
    for missing in REQUEST:
        record = requested()
        record.pop(missing, None)
        assert fits(REQUESTS, record) == is_taken(REQUESTS, record), missing


@pytest.mark.parametrize(
    ("kind", "user_id"),
    [("uuid", "0b7a3f9c-5d1e-4c2a-9f3b-8e6d7c5b4a39"), ("text", "auth0|x"), ("text", "ü" * 255)],
)
def test_ids_of_other_types(kind: str, user_id: str) -> None:
    for topic, record in ((REQUESTS, requested(user_id=user_id)), (FINISHED, finished(user_id=user_id))):
        assert fits(topic, record)
        assert is_taken(topic, record, kind)


# Samples, and the check of records itself


def test_the_samples_are_records_that_fit_if_they_are_taken() -> None:
    seen = 0
    for sample in samples.RESULTS:
        for records in samples.event(sample).get("records", {}).values():
            for one in records:
                value = base64.b64decode(one["value"])
                assert fits(one["topic"], _read(value)) == is_taken(one["topic"], value)
                seen += 1
    assert seen > 5


def _read(value: bytes) -> Any:
    try:
        return json.loads(value)
    except ValueError:
        return None


OURS = CheckoutFinishedEvent(
    request_id="r",
    user_id=1,
    amount_cents=500,
    currency="eur",
    purpose="balance_topup",
    status="success",
    timestamp="2026-11-23T12:00:00.000Z",
)


def test_a_record_of_ours_passes() -> None:
    conformance.check_record(FINISHED, OURS.encoded())
    request = CheckoutRequestEvent(request_id="r", user_id=1, amount_cents=500)
    conformance.check_record(REQUESTS, request.encoded())


@pytest.mark.parametrize(
    "change",
    [{"coins": 1}, {"status": "paid"}, {"status": "refunded"}, {"amount_cents": 0}, {"paid_cents": "5"}],
    ids=str,
)
def test_a_record_that_is_not_documented_is_noticed(change: dict[str, Any]) -> None:
    with pytest.raises(AssertionError, match=r"docs/asyncapi\.json"):
        conformance.check_record(FINISHED, json.dumps({**json.loads(OURS.encoded()), **change}).encode())


def test_a_record_without_a_documented_field_is_noticed() -> None:
    record = json.loads(OURS.encoded())
    del record["dispute_id"]
    with pytest.raises(AssertionError, match="dispute_id"):
        conformance.check_record(FINISHED, json.dumps(record).encode())
