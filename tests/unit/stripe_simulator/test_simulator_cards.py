import pytest

from stripe_simulator.resources import cards
from stripe_simulator.resources.cards import Disputed, RefundCourse


def test_every_test_card_passes_its_own_check() -> None:
    for card in cards._CARDS:
        assert cards.passes_luhn(card.number), card
        assert cards.find(card.number) is card


@pytest.mark.parametrize("typed", ["4242 4242 4242 4242", "4242-4242-4242-4242", " 4242424242424242 "])
def test_spaces_and_hyphens_do_not_matter(typed: str) -> None:
    assert cards.find(typed).last4 == "4242"


def test_the_number_decides_what_happens() -> None:
    assert cards.find("4242424242424242").decline is None
    insufficient = cards.find("4000000000009995").decline
    assert insufficient
    assert (insufficient.code, insufficient.decline_code) == ("card_declined", "insufficient_funds")
    assert cards.find("4000000000000259").disputed is Disputed.FRAUDULENT
    assert cards.find("4000000000005423").is_suspected
    assert cards.find("4000000000007726").refunds is RefundCourse.PENDING_THEN_SUCCEEDS
    assert cards.find("4000000000005126").refunds is RefundCourse.SUCCEEDS_THEN_FAILS


@pytest.mark.parametrize(
    "typed",
    ["", " ", "4242424242424241", "0", "abcd", "４２４２" * 4, "4111111111111111"],
)
def test_other_numbers_are_refused(typed: str) -> None:
    with pytest.raises(cards.CardNumberRefused):
        cards.find(typed)
