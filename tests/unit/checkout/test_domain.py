"""The pure part: texts, JSON, states, events."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkout.base import strict_json, text
from checkout.base.user_ids import BIGINT
from checkout.outbox import finished_event
from checkout.outbox.fields import Unprocessable
from checkout.outbox.finished_event import CheckoutFinishedEvent, decoded
from checkout.payments.payment import FINAL, OPEN, Status
from tests.support.functions import finished

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda children: st.lists(children) | st.dictionaries(st.text(), children),
    max_leaves=10,
)


@given(st.binary() | anything.map(lambda value: json.dumps(value).encode()))
def test_bytes_are_an_object_or_refused_with_a_reason(data: bytes) -> None:
    try:
        assert isinstance(strict_json.object_from(data), dict)
    except strict_json.NotJson as error:
        assert str(error)


@given(
    st.binary()
    | st.dictionaries(
        st.sampled_from(
            [
                "request_id",
                "user_id",
                "amount_cents",
                "currency",
                "purpose",
                "status",
                "source_id",
                "dispute_id",
                "timestamp",
            ]
        ),
        anything | st.sampled_from(["success", "refunded", 1, 500]),
    ).map(lambda fields: json.dumps(fields).encode())
)
def test_a_record_is_an_event_or_unprocessable_and_nothing_else(value: bytes) -> None:
    try:
        event = decoded(value, "eur", BIGINT)
        effect = event.effect
    except Unprocessable as reason:
        assert str(reason)
    else:
        assert 1 <= event.amount_cents <= text.MAX_BIGINT
        assert effect is None or abs(effect.amount_cents) == event.amount_cents


@given(st.text(min_size=1), st.integers(1, text.MAX_BIGINT))
def test_an_event_comes_back_as_it_went(message: str, amount_cents: int) -> None:
    event = CheckoutFinishedEvent(
        request_id="r1",
        user_id=1,
        amount_cents=amount_cents,
        currency="eur",
        purpose="balance_topup",
        status="failed",
        error_message=message if text.is_storable(message) else None,
        timestamp="2026-11-23T12:00:00.000Z",
    )
    assert decoded(event.encoded(), "usd", BIGINT) == event


def texts_in(fields: dict[str, Any], written: str) -> list[str]:
    """Ways to write it that mean the same or something else, by a field or a character."""
    compact = json.dumps(fields, ensure_ascii=False, separators=(",", ":"))
    return [compact, json.dumps(fields), compact.replace('"a"', written), compact.replace(":5", written)]


IDENTIFIERS = st.sampled_from(
    ["a", "A", "İ", "", "x" * 255, "x" * 256, "é", "\0", '"', "\\", "\x7f", 5, True]
)
INTEGERS = st.sampled_from([5, 0, -5, 5.0, 1e2, True, "5", 2**63 - 1, 2**63, 10**400, None])
WRITTEN = st.sampled_from(
    [
        *('"a","a":1', '"\\u0061"', '"\\ud800"', '"\x01"', '"\\/"', "NaN", "1e2", "{}", "\ufeff", "\u2028"),
        *(":5.0", ":05", ":-0", ":5 ", ":5}", ':5,"user_id":6', ':5,"new":[]', ':{"a":1,"a":2}'),
        "[" * 5_000,
    ]
)


@given(
    st.fixed_dictionaries(
        {
            "request_id": st.just("a") | IDENTIFIERS,
            "user_id": st.just(5) | INTEGERS,
            "amount_cents": st.just(5) | INTEGERS,
            "currency": st.just("eur") | IDENTIFIERS | st.none(),
            "purpose": st.just("a") | IDENTIFIERS | st.none(),
            "status": st.sampled_from(["success", "refunded", "failed", "Success", None, 5]),
            "session_id": st.none() | IDENTIFIERS,
            "session_url": st.none() | st.text() | st.integers(),
            "payment_intent_id": st.none() | IDENTIFIERS,
            "error_message": st.none() | st.text() | st.booleans(),
            "timestamp": st.text() | st.none(),
            "event_id": st.none() | IDENTIFIERS,
            "source_id": st.none() | IDENTIFIERS,
            "dispute_id": st.none() | IDENTIFIERS,
        }
    ),
    WRITTEN,
    st.sampled_from(["utf-8", "utf-16", "latin-1"]),
)
def test_what_is_read_the_fast_way_is_what_the_strict_way_reads(
    fields: dict[str, Any], written: str, encoding: str
) -> None:
    for value in texts_in(fields, written):
        data = value.encode(encoding, "surrogatepass" if encoding == "utf-8" else "replace")
        if (event := finished_event._as_written_by_us(data, BIGINT)) is not None:
            assert finished_event._of_any_producer(data, "usd", BIGINT) == event


@given(st.text(), st.text())
def test_an_event_is_written_as_compact_json(request_id: str, message: str) -> None:
    fields = finished(request_id, error_message=message, user_id=text.MAX_BIGINT)
    event = CheckoutFinishedEvent(**fields)
    written = {name: getattr(event, name) for name in CheckoutFinishedEvent.__struct_fields__}
    assert json.loads(event.encoded()) == written
    assert event.encoded() == json.dumps(written, ensure_ascii=False, separators=(",", ":")).encode()


@pytest.mark.parametrize(
    ("status", "source_id", "key", "amount"),
    [
        ("success", None, "success:abc", 5),
        ("refunded", "re_1", "refunded:re_1", -5),
        ("refund_failed", "re_1", "refund_failed:re_1", 5),
        ("disputed", "txn_1", "disputed:txn_1", -5),
        ("dispute_won", "txn_2", "dispute_won:txn_2", 5),
    ],
)
def test_the_effect_of_each_status(status: str, source_id: str | None, key: str, amount: int) -> None:
    fields = {"request_id": "ABC", "user_id": 1, "amount_cents": 5, "status": status, "source_id": source_id}
    effect = decoded(json.dumps(fields).encode(), "eur", BIGINT).effect
    assert effect is not None
    assert (effect.effect_key, effect.amount_cents, effect.request_id) == (key, amount, "abc")
    assert effect.claim == (1, amount, "eur")


def test_a_dispute_s_event_says_which_dispute_it_is_about_and_may_leave_it_out() -> None:
    won = {"request_id": "r", "user_id": 1, "amount_cents": 5, "status": "dispute_won", "source_id": "txn_2"}
    for fields, dispute_id in (({}, None), ({"dispute_id": None}, None), ({"dispute_id": "dp_1"}, "dp_1")):
        effect = decoded(json.dumps(won | fields).encode(), "eur", BIGINT).effect
        assert effect is not None
        assert effect.dispute_id == dispute_id
    with pytest.raises(Unprocessable, match="dispute_id"):
        decoded(json.dumps(won | {"dispute_id": 5}).encode(), "eur", BIGINT)


def test_a_claim_is_the_user_the_amount_and_the_currency() -> None:
    fields = {"request_id": "a", "user_id": 7, "amount_cents": 5, "status": "success", "currency": "USD"}
    effect = decoded(json.dumps(fields).encode(), "eur", BIGINT).effect
    assert effect is not None
    assert effect.claim == (7, 5, "usd")


def test_states_only_rise_and_success_absorbs() -> None:
    order = list(Status)
    for position, status in enumerate(order):
        assert [status.may_become(other) for other in order] == [at > position for at in range(len(order))]
    assert order[-1] is Status.PAYMENT_SUCCEEDED
    assert not FINAL & OPEN


@pytest.mark.parametrize("value", ["", "x" * 256, "a\0b", "\udfff", None, 5, b"x"])
def test_what_is_no_identifier(value: Any) -> None:
    assert text.identifier(value) is None
    assert text.request_identifier(value) is None


@pytest.mark.parametrize("value", [0, -1, 2**63, True, 1.0, "1", None])
def test_what_is_no_amount(value: Any) -> None:
    assert text.positive_bigint(value) is None


def test_the_largest_of_everything() -> None:
    assert text.positive_bigint(2**63 - 1) == 2**63 - 1
    assert text.positive_bigint_from_digits(str(2**63 - 1)) == 2**63 - 1
    assert text.positive_bigint_from_digits(str(2**63)) is None
    assert text.identifier("x" * 255) == "x" * 255


@pytest.mark.parametrize(
    ("given_text", "is_one"),
    [
        ("ada@example.com", True),
        ("a.b+c%d_e-f@a-1.b.example", True),
        ("x" * 242 + "@example.com", True),
        ("x" * 243 + "@example.com", False),
        ("ada@example", False),
        ("ada@example.c", False),
        ("@example.com", False),
        ("ada.@example.com", False),
        (".ada@example.com", False),
        ("a..b@example.com", False),
        ("ada@-example.com", False),
        ("ada@example..com", False),
        ("ada@exa mple.com", False),
        ("ada@example.com\n", False),
        ("Ada <ada@example.com>", False),
        ("ädä@example.com", False),
        ("ada@example.com,eve@example.com", False),
        (f"a@{'a.' * 120}x1", False),
        (None, False),
        (b"ada@example.com", False),
    ],
)
def test_an_email_is_one_that_nobody_refuses_for_its_form(given_text: object, is_one: bool) -> None:
    assert (text.email_address(given_text) is not None) is is_one
