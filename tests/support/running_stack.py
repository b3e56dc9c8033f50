"""The stack of `make run` in a folder of its own, and what users, Stripe and a test do with it."""

import contextlib
import itertools
import json
import signal
import subprocess
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
from tests.support.functions import query
from tests.support.project import HTTP_SECONDS, STOP_SECONDS, Project, alive, child, children
from tests.support.topic import GROUP, Topic
from tests.support.waiting import eventually

CARD = "4242 4242 4242 4242"
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
        """The effect key of the credit."""
        return f"success:{self.request_id}"


class RunningStack(Project):
    """Runs inside a `with` block, in which it can be killed and restarted with its data and ports."""

    def __init__(self, folder: Path, command: str = "run", **settings: str) -> None:
        """`settings` are its environment. With the command `sam` the functions run in containers."""
        super().__init__(folder, **settings)
        self.description: dict[str, Any] = {}
        """The content of `stack.json` since the last start."""
        self.trigger_group = GROUP
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
        """Return once it is ready."""
        self._process = self.launch(self._command)
        try:
            self.wait_for(self._process, self._command)
        except AssertionError:
            self.kill()
            raise
        self.description = self.found

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
        """SIGKILL all its processes at the same time, frozen ones included, as a power failure would."""
        assert self._process is not None
        process, self._process = self._process, None
        _kill(process)

    @property
    def supervisor(self) -> psutil.Process:
        """The process that holds the gateway and the triggers and starts all others."""
        assert self._process is not None
        return psutil.Process(self._process.pid)

    def child(self, word: str) -> psutil.Process:
        """The supervisor's child with this word in its command line."""
        assert self._process is not None
        return child(self._process, word)

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def replace_trigger(self, group: str) -> None:
        """After the next start the topic is consumed by a new group, which begins with the first record."""
        template = self.folder / "template.yaml"
        text = template.read_text()
        named = f'"${{TopicPrefix}}{self.trigger_group}"'
        assert text.count(named) == 1
        template.write_text(text.replace(named, f'"${{TopicPrefix}}{group}"'))
        self.trigger_group = group

    # What users do

    def add_user(self) -> int:
        """Insert a user with an empty balance and a new id."""
        user_id = next(_user_ids)
        self.application(
            "INSERT INTO users (id, email) VALUES (%s, %s)", (user_id, f"user{user_id}@example.com")
        )
        return user_id

    def bearer(self, user_id: int) -> dict[str, str]:
        claims = {"sub": str(user_id), "exp": int(time.time()) + 600}
        return {"Authorization": f"Bearer {jwt.encode(claims, self.description['jwt_secret'], 'HS256')}"}

    def create(self, user_id: int, amount_cents: int = 500, request_id: str | None = None) -> Session:
        """Ask for a session: for the same one with the `request_id` of an earlier request."""
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
        """Fill in Stripe's page; returns once our webhook has answered, even with an error."""
        answer = requests.post(
            session.url, data={"card_number": CARD}, allow_redirects=False, timeout=HTTP_SECONDS
        )
        assert answer.status_code == 303, answer.text

    def pay_unattended(self, session: Session) -> None:
        """Pay in a thread that nobody waits for, since the answer may never come."""

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
        """Send an event to the webhook as Stripe does; returns the status."""
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
        """The sessions without an entry in the ledger."""
        keys = [session.effect_key for session in sessions]
        rows = self.application("SELECT effect_key FROM ledger_entries WHERE effect_key = ANY(%s)", (keys,))
        entered = {row["effect_key"] for row in rows}
        return [session for session in sessions if session.effect_key not in entered]

    def in_outbox(self) -> set[str]:
        """The effect keys that Kafka has not acknowledged, as far as we know."""
        return {row["effect_key"] for row in self.checkout("SELECT effect_key FROM outbox")}

    def until_credited(self, *sessions: Session, seconds: float = PATIENCE_SECONDS) -> None:
        eventually(
            lambda: not self.uncredited(sessions),
            seconds,
            lambda: [f"never credited: {self.uncredited(sessions)}", self.log[-5000:]],
        )

    def until_settled(self) -> None:
        """Wait until no message is on its way, neither in the outbox nor before the consumer."""
        eventually(
            lambda: not self.in_outbox() and self.topic.lag() == 0,
            PATIENCE_SECONDS,
            lambda: [self.in_outbox(), self.topic.lag(), self.log[-5000:]],
        )

    @contextmanager
    def locked(self, user_id: int) -> Iterator[int]:
        """Lock the user, so nobody can credit it. Yields the process id of PostgreSQL's backend."""
        with closing(psycopg2.connect(self.description["database_url"])) as connection:
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1 FROM users WHERE id = %s FOR UPDATE", (user_id,))
            yield connection.info.backend_pid

    def is_waited_for(self, backend: int) -> bool:
        """Return True while somebody waits for a lock of this backend in the application's database."""
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
    everything = [psutil.Process(process.pid), *children(process)]
    for one in everything:
        with contextlib.suppress(psutil.NoSuchProcess):
            one.kill()
    process.wait(STOP_SECONDS)
    eventually(lambda: not alive(everything), STOP_SECONDS, lambda: everything)
