"""What `make clean` asks first: whether a stack works with the data. Needs no package."""

from pathlib import Path

from checkout.base import terminal
from local import lock_file
from local.stack import description
from local.stack.description import AlreadyRunning

ROOT = Path(__file__).parents[1]


def main(root: Path = ROOT) -> int:
    """Return the exit status: 1 if the data must stay."""
    data = root / ".local"
    if lock_file.is_held(data / "lock") or lock_file.is_held(data / "kafka" / "lock"):
        terminal.complain(f"error: {_who(data)} End it first, since it works with the data.")
        return 1
    return 0


def _who(data: Path) -> str:
    try:
        with description.locked(data):
            return f"Apache Kafka runs in {data / 'kafka'} (make kafka)."
    except AlreadyRunning as error:
        return str(error)


if __name__ == "__main__":
    raise SystemExit(main())
