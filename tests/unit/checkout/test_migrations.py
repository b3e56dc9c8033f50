"""The migrations' numbers: their order is the order in which they are applied."""

import re

import pytest

from checkout.release.migrate import MIGRATIONS


@pytest.mark.parametrize("database", ["checkout", "application"])
def test_each_number_is_used_once_and_none_is_left_out(database: str) -> None:
    numbers = [int(path.name.partition("_")[0]) for path in sorted((MIGRATIONS / database).glob("*.sql"))]

    assert numbers == list(range(1, len(numbers) + 1))


def test_a_user_s_id_has_the_type_of_the_setting_everywhere() -> None:
    for path in MIGRATIONS.glob("*/*.sql"):
        written = re.findall(r"^\s*(?:ADD COLUMN )?user_id\s+(\w+)", path.read_text(), re.MULTILINE)
        assert {*written} <= {"USER_ID_COLUMN", "USER_ID_PARAMETER"}, path.name
