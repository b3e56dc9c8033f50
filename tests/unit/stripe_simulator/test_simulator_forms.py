from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stripe_simulator.api import forms
from stripe_simulator.api.errors import InvalidParameter


def test_brackets_nest_and_indices_stay_keys() -> None:
    assert forms.parse("a[b][0][c]=1&a[b][1][c]=2&d=3&e=") == {
        "a": {"b": {"0": {"c": "1"}, "1": {"c": "2"}}},
        "d": "3",
        "e": "",
    }


def test_empty_brackets_append() -> None:
    assert forms.parse("expand[]=a&expand[]=b") == {"expand": {"0": "a", "1": "b"}}


def test_escapes_are_undone() -> None:
    assert forms.parse("metadata%5Ba+b%5D=%C3%BC%26") == {"metadata": {"a b": "ü&"}}


@pytest.mark.parametrize(
    "encoded",
    ["a[b=1", "a]b[=1", "[a]=1", "a[b]c=1", "a=1&a[b]=2", "a=%ff", "a" + "[b]" * 9 + "=1", "a=1&" * 3000],
)
def test_what_is_no_form_is_refused(encoded: str) -> None:
    with pytest.raises(InvalidParameter):
        forms.parse(encoded)


@given(st.text(alphabet="ab[]=&%01", max_size=40))
def test_nothing_else_is_ever_raised(encoded: str) -> None:
    with suppress(InvalidParameter):
        forms.parse(encoded)
