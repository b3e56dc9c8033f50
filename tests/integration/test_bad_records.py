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


BAD = {
    "empty": b"",
    "not UTF-8": b"\xff\xfe",
    "not JSON": b"{",
    "not an object": b"[]",
    "a key twice": b'{"request_id": "a", "request_id": "b"}',
    "no request_id": without("request_id"),
    "no user_id": without("user_id"),
    "no amount_cents": without("amount_cents"),
    "no status": without("status"),
    "amount as text": encoded(amount_cents="500"),
    "amount as float": encoded(amount_cents=500.0),
    "amount as boolean": encoded(amount_cents=True),
    "amount negative": encoded(amount_cents=-500),
    "amount zero": encoded(amount_cents=0),
    "amount beyond BIGINT": encoded(amount_cents=2**63),
    "amount of 5,000 digits": b'{"amount_cents": ' + b"9" * 5000 + b"}",
    "user_id as text": encoded(user_id="1"),
    "another currency": encoded(currency="usd"),
    "currency as number": encoded(currency=978),
    "unknown user": encoded(user_id=404),
    "unknown status": encoded(status="succeeded"),
    "status as number": encoded(status=1),
    "NUL in a text": encoded(session_url="https://\0"),
    "NUL in the request_id": encoded(request_id="a\0b"),
    "lone surrogate": encoded(error_message="\ud800"),
    "50,000 brackets": b"[" * 50_000,
    "request_id of 300 characters": encoded(request_id="r" * 300),
    "request_id empty": encoded(request_id=""),
    "session_id of 300 characters": encoded(session_id="s" * 300),
    "reversal without source_id": encoded(status="refunded"),
    "source_id of 300 characters": encoded(status="refunded", source_id="s" * 300),
    "NUL in the source_id": encoded(status="refunded", source_id="re_\0"),
}


@pytest.mark.parametrize("value", BAD.values(), ids=BAD.keys())
def test_it_is_parked_and_the_rest_of_the_batch_is_credited(fns: Functions, value: bytes) -> None:
    answer = fns.consume(finished(), value, finished())

    assert answer == {"batchItemFailures": []}
    assert fns.balance() == 1000
    [parked] = fns.application("SELECT * FROM parked_events")
    assert bytes(parked["value"]) == value
    assert bytes(parked["key"]) == b"1"
    assert (parked["topic"], parked["partition"], parked["kafka_offset"]) == ("checkout.finished", 0, 1)
    assert parked["reason"]


def test_all_of_them_at_once_and_twice(fns: Functions) -> None:
    records = [
        Record("checkout.finished", 0, offset, b"1", value) for offset, value in enumerate([*BAD.values()])
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
