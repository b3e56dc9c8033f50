"""What a running stack writes down for other processes."""

import stat
from pathlib import Path

import pytest

from checkout.base.config import Config
from local.stack import demo_user, description, settings
from local.stack.description import NotRunning


def test_the_functions_settings_are_those_of_the_stack_whatever_another_terminal_has(tmp_path: Path) -> None:
    running = settings.load(tmp_path, {"BALANCE_CURRENCY": "jpy", "SERVICES": "{}", "PORT": "9"})
    variables = running.variables("postgresql://checkout", "postgresql://application", "127.0.0.1:9092")
    with description.locked(running.data):
        demo_user.describe(running, variables, "").write(running.data)
        found = description.running(running.data)
    assert stat.S_IMODE((running.data / "stack.json").stat().st_mode) == 0o600

    other = settings.load(
        tmp_path, {"BALANCE_CURRENCY": "usd", "FOUR_EYES_CENTS": "7", "LANG": "C", "PORT": "1"}
    )
    seen = found.variables(other)

    config = Config(seen)
    assert (config.currency, config.four_eyes_cents) == ("jpy", None)
    assert seen["PUBLIC_ORIGIN"] == running.url
    assert {name: seen[name] for name in found.settings} == found.settings
    assert found.settings.keys() <= variables.keys()
    assert seen["LANG"] == "C"


def test_without_a_stack_it_says_how_to_start_one(tmp_path: Path) -> None:
    with pytest.raises(NotRunning, match="no stack runs in this folder: start one with make run"):
        description.running(tmp_path)
