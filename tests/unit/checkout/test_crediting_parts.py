"""How a batch that fails is divided: nothing is lost, and what depends on something never comes before it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkout.ledger.belonging import STAGE, rivals
from checkout.ledger.decision import Movement, in_order
from checkout.ledger.parts import parts
from checkout.outbox.effects import DIRECTIONS, Effect, reversal_key, success_key
from checkout.outbox.record import Record


def movement(kind: str, user_id: int, request: int, source: int, offset: int = 0) -> Movement:
    request_id, source_id = f"r{request}", f"re_{source}"
    key = success_key(request_id) if kind == "success" else reversal_key(kind, source_id)
    effect = Effect(key, user_id, DIRECTIONS[kind], "eur", kind, request_id, source_id, None)
    return Movement(effect, Record("checkout.finished", 0, offset, None, b""), "")


movements = st.lists(
    st.builds(
        movement, st.sampled_from(sorted(DIRECTIONS)), st.integers(1, 4), st.integers(1, 3), st.integers(1, 3)
    ),
    min_size=2,
    max_size=40,
).map(in_order)


@given(movements, st.integers(2, 16))
def test_every_movement_is_in_one_part_and_nothing_stands_before_what_it_depends_on(
    given_movements: list[Movement], most: int
) -> None:
    divided = parts(given_movements, most)
    assert 2 <= len(divided) <= most
    assert sorted(map(id, given_movements)) == sorted(id(one) for part in divided for one in part)
    for part in divided:
        stages = [STAGE[one.effect.kind] for one in part]
        assert stages == sorted(stages)


@given(movements, st.integers(2, 16))
def test_a_user_s_movements_stay_together_as_long_as_there_are_others(
    given_movements: list[Movement], most: int
) -> None:
    divided = parts(given_movements, most)
    users = [{one.effect.user_id for one in part} for part in divided]
    if len(set().union(*users)) > 1:
        assert sum(map(len, users)) == len(set().union(*users))


def test_one_user_s_are_divided_by_payment_and_then_by_refund() -> None:
    paid, taken, given_back = (movement(kind, 1, 1, 1) for kind in ("success", "refunded", "refund_failed"))
    other = movement("success", 1, 2, 2)
    assert parts([paid, other, taken, given_back], 16) == [[paid, taken, given_back], [other]]
    assert parts([paid, taken, given_back], 16) == [[paid], [taken, given_back]]
    assert parts([taken, given_back], 16) == [[taken], [given_back]]


@pytest.mark.parametrize(("amount", "is_rival"), [(1, False), (2, True)])
def test_rivals_have_one_key_and_say_something_else(amount: int, is_rival: bool) -> None:
    one = Effect("success:r", 1, 1, "eur", "success", "r", None, "pi_1")
    other = Effect("success:r", 1, amount, "eur", "success", "r", None, "pi_1")
    assert bool(rivals([one, other])) is is_rival


def test_two_payments_under_one_key_are_rivals_and_one_payment_under_two_keys_is_none() -> None:
    first, second = (
        Effect("success:r", 1, 1, "eur", "success", "r", None, intent) for intent in ("pi_1", "pi_2")
    )
    again = Effect("success:other", 1, 1, "eur", "success", "other", None, "pi_1")
    assert rivals([first, second]) == [first, second]
    assert rivals([first, again]) == []
