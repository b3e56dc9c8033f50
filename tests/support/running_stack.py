"""The whole stack as `make run` starts it, in a folder and on ports of its own; what a test does to it."""

import contextlib
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import jwt
import psutil  # type: ignore[import-untyped]
import psycopg2
import requests

from local import signing
from local.processes import free_port
from tests.support.functions import query
from tests.support.stripe_simulator import eventually
from tests.support.topic import GROUP, Topic

ROOT = Path(__file__).parents[2]
PARTS = ("functions", "infrastructure", "layers", "local", "stripe_simulator", "template.yaml")
CARD = "4242 4242 4242 4242"
START_SECONDS = {"run": 100.0, "apache": 180.0, "sam": 240.0}
"""By its command, or its Kafka where that takes longer."""
STOP_SECONDS = 30.0
HTTP_SECONDS = 40.0
PATIENCE_SECONDS = 60.0

_user_ids = itertools.count(1000)


@dataclass(frozen=True)
class Session:
    """A Checkout session, and what it should add to whose balance."""

    request_id: str
    session_id: str
    url: str
    user_id: int
    amount_cents: int

    @property
    def effect_key(self) -> str:
        """Of the credit."""
        return f"success:{self.request_id}"


class RunningStack:
    """Runs inside a `with` block; can be killed and started again there, and keeps its data and ports."""

    def __init__(self, folder: Path, command: str = "run", **settings: str) -> None:
        """`folder` is made, a project with this code and data of its own; `settings` are its environment.

        With the command `sam` the functions run in containers.
        """
        folder.mkdir()
        for part in PARTS:
            _copy(ROOT / part, folder / part)
        self.folder = folder
        self.description: dict[str, Any] = {}
        """What `stack.json` says since the last start."""
        self.trigger_group = GROUP
        usual = {"PATH": os.environ["PATH"], "HOME": str(folder)}
        self._environment = {**usual, "PORT": str(free_port()), "STRIPE_PORT": str(free_port()), **settings}
        self._command = command
        self._process: subprocess.Popen[bytes] | None = None

    # From start to end

    def __enter__(self) -> "RunningStack":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self.stop()

    def start(self) -> None:
        """Return when it is ready."""
        with self._log_path.open("ab") as log:
            self._process = process = subprocess.Popen(
                [sys.executable, "-m", "local", self._command],
                cwd=self.folder,
                env=self._environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        kinds = {self._command, self._environment.get("KAFKA", "")} & START_SECONDS.keys()
        deadline = time.monotonic() + max(START_SECONDS[kind] for kind in kinds)
        # A killed predecessor leaves its file behind.
        while self._written().get("pid") != process.pid:
            if process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise RuntimeError(f"the stack did not start:\n{self.log}")
            time.sleep(0.02)
        self.description = self._written()

    def stop(self) -> None:
        """End it as Ctrl-C does."""
        assert self._process is not None
        process, self._process = self._process, None
        process.send_signal(signal.SIGINT)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            _kill(process)
            raise

    def kill(self) -> None:
        """SIGKILL to every process of it at once, frozen ones too: as if the power failed."""
        assert self._process is not None
        process, self._process = self._process, None
        _kill(process)

    @property
    def supervisor(self) -> psutil.Process:
        """The process that holds the gateway and the triggers and starts all others."""
        assert self._process is not None
        return psutil.Process(self._process.pid)

    def child(self, word: str) -> psutil.Process:
        """The one process of the supervisor's with this word in its command line."""
        [found] = [
            child for child in self.supervisor.children() if any(word in part for part in child.cmdline())
        ]
        return found

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def stack_file(self) -> Path:
        return self.folder / ".local" / "stack.json"

    @property
    def log(self) -> str:
        """All that was printed since the first start."""
        return self._log_path.read_text(errors="replace")

    @property
    def _log_path(self) -> Path:
        return self.folder / "output.txt"

    def _written(self) -> dict[str, Any]:
        try:
            written: dict[str, Any] = json.loads(self.stack_file.read_text())
        except FileNotFoundError:
            return {}
        return written

    def replace_trigger(self, group: str) -> None:
        """From the next start on another trigger consumes the topic, which begins with the first record."""
        template = self.folder / "template.yaml"
        text = template.read_text()
        named = f"ConsumerGroupId: {self.trigger_group}\n"
        assert text.count(named) == 1
        template.unlink()  # It may be a link to the project's own.
        template.write_text(text.replace(named, f"ConsumerGroupId: {group}\n"))
        self.trigger_group = group

    # What users do

    def add_user(self) -> int:
        """A user with an empty balance; the id is a new one in every call."""
        user_id = next(_user_ids)
        self.application(
            "INSERT INTO users (id, email) VALUES (%s, %s)", (user_id, f"user{user_id}@example.com")
        )
        return user_id

    def bearer(self, user_id: int) -> dict[str, str]:
        claims = {"sub": str(user_id), "exp": int(time.time()) + 600}
        return {"Authorization": f"Bearer {jwt.encode(claims, self.description['jwt_secret'], 'HS256')}"}

    def create(self, user_id: int, amount_cents: int = 500, request_id: str | None = None) -> Session:
        """Ask for a session; with the `request_id` of an earlier request, for the same one."""
        request_id = request_id or str(uuid4())
        answer = requests.post(
            f"{self.description['api_url']}/checkout/sessions",
            json={"amount_cents": amount_cents, "request_id": request_id},
            headers=self.bearer(user_id),
            timeout=HTTP_SECONDS,
        )
        assert answer.status_code in (200, 201), answer.text
        made = answer.json()
        return Session(request_id, made["session_id"], made["url"], user_id, amount_cents)

    def pay(self, session: Session) -> None:
        """Fill in Stripe's page; returns once our webhook has answered, however it did."""
        answer = requests.post(
            session.url, data={"card_number": CARD}, allow_redirects=False, timeout=HTTP_SECONDS
        )
        assert answer.status_code == 303, answer.text

    def pay_unattended(self, session: Session) -> None:
        """The same from a thread that nobody waits for: for when the answer cannot come."""

        def pay() -> None:
            with contextlib.suppress(requests.RequestException):
                self.pay(session)

        threading.Thread(target=pay, daemon=True).start()

    def balance(self, user_id: int) -> int:
        """What the API says."""
        url = f"{self.description['api_url']}/checkout/balance"
        answer = requests.get(url, headers=self.bearer(user_id), timeout=HTTP_SECONDS)
        assert answer.status_code == 200, answer.text
        return int(answer.json()["balance_cents"])

    # What Stripe does

    def deliver(self, event: dict[str, Any]) -> int:
        """Send an event to the webhook as Stripe does; the status."""
        body = json.dumps(event).encode()
        header = signing.header(body, self.description["stripe_webhook_secret"])
        url = f"{self.description['api_url']}/webhooks/stripe"
        headers = {"Stripe-Signature": header, "Content-Type": "application/json"}
        return requests.post(url, body, headers=headers, timeout=HTTP_SECONDS).status_code

    def ask_stripe(self, path: str, **query: str) -> Any:
        answer = requests.get(
            f"{self.description['stripe_api_url']}{path}",
            params=query,
            headers={"Authorization": f"Bearer {self.description['stripe_secret']}"},
            timeout=HTTP_SECONDS,
        )
        assert answer.status_code == 200, answer.text
        return answer.json()

    def control_stripe(self, what: str, **body: Any) -> None:
        """See stripe_simulator.control."""
        url = f"{self.description['stripe_api_url']}/_simulator/{what}"
        requests.post(url, json=body, timeout=HTTP_SECONDS).raise_for_status()

    # What can be seen inside

    def checkout(self, sql: str, parameters: Iterable[Any] = ()) -> list[dict[str, Any]]:
        return query(self.description["checkout_database_url"], sql, parameters)

    def application(self, sql: str, parameters: Iterable[Any] = ()) -> list[dict[str, Any]]:
        return query(self.description["database_url"], sql, parameters)

    @property
    def topic(self) -> Topic:
        return Topic(self.description["kafka_brokers"], self.trigger_group)

    def entries(self, user_id: int) -> list[int]:
        """The amounts in the user's ledger."""
        rows = self.application(
            "SELECT amount_cents FROM ledger_entries WHERE user_id = %s ORDER BY id", (user_id,)
        )
        return [row["amount_cents"] for row in rows]

    def uncredited(self, sessions: Sequence[Session]) -> list[Session]:
        """Those without their entry in the ledger."""
        keys = [session.effect_key for session in sessions]
        rows = self.application("SELECT effect_key FROM ledger_entries WHERE effect_key = ANY(%s)", (keys,))
        entered = {row["effect_key"] for row in rows}
        return [session for session in sessions if session.effect_key not in entered]

    def in_outbox(self) -> set[str]:
        """The effects that Kafka has not acknowledged, as far as we know."""
        return {row["effect_key"] for row in self.checkout("SELECT effect_key FROM outbox")}

    def until_credited(self, *sessions: Session, seconds: float = PATIENCE_SECONDS) -> None:
        eventually(
            lambda: not self.uncredited(sessions),
            seconds,
            lambda: [f"never credited: {self.uncredited(sessions)}", self.log[-5000:]],
        )

    def until_settled(self, seconds: float = PATIENCE_SECONDS) -> None:
        """Until no message is on its way any more: neither in the outbox, nor before the consumer."""
        eventually(
            lambda: not self.in_outbox() and self.topic.lag() == 0,
            seconds,
            lambda: [self.in_outbox(), self.topic.lag(), self.log[-5000:]],
        )

    @contextmanager
    def locked(self, user_id: int) -> Iterator[int]:
        """Nobody can credit the user meanwhile. Gives the backend that holds the row; all may be killed."""
        with closing(psycopg2.connect(self.description["database_url"])) as connection:
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1 FROM users WHERE id = %s FOR UPDATE", (user_id,))
            yield connection.info.backend_pid

    def is_waited_for(self, backend: int) -> bool:
        """True while somebody waits for this backend in the application's database: the consumer, if it holds
        a user."""
        return bool(
            self.application(
                "SELECT 1 FROM pg_stat_activity WHERE %s = ANY(pg_blocking_pids(pid))", (backend,)
            )
        )

    def check_books(self) -> None:
        """Assert what must hold whenever no message is on its way (see `until_settled`)."""
        assert self.in_outbox() == set()
        assert self.application("SELECT * FROM parked_events") == []
        wrong = self.application(
            "SELECT users.id, balance, COALESCE(sum(amount_cents), 0) AS entered FROM users"
            " LEFT JOIN ledger_entries ON user_id = users.id"
            " GROUP BY users.id HAVING balance <> COALESCE(sum(amount_cents), 0)"
        )
        assert wrong == []
        paid = self.checkout(
            "SELECT 'success:' || request_id AS effect_key, user_id, paid_cents AS amount_cents,"
            " paid_currency AS currency FROM checkout_transactions WHERE status = 'payment_succeeded'"
            " ORDER BY effect_key"
        )
        entered = self.application(
            "SELECT effect_key, user_id, amount_cents, currency FROM ledger_entries ORDER BY effect_key"
        )
        assert entered == paid


def _kill(process: "subprocess.Popen[bytes]") -> None:
    if process.poll() is not None:
        return  # Its children have ended with it.
    supervisor = psutil.Process(process.pid)
    everything = [supervisor, *supervisor.children(recursive=True)]
    for one in everything:
        with contextlib.suppress(psutil.NoSuchProcess):
            one.kill()
    process.wait(STOP_SECONDS)
    eventually(lambda: not any(map(_is_alive, everything)), STOP_SECONDS, lambda: everything)


def _is_alive(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _copy(source: Path, target: Path) -> None:
    """No link: `sam build` looks for the code beside the file that a link to the template stands for."""
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        shutil.copyfile(source, target)
