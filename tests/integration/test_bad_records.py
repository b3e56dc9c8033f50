"""Records of checkout.finished that can never work: parked with their bytes and the reason; the rest of the
batch is credited."""

import json
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest

from checkout.outbox import finished_event
from checkout.outbox.fields import Fields
from checkout.outbox.record import Record
from tests.support.functions import Functions, finished


def encoded(**fields: Any) -> bytes:
    return json.dumps(finished(**fields)).encode()


def without(field: str) -> bytes:
    return json.dumps({name: value for name, value in finished().items() if name != field}).encode()


AMOUNT = "amount_cents must be an integer from 1 to 2^63-1"
USER_ID = "user_id must be an integer from 1 to 2^63-1"
REQUEST_ID = "request_id must be a text of 1 to 255 characters"
STATUS = "status is missing or unknown"
SOURCE_ID = "source_id must be a text of 1 to 255 characters, or null"
NO_JSON = "not valid JSON"

BAD: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "empty, where a JSON object was expected"),
    "not UTF-8": (b"\xff\xfe", "not UTF-8"),
    "not JSON": (b"{", NO_JSON),
    "not an object": (b"[]", "not a JSON object"),
    "a key twice": (b'{"request_id": "a", "request_id": "b"}', "an object has the same key twice"),
    "no request_id": (without("request_id"), REQUEST_ID),
    "no user_id": (without("user_id"), USER_ID),
    "no amount_cents": (without("amount_cents"), AMOUNT),
    "no status": (without("status"), STATUS),
    "amount as text": (encoded(amount_cents="500"), AMOUNT),
    "amount as float": (encoded(amount_cents=500.0), AMOUNT),
    "amount as boolean": (encoded(amount_cents=True), AMOUNT),
    "amount negative": (encoded(amount_cents=-500), AMOUNT),
    "amount zero": (encoded(amount_cents=0), AMOUNT),
    "amount beyond BIGINT": (encoded(amount_cents=2**63), AMOUNT),
    "amount of 5,000 digits": (b'{"amount_cents": ' + b"9" * 5000 + b"}", NO_JSON),
    "user_id as text": (encoded(user_id="1"), USER_ID),
    "another currency": (encoded(currency="usd"), "currency is not the balance's, eur"),
    "currency as number": (encoded(currency=978), "currency must be a text of 1 to 255 characters, or null"),
    "unknown user": (encoded(user_id=404), "there is no such user"),
    "unknown status": (encoded(status="succeeded"), STATUS),
    "status as number": (encoded(status=1), STATUS),
    "NUL in a text": (
        encoded(session_url="https://\0"),
        "session_url must be a text without NUL or lone surrogates, or null",
    ),
    "NUL in the request_id": (encoded(request_id="a\0b"), REQUEST_ID),
    "lone surrogate": (
        encoded(error_message="\ud800"),
        "error_message must be a text without NUL or lone surrogates, or null",
    ),
    "50,000 brackets": (b"[" * 50_000, NO_JSON),
    "request_id of 300 characters": (encoded(request_id="r" * 300), REQUEST_ID),
    "request_id empty": (encoded(request_id=""), REQUEST_ID),
    "session_id of 300 characters": (
        encoded(session_id="s" * 300),
        "session_id must be a text of 1 to 255 characters, or null",
    ),
    "reversal without source_id": (
        encoded(status="refunded"),
        "source_id is missing: a refunded event needs it",
    ),
    "source_id of 300 characters": (encoded(status="refunded", source_id="s" * 300), SOURCE_ID),
    "NUL in the source_id": (encoded(status="refunded", source_id="re_\0"), SOURCE_ID),
}
"""What it is: the record's value, and the reason that it is parked with."""


@pytest.mark.parametrize(("value", "reason"), BAD.values(), ids=BAD.keys())
def test_it_is_parked_and_the_rest_of_the_batch_is_credited(
    fns: Functions, value: bytes, reason: str
) -> None:
    answer = fns.consume(finished(), value, finished())

    assert answer == {"batchItemFailures": []}
    assert fns.balance() == 1000
    [parked] = fns.application("SELECT * FROM parked_events")
    assert bytes(parked["value"]) == value
    assert bytes(parked["key"]) == b"1"
    assert (parked["topic"], parked["partition"], parked["kafka_offset"]) == ("checkout.finished", 0, 1)
    assert parked["reason"] == reason


def test_all_of_them_at_once_and_twice(fns: Functions) -> None:
    records = [
        Record("checkout.finished", 0, offset, b"1", value) for offset, (value, _) in enumerate(BAD.values())
    ]
    for _ in range(2):
        fns.consume(*records)
        assert len(fns.application("SELECT 1 FROM parked_events")) == len(BAD)


