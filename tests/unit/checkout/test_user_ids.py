"""The three types of users' ids: what is one, and its one canonical form."""

from typing import Any

import pytest

from checkout.base.config import Config
from checkout.base.errors import ConfigurationError
from checkout.base.user_ids import BIGINT, KINDS, NIL, TEXT, UUID, UserIds
from checkout.outbox import finished_event, request_event
from checkout.outbox.fields import Unprocessable

A_UUID = "0e9cbb2a-7f4d-4c6f-9a51-2f0f4ab1f5d7"


@pytest.mark.parametrize(
    ("kind", "given", "expected"),
    [
        (BIGINT, 7, 7),
        (BIGINT, "7", None),
        (BIGINT, 7.0, None),
        (BIGINT, True, None),
        (BIGINT, 0, None),
        (BIGINT, A_UUID, None),
        (UUID, A_UUID, A_UUID),
        (UUID, A_UUID.upper(), A_UUID),
        (UUID, 7, None),
        (UUID, "7", None),
        (UUID, A_UUID.replace("-", ""), None),
        (UUID, "{" + A_UUID + "}", None),
        (UUID, f"urn:uuid:{A_UUID}", None),
        (UUID, f" {A_UUID}", None),
        (UUID, f"{A_UUID}\n", None),
        (UUID, A_UUID.replace("0e9c", "\u0660e9c"), None),
        (UUID, NIL, None),
        (UUID, None, None),
        (TEXT, "auth0|Ab/c d?e=f", "auth0|Ab/c d?e=f"),
        (TEXT, "\u00e9", "\u00e9"),
        (TEXT, "e\u0301", "e\u0301"),
        (TEXT, "x" * 255, "x" * 255),
        (TEXT, "x" * 256, None),
        (TEXT, "", None),
        (TEXT, " x", None),
        (TEXT, "x\u00a0", None),
        (TEXT, "a\tb", None),
        (TEXT, "a\x7fb", None),
        (TEXT, "a\x85b", None),
        (TEXT, "a\0b", None),
        (TEXT, "a\ud800b", None),
        (TEXT, 7, None),
    ],
)
def test_an_id_in_json_has_one_type_and_one_form(kind: UserIds, given: object, expected: object) -> None:
    assert kind.from_json(given) == expected


def test_a_number_in_a_token_is_a_text() -> None:
    assert (BIGINT.from_text("7"), BIGINT.from_text("07"), BIGINT.from_text(7)) == (7, None, None)


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_the_ends_of_a_range_are_around_every_id(kind: UserIds) -> None:
    for one in (kind.demo, kind.probe):
        assert kind.from_json(one) == one
        assert kind.from_text(str(one)) == one
        ends: Any = (kind.first, one, kind.last)
        assert ends[0] < ends[1] <= ends[2]
    assert kind.from_json(kind.first) is None


@pytest.mark.parametrize(("kind", "user_id"), [(UUID, A_UUID), (TEXT, "auth0|x"), (BIGINT, 7)])
def test_records_carry_it_as_json_does(kind: UserIds, user_id: Any) -> None:
    asked = request_event.CheckoutRequestEvent(request_id="r", user_id=user_id, amount_cents=5)
    assert request_event.decoded(asked.encoded(), kind).user_id == user_id
    told = finished_event.CheckoutFinishedEvent(
        request_id="r",
        user_id=user_id,
        amount_cents=5,
        currency="eur",
        purpose="balance_topup",
        status="success",
        timestamp="2026-11-23T12:00:00Z",
    )
    assert finished_event.decoded(told.encoded(), "eur", kind) == told
    for other in KINDS.values():
        if other.from_json(user_id) is None:
            for decoded in (
                lambda other=other: request_event.decoded(asked.encoded(), other),
                lambda other=other: finished_event.decoded(told.encoded(), "eur", other),
            ):
                with pytest.raises(Unprocessable, match="user_id must be"):
                    decoded()


def test_a_uuid_of_another_producer_is_kept_in_lower_case() -> None:
    value = f'{{"request_id": "r", "user_id": "{A_UUID.upper()}", "amount_cents": 5, "status": "failed"}}'
    assert finished_event.decoded(value.encode(), "eur", UUID).user_id == A_UUID


def test_another_type_is_refused_at_start() -> None:
    assert Config({}).user_ids is BIGINT
    with pytest.raises(ConfigurationError, match="USER_ID_TYPE must be one of bigint, uuid, text"):
        Config({"USER_ID_TYPE": "UUID"}).check()
