"""`.local/stack.json`: how to reach the stack that runs in this folder; a lock keeps it to one stack."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from checkout.base.settings import DECLARED
from local import lock_file
from local.stack.settings import Settings, write_privately


class AlreadyRunning(RuntimeError):
    """Another stack uses this folder; the message says which."""


class NotRunning(RuntimeError):
    """What was asked for needs a running stack, and the folder has none that can be used."""

    def __init__(self, why: str = "no stack runs in this folder: start one with make run") -> None:
        super().__init__(why)


@dataclass(frozen=True)
class Description:
    """The content of the file. Other programs rely on its keys."""

    api_url: str
    balance_page_url: str
    stripe_api_url: str
    checkout_database_url: str
    database_url: str
    kafka_brokers: str
    kafka_api_version: str | None
    """The version that a Kafka client must be given: `2.3` for the embedded broker, null for any other."""
    kafka_topic_prefix: str
    """What is before the names of topics and consumer groups; empty if nothing was given."""
    jwt_secret: str | None
    """None if an identity provider alone signs the users' tokens."""
    service_token: str
    stripe_secret: str
    stripe_webhook_secret: str
    checkout_app_id: str
    user_id_type: str
    """What users' ids are: USER_ID_TYPE."""
    demo_user_id: int | str
    demo_token: str | None
    """A token of the demo user; None without `jwt_secret`."""
    console_url: str
    """The operators' console, with its token."""
    settings: dict[str, str]
    """The declared settings of the functions that are not empty."""
    pid: int

    def write(self, data: Path) -> None:
        """Replace the file in one step; only its owner may read it."""
        write_privately(_path(data), json.dumps(asdict(self), indent=2))

    def variables(self, settings: Settings) -> Mapping[str, str]:
        """The functions' environment in this stack; `settings` are those of its folder.

        No declared setting is taken from them: they may have changed since the stack was started, or be those
        of another terminal.
        """
        return {**settings.given, **dict.fromkeys(DECLARED, ""), **self.settings}


def read(data: Path) -> Description | None:
    """What the running stack wrote, or None if none runs in this folder. Raises NotRunning if it is another
    release's."""
    try:
        return Description(**json.loads(_path(data).read_text())) if is_locked(data) else None
    except FileNotFoundError:
        return None
    except TypeError as error:
        why = "the stack in this folder was started by another release: end it, and start it again"
        raise NotRunning(why) from error


def running(data: Path) -> Description:
    """What the running stack wrote. Raises NotRunning."""
    if (found := read(data)) is None:
        raise NotRunning
    return found


def remove(data: Path) -> None:
    """Delete the file, so nobody finds a stack here."""
    _path(data).unlink(missing_ok=True)


@contextmanager
def locked(data: Path) -> Iterator[None]:
    """Hold the folder's lock, which also ends with this process. Raises AlreadyRunning."""
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = lock_file.hold(data / "lock")
    if lock is None:
        running = read(data)
        what = f"process {running.pid}, {running.api_url}" if running else "it is just starting"
        raise AlreadyRunning(f"A stack already runs in {data.parent} ({what}).")
    with lock:
        yield


def is_locked(data: Path) -> bool:
    """Return True if a stack holds the folder."""
    return lock_file.is_held(data / "lock")


def _path(data: Path) -> Path:
    return data / "stack.json"
