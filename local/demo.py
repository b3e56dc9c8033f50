"""One whole purchase through a running stack, watched from outside at every hop."""

import http.client
import json
import ssl
import threading
import time
import uuid
from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urlencode, urlsplit

import psycopg2
from confluent_kafka import Consumer, TopicPartition

from checkout.base import terminal
from checkout.base.text import printable
from local.stack.stack_file import StackFile

AMOUNT_CENTS = 500
_TOPIC = "checkout.finished"
_CARD = "4242424242424242"
_SIMULATED_SECONDS = 120.0
_BY_HAND_SECONDS = 900.0
_QUESTIONS = 10
_PAUSE_SECONDS = 0.1
_STEPS = ("session", "paid", "webhook answered", "produced", "consumed", "credited")


class DemoError(RuntimeError):
    """The purchase did not end with the right balance; says where it stopped."""


class Timeline:
    """When each step was seen, in milliseconds since the start; from any thread."""

    def __init__(self) -> None:
        self._began = time.time()
        self._seen: dict[str, float] = {}

    def mark(self, step: str, moment: float | None = None) -> None:
        """Note a step once; `moment` is a time of day in seconds, None meaning now."""
        self._seen.setdefault(step, ((moment or time.time()) - self._began) * 1000)

    def __contains__(self, step: str) -> bool:
        return step in self._seen

    @property
    def missing(self) -> list[str]:
        """The steps not seen yet."""
        return [step for step in _STEPS if step not in self._seen]

    def __str__(self) -> str:
        ordered = sorted(self._seen.items(), key=lambda item: item[1])
        return "\n".join(f"  {milliseconds:7.0f} ms  {step}" for step, milliseconds in ordered)


def purchase(stack: StackFile, say: Callable[[str], None] = terminal.say) -> None:
    """Top up the demo user's balance and check it to the cent. Raises DemoError.

    At the simulator the page is paid as a browser would; at Stripe itself, whoever reads the address pays.
    """
    simulated = "stripe.com" not in stack.stripe_api_url
    bearer = {"authorization": f"Bearer {stack.demo_token}"}
    before = _balance(stack, bearer)
    request_id = str(uuid.uuid4())
    timeline = Timeline()
    stopping = threading.Event()
    topic = _Topic(stack, request_id, timeline, stopping)
    try:
        session = create_session(stack, request_id)
        timeline.mark("session")
        if simulated:
            threading.Thread(target=_pay, args=(session["url"], timeline), daemon=True).start()
        else:
            say(f"Pay here, with the card 4242 4242 4242 4242:\n\n  {session['url']}\n")
        _watch(stack, bearer, session, timeline, simulated=simulated)
    finally:
        stopping.set()
        topic.join()
    after = _agreed_balance(stack, bearer)
    others = after - before - AMOUNT_CENTS
    beside = f", and {others} by other payments" if others else ""
    say(f"{timeline}\n\n  balance  {before} + {AMOUNT_CENTS}{beside} = {after} cents")
    [entered] = _ask(stack, "SELECT sum(amount_cents) FROM ledger_entries WHERE request_id = %s", request_id)
    if entered != AMOUNT_CENTS:
        raise DemoError(f"the ledger has {entered} cents instead of {AMOUNT_CENTS} for this purchase")


def create_session(stack: StackFile, request_id: str) -> dict[str, Any]:
    """The session resource, for the demo user. Raises DemoError."""
    body = json.dumps({"amount_cents": AMOUNT_CENTS, "request_id": request_id}).encode()
    headers = {"authorization": f"Bearer {stack.demo_token}", "content-type": "application/json"}
    status, answer = _call("POST", f"{stack.api_url}/checkout/sessions", headers, body)
    if status != 201:
        said = printable(answer.decode(errors="replace"))
        raise DemoError(f"creating the session was answered {status}: {said}")
    session: dict[str, Any] = json.loads(answer)
    return session


def _watch(
    stack: StackFile, bearer: dict[str, str], session: dict[str, Any], timeline: Timeline, *, simulated: bool
) -> None:
    """Look at Stripe, the ledger and the API until every step was seen."""
    deadline = time.monotonic() + (_SIMULATED_SECONDS if simulated else _BY_HAND_SECONDS)
    pause = 0.01 if simulated else 1.0
    request_id, session_id = session["request_id"], session["session_id"]
    ledger = psycopg2.connect(stack.database_url)
    ledger.autocommit = True
    try:
        while timeline.missing:
            if time.monotonic() > deadline:
                raise DemoError(f"not seen in time: {', '.join(timeline.missing)}\n{timeline}")
            if "paid" not in timeline and _is_paid(stack, session_id):
                timeline.mark("paid")
            if "consumed" not in timeline and (moment := _credited_at(ledger, request_id)) is not None:
                timeline.mark("consumed", moment)
            known = _get(f"{stack.api_url}/checkout/sessions/{request_id}", bearer)
            if known["credited"]:
                timeline.mark("credited")
            if known["status"] == "payment_succeeded":
                timeline.mark("paid")
                if not simulated:
                    timeline.mark("webhook answered")
            time.sleep(pause)
    finally:
        ledger.close()


