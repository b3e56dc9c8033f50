"""`.local/stack.json`: how to reach the stack that runs in this folder, and the lock that keeps it to one."""

import fcntl
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from local.stack.settings import Settings, write_privately


class AlreadyRunning(RuntimeError):
    """Another stack uses this folder; says which."""


@dataclass(frozen=True)
class StackFile:
    """The keys of the file, which other programs rely on."""

    api_url: str
    balance_page_url: str
    stripe_api_url: str
    checkout_database_url: str
    database_url: str
    kafka_brokers: str
    kafka_api_version: str | None
    """What a Kafka client must be told, `2.3` for the embedded broker; null where it finds out by itself."""
    jwt_secret: str
    service_token: str
    stripe_secret: str
    stripe_webhook_secret: str
    checkout_app_id: str
    demo_user_id: int
    demo_token: str
    pid: int

    def write(self, data: Path) -> None:
        """Replace the file in one step; only its owner may read it."""
        write_privately(_path(data), json.dumps(asdict(self), indent=2))

    def variables(self, told: Settings) -> Mapping[str, str]:
        """The functions' environment in this stack, `told` being the settings of its folder."""
        return {
            **told.variables(self.checkout_database_url, self.database_url, self.kafka_brokers),
            "PUBLIC_ORIGIN": told.given.get("PUBLIC_ORIGIN", self.api_url),
            "STRIPE_API_BASE": self.stripe_api_url,
            "STRIPE_SECRET": self.stripe_secret,
            "STRIPE_WEBHOOK_SECRET": self.stripe_webhook_secret,
            "JWT_SECRET": self.jwt_secret,
            "CHECKOUT_SERVICE_TOKEN": self.service_token,
            "CHECKOUT_APP_ID": self.checkout_app_id,
            "KAFKA_API_VERSION": self.kafka_api_version or "",
        }


def read(data: Path) -> StackFile | None:
    """What the running stack wrote; None where none runs in this folder."""
    try:
        return StackFile(**json.loads(_path(data).read_text())) if is_locked(data) else None
    except FileNotFoundError:
        return None


def remove(data: Path) -> None:
    """From now on nobody finds a stack here."""
    _path(data).unlink(missing_ok=True)


@contextmanager
def only_one(data: Path) -> Iterator[None]:
    """Hold the folder's lock, which ends with this process. Raises AlreadyRunning."""
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (data / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            running = read(data)
            what = f"process {running.pid}, {running.api_url}" if running else "it is just starting"
            raise AlreadyRunning(f"A stack already runs in {data.parent} ({what}).") from error
        yield


def is_locked(data: Path) -> bool:
    """Whether a stack holds the folder."""
    try:
        with (data / "lock").open("r+") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def _path(data: Path) -> Path:
    return data / "stack.json"
