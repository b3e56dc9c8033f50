"""`python -m checkout.operations --help`

Exit status: 0 done; 1 done, and something is left (`verify` found a broken invariant, a record is still
parked); 2 refused, and nothing was changed; 3 something is away or not configured: retry.
"""

import logging
import os
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout

from checkout.base import telemetry, terminal
from checkout.base.config import Config
from checkout.base.errors import CheckoutError, Unavailable
from checkout.base.text import printable
from checkout.operations import caller_identity, command, text
from checkout.operations.journal import Caller
from checkout.system import System

MOST_SECONDS = 24 * 3600
"""For a verb that waits: nothing ends this process as Lambda ends a function."""

DONE, SOMETHING_LEFT, REFUSED, AWAY = range(4)


def main(arguments: Sequence[str] | None = None, system: System | None = None) -> int:
    """Returns the exit status."""
    system = system or System(Config(os.environ))
    try:
        given = command.parser().parse_args(arguments)
        given.say = lambda line: terminal.complain(printable(line))
        given.most_seconds = MOST_SECONDS
        # Powertools prints metrics, some of them at any time.
        with redirect_stdout(sys.stderr):
            outcome = command.execute(given, system, terminal.confirmed, lambda: _caller(system.config))
    except CheckoutError as error:
        terminal.complain(f"error: {printable(error.detail)}")
        return REFUSED if error.status < 500 else AWAY
    terminal.say(command.written(given, outcome.content))
    return DONE if outcome.clean else SOMETHING_LEFT


def _caller(config: Config) -> Caller:
    """Who has the AWS credentials of this process, if it works on a stack there."""
    if not config.is_on_aws:
        return Caller()
    try:
        return Caller(identity=caller_identity.own())
    except Unavailable as error:
        telemetry.logger.warning("the journal has no identity", extra={"reason": error.detail})
        return Caller()


class ForPeople(telemetry.Formatter):
    """A log entry as a line for the person at the terminal, who has no use for JSON."""

    def format(self, record: logging.LogRecord) -> str:
        if record.exc_info:
            return super().format(record)
        kind = "error" if record.levelno >= logging.ERROR else "note"
        said = f"{kind}: {record.getMessage()}  {text.columns(telemetry.fields(record))}"
        return printable(said.rstrip())


if __name__ == "__main__":
    # Standard output is for what was asked.
    telemetry.logger.registered_handler.setStream(sys.stderr)  # type: ignore[attr-defined]
    telemetry.logger.registered_handler.setFormatter(ForPeople())
    telemetry.logger.setLevel("WARNING")
    raise SystemExit(main())
