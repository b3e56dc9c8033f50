"""docs/architecture.md says what the code does."""

import re
from collections.abc import Iterator
from typing import get_type_hints

import pytest

from checkout.base.errors import CheckoutError, Refused
from checkout.outbox.effects import DIRECTIONS, WITHOUT_EFFECT
from checkout.outbox.finished_event import CheckoutFinishedEvent
from checkout.outbox.request_event import CheckoutRequestEvent
from local.lambda_runtime import template
from tests.infrastructure.transformed import ROOT

TEXT = (ROOT / "docs" / "architecture.md").read_text()


def section(title: str) -> str:
    found = TEXT.partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    assert found
    return found


def cells(title: str, column: int) -> list[str]:
    """What is in backquotes in a column of the section's tables, row by row."""
    rows = [line.split("|")[column] for line in section(title).splitlines() if line.startswith("|")]
    return [name for row in rows for name in re.findall(r"`([^`]+)`", row)]


def test_what_is_to_be_changed_is_there() -> None:
    named = [name for name in cells("Where to change what", 2) if "/" in name or "." in name]

    assert len(named) > 20
    tops = (ROOT, ROOT / "layers" / "common" / "checkout")
    assert [name for name in named if not any((top / name).exists() for top in tops)] == []


def test_every_route_is_there_and_no_other() -> None:
    declared = [route.key for route in template.load(ROOT / "template.yaml").routes]

    assert sorted(cells("HTTP", 1)) == sorted(declared)


@pytest.mark.parametrize("event", [CheckoutRequestEvent, CheckoutFinishedEvent])
def test_events_have_the_fields_of_the_code(
    event: type[CheckoutRequestEvent] | type[CheckoutFinishedEvent],
) -> None:
    listed = re.search(rf"    {event.__name__} +(.+?)\n\n", section("Kafka"), re.DOTALL)
    assert listed is not None

    assert sorted(re.findall(r"\w+", listed[1])) == sorted(get_type_hints(event))


def test_every_status_has_its_direction() -> None:
    rows = re.findall(r"^\| (`.*?) \| (.+?) \|", section("Kafka"), re.MULTILINE)
    said = {name: word for cell, word in rows for name in re.findall(r"`(\w+)`", cell)}

    words = {1: "up", -1: "down"}
    wanted = {name: words[direction] for name, direction in DIRECTIONS.items()}
    assert said == wanted | dict.fromkeys(WITHOUT_EFFECT, "not touched")


def test_every_code_has_its_status() -> None:
    def family(error: type[CheckoutError]) -> Iterator[type[CheckoutError]]:
        yield error
        for one in error.__subclasses__():
            yield from family(one)

    rows = re.findall(r"^\| (\d+) \| `(\w+)` \|", section("HTTP"), re.MULTILINE)
    of_an_operator = {(str(Refused.status), Refused.code)}
    raised = {(str(error.status), error.code) for error in family(CheckoutError)}
    assert set(rows) == raised - of_an_operator


def test_every_table_is_there_and_no_other() -> None:
    migrations = (ROOT / "layers" / "common" / "checkout" / "release" / "migrations").glob("*/*.sql")
    made = {
        (name, path.parent.name)
        for path in migrations
        for name in re.findall(r"CREATE TABLE (?:IF NOT EXISTS )?(\w+)", path.read_text())
    }
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \|", section("Tables"), re.MULTILINE)

    assert set(rows) == made
