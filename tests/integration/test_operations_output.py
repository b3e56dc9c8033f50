"""What the operations print about records that somebody wrote to deceive the person who reads it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from checkout.operations import __main__ as command_line
from tests.support.functions import Functions, finished, system
from tests.support.roles import acting_as

ROOT = Path(__file__).parents[2]
HOSTILE = "r\x1b[2j\nok       every entry is of a payment that we know\r\x9b1m\u202e\u2028"
COMMANDS = [
    ["parked", "list"],
    ["parked", "show", "1"],
    ["verify"],
    ["inspect", "1"],
    ["inspect", HOSTILE],
    ["inspect", f"nothing\x1b[2J\n{HOSTILE}"],
    ["parked", "show", "1\x1b[2J\nerror: none"],
]


@pytest.fixture
def records(fns: Functions) -> Functions:
    """One that is credited although nobody asked for it, so `verify` lists it; and those that are parked."""
    fns.consume(
        finished(HOSTILE, user_id=1),
        finished(HOSTILE, user_id=1, amount_cents=600),
        finished("r2", user_id=1, currency=HOSTILE[:8]),
        HOSTILE.encode(),
    )
    assert fns.balance(1) == 500
    return fns


@pytest.mark.parametrize("form", [[], ["--json"]], ids=["people", "programs"])
@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: ascii(" ".join(command))[:30])
def test_every_line_only_shows(
    records: Functions, capsys: pytest.CaptureFixture[str], command: list[str], form: list[str]
) -> None:
    capsys.readouterr()
    with acting_as("operations"):
        status = command_line.main([*command, *form], system())

    out, err = capsys.readouterr()
    assert out + err
    assert [line for line in (out + err).split("\n") if not line.isprintable()] == []
    if status == command_line.REFUSED:
        assert err.count("\n") == 1
    elif form:
        assert out.isascii()
        json.loads(out)
    else:
        assert not any(line.startswith("ok       every entry is of a payment") for line in out.split("\n"))


def test_the_json_is_what_was_stored(records: Functions, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    with acting_as("operations"):
        assert command_line.main(["inspect", HOSTILE, "--json"], system()) == 0

    assert HOSTILE in {step.get("request_id") for step in json.loads(capsys.readouterr().out)["steps"]}


@pytest.mark.parametrize("form", [[], ["--json"]], ids=["people", "programs"])
def test_a_terminal_with_another_encoding_gets_it_all(records: Functions, form: list[str]) -> None:
    records.consume(finished("für", user_id=7))
    done = subprocess.run(
        [sys.executable, "-m", "checkout.operations", "parked", "list", *form],
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT / "layers" / "common"),
            "PYTHONIOENCODING": "ascii",
        },
        capture_output=True,
        check=True,
    )
    assert b"f\\u00fcr" in done.stdout or b"f\\xfcr" in done.stdout