def _credited_at(ledger: "psycopg2.extensions.connection", request_id: str) -> float | None:
    """When the consumer's transaction began that holds the entry, as a time of day in seconds."""
    with ledger.cursor() as cursor:
        cursor.execute(
            "SELECT extract(epoch FROM created_at)::float8 FROM ledger_entries WHERE effect_key = %s",
            (f"success:{request_id}",),
        )
        row = cursor.fetchone()
    return float(row[0]) if row else None


def _is_paid(stack: StackFile, session_id: str) -> bool:
    url = f"{stack.stripe_api_url}/v1/checkout/sessions/{session_id}"
    session = _get(url, {"authorization": f"Bearer {stack.stripe_secret}"})
    return bool(session["payment_status"] == "paid")


def _pay(url: str, timeline: Timeline) -> None:
    if pay(url) == 303:
        timeline.mark("webhook answered")


def pay(url: str) -> int:
    """Fill in the simulator's hosted page as a customer does; its status, once our webhook answered.

    303 sends the customer back to us. Raises DemoError.
    """
    _, page = _call("GET", url)
    named = _Form(page.decode()).named
    if "cc-number" not in named:
        raise DemoError(f"{url} takes no payment")
    typed = {named["cc-number"]: _CARD, named["cc-exp"]: "12 / 40", named["cc-csc"]: "123"}
    headers = {"content-type": "application/x-www-form-urlencoded"}
    return _call("POST", url, headers, urlencode(typed).encode())[0]


class _Form(HTMLParser):
    """The names of a form's inputs, by what they say to a browser that they are."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.named: dict[str, str] = {}
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "input" and given.get("autocomplete") and given.get("name"):
            self.named[str(given["autocomplete"])] = str(given["name"])


class _Topic:
    """Marks the moment when the payment's event is on the topic; joins no group."""

    def __init__(
        self, stack: StackFile, request_id: str, timeline: Timeline, stopping: threading.Event
    ) -> None:
        self._consumer = Consumer(
            {
                "bootstrap.servers": stack.kafka_brokers,
                "group.id": "demo",
                "enable.auto.commit": False,
                "fetch.wait.max.ms": 20,
                "log_level": 2,
            }
        )
        partitions = self._consumer.list_topics(_TOPIC, timeout=10).topics[_TOPIC].partitions
        ends = [TopicPartition(_TOPIC, number) for number in partitions]
        for end in ends:
            _, end.offset = self._consumer.get_watermark_offsets(end, timeout=10)
        self._consumer.assign(ends)
        self._thread = threading.Thread(target=self._read, args=(request_id, timeline, stopping), daemon=True)
        self._thread.start()

    def join(self) -> None:
        self._thread.join(5)

    def _read(self, request_id: str, timeline: Timeline, stopping: threading.Event) -> None:
        while not stopping.is_set() and "produced" not in timeline:
            message = self._consumer.poll(0.05)
            if message is not None and request_id.encode() in (message.value() or b""):
                timeline.mark("produced")
        self._consumer.close()


def _balance(stack: StackFile, bearer: dict[str, str]) -> int:
    return int(_get(f"{stack.api_url}/checkout/balance", bearer)["balance_cents"])


def _agreed_balance(stack: StackFile, bearer: dict[str, str]) -> int:
    """What the API says and the user's entries make. Other payments may come between two questions."""
    for _ in range(_QUESTIONS):
        told = _balance(stack, bearer)
        [balance, entered] = _ask(
            stack,
            "SELECT balance, (SELECT COALESCE(sum(amount_cents), 0) FROM ledger_entries"
            " WHERE user_id = users.id) FROM users WHERE id = %s",
            stack.demo_user_id,
        )
        if told == balance == entered:
            return told
        time.sleep(_PAUSE_SECONDS)
    raise DemoError(
        f"the API says {told} cents, the user has {balance}, and the entries of the ledger make {entered}"
    )


def _ask(stack: StackFile, sql: str, parameter: object) -> tuple[Any, ...]:
    """The one row."""
    connection = psycopg2.connect(stack.database_url)
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(sql, (parameter,))
            row: tuple[Any, ...] = cursor.fetchone() or ()
            return row
    finally:
        connection.close()


def _get(url: str, headers: dict[str, str]) -> dict[str, Any]:
    status, answer = _call("GET", url, headers)
    if status != 200:
        raise DemoError(f"{url} answered {status}")
    found: dict[str, Any] = json.loads(answer)
    return found


def _call(
    method: str, url: str, headers: dict[str, str] | None = None, body: bytes | None = None
) -> tuple[int, bytes]:
    """Status and body; redirects are not followed."""
    parts = urlsplit(url)
    target = f"{parts.path}?{parts.query}" if parts.query else parts.path
    connection = (
        http.client.HTTPSConnection(parts.netloc, timeout=30, context=ssl.create_default_context())
        if parts.scheme == "https"
        else http.client.HTTPConnection(parts.netloc, timeout=30)
    )
    try:
        connection.request(method, target, body, headers or {})
        answer = connection.getresponse()
        return answer.status, answer.read()
    except OSError as error:
        raise DemoError(f"{parts.netloc} does not answer: {error}") from error
    finally:
        connection.close()
