"""Whether Stripe's answer is older than what an event says, for values of any type that JSON has."""

import pytest

from checkout.payments.stale_reversals import dispute_is_behind, refund_is_behind, refunds_are_behind


@pytest.mark.parametrize("odd", [[], {}, None, 1, True, "\ud800"])
def test_a_field_of_any_type_is_compared(odd: object) -> None:
    assert not dispute_is_behind({"status": "lost"}, {"status": odd, "id": odd})
    assert not refund_is_behind({"status": "succeeded"}, {"status": odd, "id": odd})
    charge = {"refunds": {"data": [{"id": odd, "status": "succeeded"}]}, "amount_refunded": odd}
    assert refunds_are_behind([{"id": "re_1", "status": "succeeded", "amount": 5}], charge)