def test_a_known_request_with_another_amount_user_or_currency_is_parked(fns: Functions) -> None:
    fns.add_users(2)
    request_id = str(uuid4())
    fns.consume(finished(request_id))
    fns.consume(
        finished(request_id, amount_cents=501), finished(request_id, user_id=2), finished(request_id.upper())
    )

    assert (fns.balance(1), fns.balance(2)) == (500, 0)
    reasons = [
        row["reason"] for row in fns.application("SELECT reason FROM parked_events ORDER BY kafka_offset")
    ]
    assert len(reasons) == 2
    assert all("another user, amount or currency" in reason for reason in reasons)


def test_the_same_in_one_batch(fns: Functions) -> None:
    request_id = str(uuid4())
    fns.consume(finished(request_id), finished(request_id), finished(request_id, amount_cents=501))
    assert fns.balance() == 500
    assert len(fns.application("SELECT 1 FROM parked_events")) == 1


def test_a_sum_beyond_bigint_is_parked_alone(fns: Functions) -> None:
    """The database refuses the whole statement; the batch is halved until the record is found."""
    fns.add_users(2, 3, balance=0)
    fns.application("UPDATE users SET balance = %s WHERE id = 2", (2**63 - 1,))
    batch = [finished(user_id=user_id) for user_id in (1, 3, 1, 2, 3, 1, 3, 1)]
    fns.consume(*batch)

    assert (fns.balance(1), fns.balance(3)) == (2000, 1500)
    assert fns.balance(2) == 2**63 - 1
    [parked] = fns.application("SELECT * FROM parked_events")
    assert parked["kafka_offset"] == 3
    assert parked["effect_key"] == f"success:{batch[3]['request_id']}"
    assert "refused by the database" in parked["reason"]


@pytest.fixture
def rule(fns: Functions, request: pytest.FixtureRequest) -> Iterator[None]:
    """An application's own rule about user 2, which raises with the SQLSTATE of the parameter."""
    fns.add_users(2)
    fns.application(
        "CREATE FUNCTION rule() RETURNS trigger LANGUAGE plpgsql AS"
        f" $$ BEGIN RAISE EXCEPTION 'not with us' USING ERRCODE = '{request.param}'; END $$;"
        "CREATE TRIGGER rule BEFORE UPDATE ON users FOR EACH ROW WHEN (OLD.id = 2) EXECUTE FUNCTION rule()"
    )
    yield
    fns.application("DROP FUNCTION rule CASCADE")


@pytest.mark.parametrize("rule", ["22023", "23514", "54000"], indirect=True)
def test_what_an_applications_rule_refuses_is_parked_alone(fns: Functions, rule: None) -> None:
    answer = fns.consume(*(finished(user_id=user_id) for user_id in (1, 1, 2, 1)))

    assert answer == {"batchItemFailures": []}
    assert (fns.balance(1), fns.balance(2)) == (1500, 0)
    [parked] = fns.application("SELECT kafka_offset, reason FROM parked_events")
    assert parked == {"kafka_offset": 2, "reason": "refused by the database: not with us"}


@pytest.mark.parametrize("rule", ["P0001"], indirect=True)
def test_a_rule_that_does_not_say_never_parks_what_it_refuses_too(fns: Functions, rule: None) -> None:
    batch = [finished(), finished(user_id=2)]
    fns.consume(*batch)
    assert (fns.balance(1), fns.balance(2)) == (500, 0)
    [parked] = fns.application("SELECT kafka_offset, reason FROM parked_events")
    assert parked == {"kafka_offset": 1, "reason": "refused by the database: not with us"}


def test_an_applications_constraint_parks_alone_what_violates_it(fns: Functions) -> None:
    fns.application("ALTER TABLE users ADD CONSTRAINT enough CHECK (balance <= 1000)")
    try:
        fns.consume(finished(), finished(amount_cents=600), finished())
    finally:
        fns.application("ALTER TABLE users DROP CONSTRAINT enough")
    assert fns.balance() == 1000
    [parked] = fns.application("SELECT kafka_offset, reason FROM parked_events")
    assert parked["kafka_offset"] == 1
    assert "enough" in parked["reason"]


@pytest.mark.parametrize("error", [RecursionError(), MemoryError(), Exception("anything")], ids=repr)
def test_whatever_a_decoder_raises_parks_its_record_alone(
    fns: Functions, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fields(value: bytes) -> Fields:
        if b"poison" in value:
            raise error
        return Fields(value)

    monkeypatch.setattr(finished_event, "Fields", fields)
    fns.consume(finished(), b"poison", finished())
    assert fns.balance() == 1000
    [parked] = fns.application("SELECT kafka_offset, reason FROM parked_events")
    assert parked == {"kafka_offset": 1, "reason": f"cannot be decoded: {type(error).__name__}"}


def test_bytes_that_come_again_at_the_same_offset_of_a_new_broker_are_parked_too(fns: Functions) -> None:
    fns.consume(b"one")
    fns.consume(b"two")
    fns.consume(b"two")
    assert len(fns.application("SELECT 1 FROM parked_events")) == 2
