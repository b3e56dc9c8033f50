"""One whole purchase through a running stack, observed from outside at every hop."""

import threading
import time
import uuid
from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urlsplit

import psycopg2
import requests
from confluent_kafka import Consumer, TopicPartition

from checkout.base import terminal
from checkout.base.text import printable
from local import amounts, http_client
from local.stack.description import Description
from local.timeline import Timeline
from local.waiting import until

_TOPIC = "checkout.finished"
_CARD = "4242424242424242"
_SIMULATED_SECONDS = 120.0
_BY_HAND_SECONDS = 900.0
_QUESTIONS = 10
_PAUSE_SECONDS = 0.1


class DemoError(RuntimeError):
    """The purchase did not end with the right balance; the message says where it stopped."""


def purchase(stack: Description, say: Callable[[str], None] = terminal.say) -> None:
    """Top up the demo user's balance and check it to the cent. Raises DemoError.

    At the simulator the page is paid as a browser would; at Stripe the reader of the printed address pays.
    """
    if stack.demo_token is None:
        raise DemoError(
            "the users' tokens are those of JWT_JWKS_URL; with JWT_SECRET, too, there is a demo user"
        )
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
    credit_cents = session["credit_cents"]
    others = after - before - credit_cents
    also = f", and {others} by other payments" if others else ""
    say(f"{timeline}\n\n  balance  {before} + {credit_cents}{also} = {after}")
    [entered] = _ask(stack, "SELECT sum(amount_cents) FROM ledger_entries WHERE request_id = %s", request_id)
    if entered != credit_cents:
        raise DemoError(f"the ledger has {entered} instead of {credit_cents} for this purchase")


def create_session(stack: Description, request_id: str) -> dict[str, Any]:
    """The session resource, for the demo user. Raises DemoError."""
    amount_cents = amounts.chosen(_get(stack.api_url + amounts.PATH, {}))
    body = {"amount_cents": amount_cents, "request_id": request_id}
    bearer = {"authorization": f"Bearer {stack.demo_token}"}
    answer = _send("POST", f"{stack.api_url}/checkout/sessions", headers=bearer, json=body)
    if answer.status_code != 201:
        raise DemoError(f"creating the session was answered {answer.status_code}: {printable(answer.text)}")
    session: dict[str, Any] = answer.json()
    return session


def _watch(
    stack: Description,
    bearer: dict[str, str],
    session: dict[str, Any],
    timeline: Timeline,
    *,
    simulated: bool,
) -> None:
    """Ask Stripe, the ledger and the API until every step was seen."""
    request_id, session_id = session["request_id"], session["session_id"]
    ledger = psycopg2.connect(stack.database_url)
    ledger.autocommit = True

    def is_complete() -> bool:
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
        return not timeline.missing

    seconds, pause = (_SIMULATED_SECONDS, 0.01) if simulated else (_BY_HAND_SECONDS, 1.0)
    try:
        if not until(is_complete, seconds, pause):
            raise DemoError(f"not seen in time: {', '.join(timeline.missing)}\n{timeline}")
    finally:
        ledger.close()


def _credited_at(ledger: "psycopg2.extensions.connection", request_id: str) -> float | None:
    """When the transaction began that entered the credit, as a time of day in seconds; None before that."""
    with ledger.cursor() as cursor:
        cursor.execute(
            "SELECT extract(epoch FROM created_at)::float8 FROM ledger_entries WHERE effect_key = %s",
            (f"success:{request_id}",),
        )
        row = cursor.fetchone()
    return float(row[0]) if row else None


def _is_paid(stack: Description, session_id: str) -> bool:
    url = f"{stack.stripe_api_url}/v1/checkout/sessions/{session_id}"
    session = _get(url, {"authorization": f"Bearer {stack.stripe_secret}"})
    return bool(session["payment_status"] == "paid")


def _pay(url: str, timeline: Timeline) -> None:
    if pay(url) == 303:
        timeline.mark("webhook answered")


def pay(url: str) -> int:
    """Fill in the simulator's hosted page as a customer does. The status comes once our webhook has answered.

    303 sends the customer back to us. Raises DemoError.
    """
    named = _Form(_send("GET", url).text).named
    if "cc-number" not in named:
        raise DemoError(f"{url} takes no payment")
    typed = {named["cc-number"]: _CARD, named["cc-exp"]: "12 / 40", named["cc-csc"]: "123"}
    return _send("POST", url, data=typed).status_code


class _Form(HTMLParser):
    """The names of a form's inputs by their autocomplete attributes, such as `cc-number`."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.named: dict[str, str] = {}
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "input" and given.get("autocomplete") and given.get("name"):
            self.named[str(given["autocomplete"])] = str(given["name"])


class _Topic:
    """Marks the moment when the payment's event is on the topic, without joining a consumer group."""

    def __init__(
        self, stack: Description, request_id: str, timeline: Timeline, stopping: threading.Event
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
        topic = stack.kafka_topic_prefix + _TOPIC
        partitions = self._consumer.list_topics(topic, timeout=10).topics[topic].partitions
        ends = [TopicPartition(topic, number) for number in partitions]
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


def _balance(stack: Description, bearer: dict[str, str]) -> int:
    return int(_get(f"{stack.api_url}/checkout/balance", bearer)["balance_cents"])


def _agreed_balance(stack: Description, bearer: dict[str, str]) -> int:
    """The balance, once API, user and ledger agree: other payments may come between two questions.

    Raises DemoError.
    """
    for _ in range(_QUESTIONS):
        shown = _balance(stack, bearer)
        [balance, entered] = _ask(
            stack,
            "SELECT balance, (SELECT COALESCE(sum(amount_cents), 0) FROM ledger_entries"
            " WHERE user_id = users.id) FROM users WHERE id = %s",
            stack.demo_user_id,
        )
        if shown == balance == entered:
            return shown
        time.sleep(_PAUSE_SECONDS)
    raise DemoError(
        f"the API says {shown}, the user has {balance}, and the entries of the ledger make {entered}"
    )


def _ask(stack: Description, sql: str, parameter: object) -> tuple[Any, ...]:
    """The only row of the result."""
    connection = psycopg2.connect(stack.database_url)
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(sql, (parameter,))
            row: tuple[Any, ...] = cursor.fetchone() or ()
            return row
    finally:
        connection.close()


def _get(url: str, headers: dict[str, str]) -> dict[str, Any]:
    answer = _send("GET", url, headers=headers)
    if answer.status_code != 200:
        raise DemoError(f"{url} answered {answer.status_code}")
    found: dict[str, Any] = answer.json()
    return found


def _send(method: str, url: str, **request: Any) -> requests.Response:
    try:
        return http_client.send(method, url, **request)
    except requests.RequestException as error:
        raise DemoError(f"{urlsplit(url).netloc} does not answer: {error}") from error
