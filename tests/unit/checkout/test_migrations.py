"""The migrations' numbers: their order is the order in which they are applied."""

import pytest

from checkout.release.migrate import MIGRATIONS


@pytest.mark.parametrize("database", ["checkout", "application"])
def test_each_number_is_used_once_and_none_is_left_out(database: str) -> None:
    numbers = [int(path.name.partition("_")[0]) for path in sorted((MIGRATIONS / database).glob("*.sql"))]

    assert numbers == list(range(1, len(numbers) + 1))
