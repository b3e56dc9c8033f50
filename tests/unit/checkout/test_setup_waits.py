"""Setup begins while the database may still be paused."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from checkout.base import timing
from checkout.base.errors import ConfigurationError, DatabaseUnavailable
from checkout.release import setup
from checkout.release.setup import Setup
from checkout.release.topics import Owner


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[], float]:
    """On which sleeping takes no time."""
    passed = [0.0]

    def sleep(seconds: float) -> None:
        passed[0] += seconds

    monkeypatch.setattr(setup, "time", SimpleNamespace(monotonic=lambda: passed[0], sleep=sleep))
    return lambda: passed[0]


def set_up(migrate: Any) -> dict[str, str]:
    nothing: Any = lambda *_: None  # noqa: E731
    made = Setup(migrate, nothing, nothing, lambda: "broker:9098", lambda *_: [])
    return made(Owner("checkout.1"))


class Migrate:
    def __init__(self, *refusals: Exception) -> None:
        self.refusals = list(refusals)
        self.attempts = 0

    def __call__(self) -> list[str]:
        self.attempts += 1
        if self.refusals:
            raise self.refusals.pop(0)
        return []


def test_it_waits_for_a_database_that_wakes(clock: Callable[[], float]) -> None:
    migrate = Migrate(*[DatabaseUnavailable("paused")] * 5)
    assert set_up(migrate) == {"KafkaBrokers": "broker:9098"}
    assert migrate.attempts == 6


def test_it_gives_up_in_time_to_answer_cloudformation(clock: Callable[[], float]) -> None:
    with pytest.raises(DatabaseUnavailable):
        set_up(Migrate(*[DatabaseUnavailable("away")] * 1000))
    # The last attempts to connect take 25 s each; the function has 900.
    assert timing.SETUP_WAKE <= clock() < 300


def test_what_is_wrong_for_good_is_said_at_once(clock: Callable[[], float]) -> None:
    migrate = Migrate(ConfigurationError("no such role"))
    with pytest.raises(ConfigurationError):
        set_up(migrate)
    assert migrate.attempts == 1
