"""`python -m checkout.operations --help`

Exit status: 0 done; 1 done, and something is left (`verify` found a broken invariant, a record is still
parked); 2 refused, and nothing was changed; 3 something is away or not configured: try again.
"""

import sys
from collections.abc import Sequence
from contextlib import redirect_stdout

from checkout import telemetry
from checkout.errors import CheckoutError
from checkout.operations import command, text

DONE, SOMETHING_LEFT, REFUSED, AWAY = range(4)


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit status."""
    try:
        given = command.parser().parse_args(arguments)
        # Powertools prints metrics, some before it is told to.
        with redirect_stdout(sys.stderr):
            outcome = command.execute(given, _confirmed)
    except CheckoutError as error:
        sys.stderr.write(f"error: {error.detail}\n")
        return REFUSED if error.status < 500 else AWAY
    write = text.as_json if given.json else text.for_people
    sys.stdout.write(write(outcome.content) + "\n")
    return DONE if outcome.clean else SOMETHING_LEFT


def _confirmed(question: str) -> bool:
    """By a person at a terminal."""
    if not sys.stdin.isatty():
        return False
    sys.stderr.write(f"{question}? [y/N] ")
    sys.stderr.flush()
    try:
        return input().strip().lower() in ("y", "yes")
    except EOFError:
        sys.stderr.write("\n")
        return False


if __name__ == "__main__":
    # Standard output is for what was asked.
    telemetry.logger.registered_handler.setStream(sys.stderr)  # type: ignore[attr-defined]
    telemetry.logger.setLevel("WARNING")
    raise SystemExit(main())
