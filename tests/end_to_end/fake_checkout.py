"""The page's real function behind HTTP, with a checkout API whose answers a test chooses."""

import json
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from checkout.base.config import Config
from checkout.sessions.session_request import SessionRequest
from functions.web import app
from tests.contracts import conformance

A_WHILE = 60.0
"""Seconds after which an answer that a test keeps back is given, so a test that fails ends. On a busy machine
a page can take ten to get there."""

CREATED_AT = "2026-11-20T09:30:00+00:00"


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    query: dict[str, str]
    token: str
    body: Any


@dataclass(frozen=True)
class Answer:
    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)

    @classmethod
    def problem(cls, status: int, detail: str = "", **headers: str) -> "Answer":
        body = {"type": "about:blank", "title": "Refused", "status": status, "detail": detail}
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        return cls(status, body, {"content-type": "application/problem+json"} | names)


STRIPE_PAGE = b'<!doctype html><link rel="icon" href="data:,"><title>Stripe</title>'

# The connection ends within the answer. (If it ended before, the browser would silently retry.)
LOST = Answer(status=0)


UNKNOWN = (
    *("paid_cents", "tax_cents", "discount_cents", "paid_currency"),
    *("url", "expires_at", "error_message", "completed_at"),
)
"""Fields of a payment that are null until something is known."""


class FakeCheckout:
    """One user's account; `others` are the accounts of other tokens.

    The next POSTs are answered with `refusals`; afterwards they succeed.
    """

    def __init__(self) -> None:
        self.origin = ""
        self.user_id: int | str = 7
        self.others: dict[str, int | str] = {}
        self.expired: set[str] = set()
        """Tokens that are answered 401."""
        self.balance_cents = 1000
        self.currency = "eur"
        self.transactions: list[dict[str, Any]] = []
        self.credit_cents: int | None = None
        """What a new session credits; None: what the settings say."""
        self.refusals: deque[Answer] = deque()
        self.failing: dict[str, Answer] = {}
        self.may_create = threading.Event()
        self.may_create.set()
        self.is_newer = False
        """True if it answers as a later release may, with more than is documented."""
        self.requests: list[Request] = []
        self.served: list[str] = []
        """All answers to the browser, such as "304 /balance"."""
        self.before_answer: Callable[[Request], None] = lambda _request: None

    @property
    def posts(self) -> list[Request]:
        return [request for request in self.requests if request.method == "POST"]

    def transaction(self, number: int = 1, **changes: Any) -> dict[str, Any]:
        """Add one to the history, which is newest first."""
        made = {
            "request_id": f"00000000-0000-4000-8000-{number:012}",
            "session_id": f"cs_test_{number}",
            "status": "session_created",
            "amount_cents": 500,
            "currency": self.currency,
            "purpose": "balance_topup",
            "credited": False,
            "created_at": CREATED_AT,
            "updated_at": CREATED_AT,
            "refunded_cents": 0,
            "disputed_cents": 0,
            **dict.fromkeys(UNKNOWN),
        } | changes
        made.setdefault("credit_cents", made["paid_cents"] or made["amount_cents"])
        self.transactions.insert(0, made)
        return made

    def answer(self, request: Request) -> Answer:
        self.requests.append(request)
        self.before_answer(request)
        if request.token.removeprefix("Bearer ") in self.expired:
            return Answer.problem(401)
        if request.path in self.failing:
            return self.failing[request.path]
        if request.method == "POST":
            return self._create(request)
        if request.path == "/checkout/balance":
            body = self._balance(request.token.removeprefix("Bearer "))
            return self._documented("GET /checkout/balance", Answer(body=body))
        if request.path == "/checkout/transactions":
            return self._documented("GET /checkout/transactions", Answer(body=self._page(request.query)))
        wanted = request.path.rpartition("/")[2]
        for transaction in self.transactions:
            if transaction["request_id"] == wanted:
                return self._documented("GET /checkout/sessions/{request_id}", Answer(body=transaction))
        return Answer.problem(404)

    def _documented(self, route: str, answer: Answer) -> Answer:
        """The answer, which is one that the API gives, too."""
        headers = {"content-type": "application/json"} | answer.headers
        response = {"statusCode": answer.status, "headers": headers, "body": json.dumps(answer.body)}
        if not self.is_newer:
            conformance.check_answer(route, response)
        return answer

    def _balance(self, token: str) -> dict[str, Any]:
        user_id = self.others.get(token, self.user_id)
        return {"user_id": user_id, "balance_cents": self.balance_cents, "currency": self.currency}

    def _page(self, query: dict[str, str]) -> dict[str, Any]:
        start, limit = int(query.get("cursor", "0")), int(query.get("limit", "20"))
        end = start + limit
        more = str(end) if end < len(self.transactions) else None
        return {"transactions": self.transactions[start:end], "next_cursor": more}

    def _create(self, request: Request) -> Answer:
        self.may_create.wait(A_WHILE)
        if self.refusals:
            return self.refusals.popleft()
        request_id = request.body["request_id"]
        session_id = f"cs_{request_id}"
        known = [item for item in self.transactions if item["request_id"] == request_id]
        if not known:
            amount_cents = request.body["amount_cents"]
            self.transaction(
                request_id=request_id,
                session_id=session_id,
                amount_cents=amount_cents,
                credit_cents=self.credit_cents or _credit_for(amount_cents),
            )
        session = {
            "request_id": request_id,
            "session_id": session_id,
            "url": f"{self.origin}/stripe/{session_id}",
            "credit_cents": (known or self.transactions)[0]["credit_cents"],
            "expires_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 86_400)),
        }
        return self._documented("POST /checkout/sessions", Answer(200 if known else 201, session))


def _credit_for(amount_cents: int) -> int:
    return SessionRequest(1, amount_cents, None, None).price(Config(os.environ)).credit_cents


@contextmanager
def serving(checkout: FakeCheckout) -> Iterator[None]:
    """Serve the page and this API on one origin, `checkout.origin`."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            url = urlsplit(self.path)
            if url.path == "/balance" or url.path.startswith("/balance/"):
                self._send_page(url.path)
            elif url.path.startswith("/stripe/"):
                self._send(200, {"content-type": "text/html"}, STRIPE_PAGE)
            else:
                self._send_answer(None)

        def do_POST(self) -> None:
            self._send_answer(json.loads(self.rfile.read(int(self.headers["content-length"]))))

        def _send_page(self, path: str) -> None:
            asset = path.removeprefix("/balance").removeprefix("/")
            event = {
                "headers": {name.lower(): value for name, value in self.headers.items()},
                "pathParameters": {"asset": asset} if asset else None,
            }
            response = app.handler(event, None)
            self._send(response["statusCode"], response["headers"], response.get("body", "").encode())

        def _send_answer(self, body: Any) -> None:
            url = urlsplit(self.path)
            query = {name: values[0] for name, values in parse_qs(url.query).items()}
            token = self.headers.get("authorization", "")
            answer = checkout.answer(Request(self.command, url.path, query, token, body))
            if answer is LOST:
                self.send_response(201)
                self.send_header("content-length", "1000")
                self.end_headers()
                self.close_connection = True
                return
            headers = {"content-type": "application/json"} | answer.headers
            self._send(answer.status, headers, json.dumps(answer.body).encode())

        def _send(self, status: int, headers: dict[str, str], body: bytes) -> None:
            checkout.served.append(f"{status} {urlsplit(self.path).path}")
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            if status != 304:
                self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(b"" if status == 304 else body)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        checkout.origin = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()
