"""A stack to work with: the one that runs in the folder, or one of our own for as long as it is needed."""

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from local import processes
from local.kafka import jars as kafka_jars
from local.stack import stack_file
from local.stack.settings import Settings
from local.stack.stack_file import StackFile

_START_SECONDS = 60.0
_PATIENCE_SECONDS = 300.0
"""With a stack that somebody else starts: in containers, for the first time, it takes so long."""


class NotStarted(RuntimeError):
    """A stack of our own did not start; ends with the last lines that it printed."""


@contextmanager
def running(root: Path, settings: Settings, say: Callable[[str], None]) -> Iterator[StackFile]:
    """The stack of the folder, which may just be starting; what is started here is stopped at the end.

    Raises NotStarted, and ApacheKafkaError where that is asked for and cannot be fetched.
    """
    if (found := _running(settings.data, say)) is not None:
        say(f"Using the stack that runs at {found.api_url}.")
        yield found
        return
    log = settings.data / "demo.log"
    say("No stack runs here: starting one.")
    if settings.kafka == "apache":
        kafka_jars.fetch(settings.kafka_data, say)  # Before the clock runs: a download takes its time.
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
    try:
        deadline = time.monotonic() + _START_SECONDS
        while (found := stack_file.read(settings.data)) is None or found.pid != process.pid:
            if process.poll() is not None or time.monotonic() > deadline:
                raise NotStarted("the stack did not start:\n" + "\n".join(_last_lines(log)))
            time.sleep(0.02)
        yield found
    finally:
        processes.end(process, signal.SIGTERM, patience=20)


def _running(data: Path, say: Callable[[str], None]) -> StackFile | None:
    """None where no stack holds the folder, or none any more."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    is_told = False
    while (found := stack_file.read(data)) is None and stack_file.is_locked(data):
        if time.monotonic() > deadline:
            raise NotStarted("another stack holds the folder, and is not ready: end it, or look what it says")
        if not is_told:
            say("A stack is just starting here: waiting for it.")
            is_told = True
        time.sleep(0.1)
    return found


def _free_ports(settings: Settings) -> dict[str, str]:
    """Other ports than the usual ones, where those are not asked for by name and taken."""
    wanted = {"PORT": settings.port, "STRIPE_PORT": settings.stripe_port}
    return {
        name: str(processes.free_port())
        for name, port in wanted.items()
        if name not in settings.given and not processes.is_free(port)
    }


def _last_lines(log: Path) -> list[str]:
    return log.read_text(errors="replace").strip().splitlines()[-15:]
