from typing import Any

import pytest

from stripe_simulator.api import params
from stripe_simulator.api.errors import InvalidParameter
from stripe_simulator.api.params import Declaration

PERSON = params.fields({"name": params.text(5), "age": params.integer(0, 150)}, required=("name",))


def refusal(declaration: Declaration, raw: Any, name: str = "p") -> tuple[str | None, str | None]:
    with pytest.raises(InvalidParameter) as raised:
        declaration(raw, name)
    return raised.value.code, raised.value.param


def test_a_list_of_hashes_becomes_values_in_the_order_of_its_indices() -> None:
    people = params.list_of(PERSON)
    assert people({"10": {"name": "Bob"}, "2": {"name": "Ada", "age": "36"}}, "people") == [
        {"name": "Ada", "age": 36},
        {"name": "Bob"},
    ]


def test_a_refusal_names_the_parameter_as_it_was_sent() -> None:
    people = params.list_of(PERSON)
    assert refusal(people, {"0": {}}, "people") == ("parameter_missing", "people[0][name]")
    assert refusal(people, {"0": {"nom": "Ada"}}, "people") == ("parameter_unknown", "people[0][nom]")
    assert refusal(people, {"0": {"name": "Ada", "age": "151"}}, "people") == (
        "parameter_invalid_integer",
        "people[0][age]",
    )
    assert refusal(people, {"x": {}}, "people") == (None, "people")
    assert refusal(people, "x", "people") == (None, "people")


@pytest.mark.parametrize("raw", ["", "1.0", "1e2", "+1", " 1", "１", "0x1", "9" * 19, {}])
def test_integers_are_digits(raw: Any) -> None:
    assert refusal(params.integer(), raw)[0] == "parameter_invalid_integer"


def test_texts_are_neither_empty_nor_too_long() -> None:
    assert refusal(params.text(5), "")[0] == "parameter_invalid_empty"
    assert refusal(params.text(5), "123456") == (None, "p")
    assert refusal(params.text(5), {"a": "b"}) == (None, "p")
    assert params.text(5)("12345", "p") == "12345"


@pytest.mark.parametrize(
    "raw", ["x", "//x", "javascript:alert(1)", "http://", "http://[", "mailto:a@b", "http://a;b/"]
)
def test_urls_are_web_addresses(raw: str) -> None:
    assert refusal(params.url, raw)[0] == "url_invalid"


def test_other_values() -> None:
    assert params.boolean("true", "p") is True
    assert params.boolean("false", "p") is False
    assert params.choice("a", "b")("b", "p") == "b"
    assert params.currency("EUR", "p") == "eur"
    assert params.time_range("5", "p") == {"=": 5}
    assert params.time_range({"gte": "5", "lt": "9"}, "p") == {">=": 5, "<": 9}
    assert params.metadata({"a": "b", "c": ""}, "p") == {"a": "b", "c": ""}
    assert params.metadata("", "p") is None
    assert refusal(params.metadata, "x") == (None, "p")
