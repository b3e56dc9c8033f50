"""A stack to work with: the one that runs in the folder, or one that runs only as long as it is needed."""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from local import processes
from local.kafka import jars
from local.stack import description
from local.stack.description import Description
from local.stack.settings import Settings
from local.waiting import until

_START_SECONDS = 60.0
_PATIENCE_SECONDS = 300.0
"""The longest that a stack in containers takes to start for the first time."""


class NotStarted(RuntimeError):
    """The stack did not start; the message ends with the last lines that it printed."""


@contextmanager
def stack(root: Path, settings: Settings, say: Callable[[str], None]) -> Iterator[Description]:
    """The stack of the folder, which may just be starting. One that is started here is stopped at the end.

    Raises NotStarted, and ApacheKafkaError if that is asked for and cannot be fetched.
    """
    if (found := _running(settings.data, say)) is not None:
        say(f"Using the stack that runs at {found.api_url}.")
        yield found
        return
    log = settings.data / "demo.log"
    say("No stack runs here: starting one.")
    if settings.kafka == "apache":
        jars.fetch(settings.kafka_data, say)  # Before the clock runs, since a download takes its time.
    log.unlink(missing_ok=True)
    log.touch(0o600)  # The summary in it has every credential.
    with log.open("wb") as output:
        process = processes.spawn(
            [sys.executable, "-m", "local", "run"],
            death_signal=signal.SIGTERM,
            cwd=root,
            env={**os.environ, **_free_ports(settings)},
            stdout=output,
            stderr=output,
        )

    def started() -> Description | None:
        found = description.read(settings.data)
        return found if found is not None and found.pid == process.pid else None

    try:
        until(lambda: started() or process.poll() is not None, _START_SECONDS)
        if (found := started()) is None:
            raise NotStarted(f"the stack did not start:\n{processes.last_lines(log)}")
        yield found
    finally:
        processes.end(process, signal.SIGTERM, patience=20)


def _running(data: Path, say: Callable[[str], None]) -> Description | None:
    """The stack that holds the folder, once it is ready; None if there is none, or none any more."""
    found = description.read(data)
    if found is None and description.is_locked(data):
        say("A stack is just starting here: waiting for it.")
        until(lambda: description.read(data) or not description.is_locked(data), _PATIENCE_SECONDS, 0.1)
        found = description.read(data)
        if found is None and description.is_locked(data):
            raise NotStarted("another stack holds the folder and is not ready: end it, or look at its output")
    return found


def _free_ports(settings: Settings) -> dict[str, str]:
    """Other ports in the place of the default ones that are taken; a port that is asked for stays."""
    wanted = {"PORT": settings.port, "STRIPE_PORT": settings.stripe_port}
    return {
        name: str(processes.free_port())
        for name, port in wanted.items()
        if name not in settings.given and not processes.is_free(port)
    }
