"""The operations' command line, typed at a terminal or without one."""

import json
from typing import Any

import pytest

from checkout.operations import __main__ as command_line
from tests.support.functions import system
from tests.support.roles import acting_as

END = "\x04"


class Terminal:
    """Types commands, and `answer` when a question is asked; None is no terminal, and END is Ctrl-D."""

    def __init__(self, capsys: pytest.CaptureFixture[str], patch: pytest.MonkeyPatch) -> None:
        self._capsys = capsys
        self._patch = patch
        self.out = self.err = ""

    def run(self, *arguments: object, answer: str | None = None) -> int:
        """The exit status; `out` and `err` are what was printed."""
        self._patch.setattr("sys.stdin.isatty", lambda: answer is not None, raising=False)
        self._patch.setattr("builtins.input", lambda: self._typed(answer))
        self._capsys.readouterr()
        with acting_as("operations"):
            status = command_line.main([str(argument) for argument in arguments], system())
        self.out, self.err = self._capsys.readouterr()
        return status

    def json(self, *arguments: object, status: int = 0, answer: str | None = None) -> Any:
        """What is printed with --json."""
        assert self.run(*arguments, "--json", answer=answer) == status, self.err
        return json.loads(self.out)

    @staticmethod
    def _typed(answer: str | None) -> str | None:
        if answer == END:
            raise EOFError
        return answer
