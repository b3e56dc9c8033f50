"""What a verb is, and the arguments that several of them have."""

import argparse
from argparse import ArgumentTypeError
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import Any, NoReturn

from checkout.base.errors import InvalidRequest, Refused
from checkout.base.text import MAX_BIGINT, identifier
from checkout.operations import text
from checkout.system import System

PROGRAM = "python -m checkout.operations"
MOST_LISTED = 1_000
MOST_QUOTED = 300
MAX_KEY_LENGTH = 200


class Changes(Enum):
    """What a verb changes, and who answers for it."""

    NOTHING = "nothing"
    BY_RULE = "what a schedule would change later, or in a longer time: nobody decides anything"
    BY_DECISION = "what somebody decides, so the operator has to be named"


BY_RULE, BY_DECISION = Changes.BY_RULE, Changes.BY_DECISION


class NotConfirmed(Refused):
    """Nobody has confirmed `plan`, a sentence that announces what would change."""

    def __init__(self, plan: str) -> None:
        super().__init__("Not confirmed, so nothing was changed; --yes confirms beforehand.")
        self.plan = plan


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a verb returns; `content` can be written as JSON. `clean` is False if the verb did its work and
    something is left for a person."""

    content: dict[str, Any]
    clean: bool = True


@dataclass(frozen=True, slots=True)
class Announcement:
    """`plan` is a sentence that announces what is about to change. `settled` are arguments as they are now:
    what is announced is what is done, and what another operator approves."""

    plan: str
    settled: Mapping[str, Any]


Run = Callable[[argparse.Namespace, System], Outcome]
Plan = Callable[[argparse.Namespace, System], str | Announcement]
"""The sentence alone settles nothing."""

AtStake = Callable[[argparse.Namespace], int]
"""Minor units, by the settled arguments: above FOUR_EYES_CENTS another operator must approve it."""

Lines = Callable[[dict[str, Any]], Iterator[str]]
"""An outcome's content, for people."""


@dataclass(frozen=True, slots=True)
class Verb:
    """`name` is that of the command line: "parked replay"."""

    name: str
    run: Run
    plan: Plan | None
    changes: Changes
    lines: Lines
    at_stake: AtStake | None = None


class Parser(argparse.ArgumentParser):
    """Takes no abbreviations, and raises InvalidRequest instead of ending the process."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options, allow_abbrev=False)

    def error(self, message: str) -> NoReturn:
        # argparse repeats what it was given.
        quoted = message if len(message) <= MOST_QUOTED else f"{message[:MOST_QUOTED]}…"
        raise InvalidRequest(f"{self.prog}: {quoted}. See {self.prog} --help.")


class Verbs:
    """The verbs of a command line, or of a group of it."""

    def __init__(self, parser: Parser, program: str) -> None:
        self._program = program
        self._commands = parser.add_subparsers(required=True, metavar="verb", parser_class=Parser)

    def group(self, name: str, what: str) -> "Verbs":
        return Verbs(self._commands.add_parser(name, help=what), self._program)

    def add(
        self,
        name: str,
        what: str,
        run: Run,
        plan: Plan | None = None,
        changes: Changes = Changes.NOTHING,
        *,
        lines: Lines = text.lines,
        at_stake: AtStake | None = None,
    ) -> Parser:
        """Returns the verb's parser, for its arguments. `what` is its help, without a full stop."""
        parser = self._commands.add_parser(name, help=what, description=f"{what[0].upper()}{what[1:]}.")
        parser.add_argument("--json", action="store_true", help="for a program to read")
        if changes is not Changes.NOTHING:
            parser.add_argument("--yes", action="store_true", help="do not ask")
            operator(parser, default=argparse.SUPPRESS, what="who decides, for the journal")
        full_name = parser.prog.removeprefix(f"{self._program} ")
        parser.set_defaults(verb=Verb(full_name, run, plan, changes, lines, at_stake))
        return parser


def operator(parser: Parser, *, what: str, **options: Any) -> None:
    """Given before the verb or after it: without a default the later one keeps the earlier."""
    parser.add_argument("--operator", type=a_text, metavar="NAME", help=what, **options)


def paged(parser: Parser, of_type: Callable[[str], object]) -> None:
    parser.add_argument("--after", type=of_type, metavar="ID", help="continue after this one")
    limited(parser)


def limited(parser: Parser) -> None:
    parser.add_argument("--limit", type=_limit, default=100, help=f"at most {MOST_LISTED}; 100 by default")


def reasoned(parser: Parser) -> None:
    parser.add_argument("--reason", type=a_text, required=True, help="for the journal: nothing personal")


def of_user(parser: Parser, *, required: bool = True, what: str | None = None) -> None:
    parser.add_argument("--user", type=a_text, required=required, metavar="ID", help=what)


# Types of arguments


def a_text(given: str) -> str:
    if identifier(given.strip()) is None:
        raise ArgumentTypeError("must be a text of 1 to 255 characters")
    return given.strip()


def key(given: str) -> str:
    if len(a_text(given)) > MAX_KEY_LENGTH:
        raise ArgumentTypeError(f"must have at most {MAX_KEY_LENGTH} characters")
    return given.strip()


def amount(given: str) -> int:
    digits = given.removeprefix("-")
    if not (digits.isascii() and digits.isdigit()) or not 0 < int(digits) <= MAX_BIGINT:
        raise ArgumentTypeError("must be a whole number of minor units other than 0")
    return int(given)


def number(least: int, most: int) -> Callable[[str], int]:
    """The type of a whole number in these bounds."""

    def parsed(given: str) -> int:
        if not (given.isascii() and given.isdigit()) or not least <= int(given) <= most:
            raise ArgumentTypeError(f"must be a whole number from {least} to {most}")
        return int(given)

    return parsed


def moment(given: str) -> int:
    """In epoch seconds; without an offset it is UTC."""
    try:
        time = datetime.fromisoformat(given)
    except ValueError as error:
        raise ArgumentTypeError("must be an ISO 8601 time, as 2026-11-23T12:00:00Z") from error
    return int((time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp())


_limit = number(1, MOST_LISTED)
