"""Which events name a user's payments."""

import json

import pytest

from checkout.operations.payment_names import PaymentNames

NAMES = PaymentNames()
NAMES.add('r "1\u00e9"', "cs_1", None)
NAMES.add("r2", None, "pi_2")


def test_every_name_counts() -> None:
    assert (NAMES.request_ids, NAMES.stripe_ids) == ({'r "1\u00e9"', "r2"}, {"cs_1", "pi_2"})
    assert len(NAMES) == 4
    assert not PaymentNames()


@pytest.mark.parametrize("is_ascii", [True, False])
@pytest.mark.parametrize(
    "resource",
    [
        {"id": "cs_1"},
        {"payment_intent": "pi_2"},
        {"payment_intent": {"id": "pi_2"}},
        {"lines": [{"session": "cs_1"}, "x"]},
        {"metadata": {"request_id": 'r "1\u00e9"'}},
        {"note": "Ada\0", "metadata": {"request_id": "r2"}},
    ],
)
def test_a_name_is_found_wherever_it_is(resource: object, is_ascii: bool) -> None:
    event = {"id": "evt_1", "data": {"object": resource}}
    assert NAMES.are_in(json.dumps(event, ensure_ascii=is_ascii))


@pytest.mark.parametrize(
    "resource",
    [
        {"id": "cs_10"},
        {"description": "it was cs_1"},
        {"metadata": {"request_id": "r"}},
        {"metadata": {"request_id": ["r2"]}},
        {"metadata": {"another": "r2"}},
        {"id": 1, "amount": None, "is_paid": True},
    ],
)
def test_what_only_looks_like_a_name_is_none(resource: object) -> None:
    assert not NAMES.are_in(json.dumps({"id": "evt_1", "data": {"object": resource}}))
