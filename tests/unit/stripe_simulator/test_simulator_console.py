"""One line for each event, even with control characters in its names."""

import pytest

from stripe_simulator.console import say, say_what_failed

HOSTILE = "we_1 http://127.0.0.1/\x1b[2J\nwebhook delivered\r\u202e\ud800\x85"
ESCAPED = r"we_1 http://127.0.0.1/\u001b[2J\nwebhook delivered\r\u202e\ud800\u0085"


def test_what_happens_is_one_line_that_only_shows(capsys: pytest.CaptureFixture[str]) -> None:
    say(HOSTILE)
    assert capsys.readouterr().out == f"{ESCAPED}\n"


def test_what_failed_is_shown_with_its_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    try:
        raise ValueError(HOSTILE)
    except ValueError:
        say_what_failed()

    *trace, last = capsys.readouterr().err.splitlines()
    assert any("raise ValueError(HOSTILE)" in line for line in trace)
    assert last == f"ValueError: {ESCAPED}"
