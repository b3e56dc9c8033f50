"""Sealed numbers: opened by whom they were made for, and by nobody else in any other form."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkout.api.seal import opened, sealed
from checkout.base.text import MAX_BIGINT

SECRET, OTHER = "s" * 32, "o" * 32
numbers = st.integers(0, MAX_BIGINT)


@given(numbers)
def test_a_number_comes_back(number: int) -> None:
    assert opened([SECRET], "of 1", sealed(SECRET, "of 1", number)) == number
    assert opened([OTHER, SECRET], "of 1", sealed(SECRET, "of 1", number)) == number


@given(numbers)
def test_it_opens_in_its_context_and_with_its_secret_alone(number: int) -> None:
    text = sealed(SECRET, "of 1", number)
    assert opened([SECRET], "of 11", text) is None
    assert opened([OTHER], "of 1", text) is None
    assert opened([], "of 1", text) is None


@given(numbers, st.integers(0, 23), st.integers(1, 255))
def test_no_other_bytes_open(number: int, place: int, change: int) -> None:
    raw = bytearray(base64.urlsafe_b64decode(sealed(SECRET, "of 1", number)))
    raw[place] ^= change
    assert opened([SECRET], "of 1", base64.urlsafe_b64encode(raw).decode()) is None


def test_it_says_nothing_about_the_number() -> None:
    texts = {sealed(SECRET, "of 1", number) for number in range(1000)}
    assert len(texts) == 1000
    assert len({text[:4] for text in texts}) > 900
    assert len({text[-8:] for text in texts}) > 900
    assert sealed(SECRET, "of 1", 7)[:8] != sealed(SECRET, "of 2", 7)[:8]
    assert len({len(text) for text in texts}) == 1


@pytest.mark.parametrize(
    "text", ["", "=", "é", "\0", "a" * 31, "a" * 32, "a" * 33, "+" * 32, " " * 32, "a" * 100_000]
)
def test_anything_else_is_none_of_ours(text: str) -> None:
    assert opened([SECRET], "of 1", text) is None
    ours = sealed(SECRET, "of 1", 1)
    for wrong in (f"{ours}\n", f"{ours}=", ours[:-1], f" {ours}"):
        assert opened([SECRET], "of 1", wrong) is None
