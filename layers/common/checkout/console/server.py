"""The console's server: its page, and the verbs for those who have the token.

Any web page can make this machine's browser send requests here, and can give this address a name of its own
(DNS rebinding). So each request must name this server as Host and, if it has an Origin, that one; and a verb
needs the token, which is in the fragment of the page's address and thus known to no other page.
"""

import hmac
import json
import logging
import secrets
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from checkout.base.errors import CheckoutError, InvalidRequest, NotFound, Unavailable
from checkout.console.switchboard import Switchboard

HOST = "127.0.0.1"
MAX_BODY = 64 * 1024
MAX_WORDS = 50
MAX_SAFE_INTEGER = 2**53 - 1
PATIENCE_SECONDS = 60
"""For a client that sends nothing."""

_log = logging.getLogger("console")
_PAGE = Path(__file__).parent / "page"
_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self';"
    " img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "cache-control": "no-store",
}

Operate = Callable[[Sequence[str]], Mapping[str, Any]]
"""Takes a verb and its arguments, and returns the answer of OperationsFunction: {"clean", "result"}, or
{"error"} and maybe {"plan"} if it was refused. Raises CheckoutError if that fails."""


@dataclass(frozen=True, slots=True)
class About:
    """What the page shows of the system: its name, and who decides unless the operator says otherwise."""

    system: str
    operator: str


class ConsoleServer:
    """Serves between `start` and `stop`, on loopback alone."""

    def __init__(
        self,
        operate: Operate,
        about: About,
        port: int = 0,
        *,
        token: str | None = None,
        switchboard: Switchboard | None = None,
    ) -> None:
        """With `port` 0, or without `token`, a new one is chosen. Raises OSError if the port is taken."""
        self._token = token or secrets.token_urlsafe(32)
        self._server = _Server((HOST, port), _Handler)
        self.port = self._server.server_port
        hosts = frozenset({f"{HOST}:{self.port}", f"localhost:{self.port}"})
        self._server.answers = _Answers(operate, about, self._token, hosts, switchboard)
        self.origin = f"http://{HOST}:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, name="console", daemon=True)

    @property
    def url(self) -> str:
        """The page's address, with the token."""
        return f"{self.origin}/#token={self._token}"

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Return once no request is taken any more."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    body: bytes
    content_type: str = "application/json"


def _json(status: int, content: Mapping[str, Any]) -> _Answer:
    return _Answer(status, json.dumps(_exact(content)).encode())


def _exact(value: Any) -> Any:
    """The same, with integers as texts where JavaScript would round them: a rounded user id is another
    user's."""
    if isinstance(value, Mapping):
        return {name: _exact(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_exact(one) for one in value]
    return str(value) if isinstance(value, int) and abs(value) > MAX_SAFE_INTEGER else value


def _refusal(status: int, error: str) -> _Answer:
    return _json(status, {"error": error})


def _files() -> dict[str, _Answer]:
    """Path → the file, read once."""
    found = {
        f"/{path.name}": _Answer(200, path.read_bytes(), f"{_TYPES[path.suffix]}; charset=utf-8")
        for path in _PAGE.iterdir()
    }
    return {**found, "/": found["/console.html"]}


class _Answers:
    """What is answered to whom."""

    def __init__(
        self,
        operate: Operate,
        about: About,
        token: str,
        hosts: frozenset[str],
        switchboard: Switchboard | None,
    ) -> None:
        self._operate = operate
        self._switchboard = switchboard
        self._about = about
        self._token = token
        self._hosts = hosts
        self._files = _files()

    def to(self, method: str, path: str, headers: Mapping[str, str | None], body: bytes | None) -> _Answer:
        """`headers` has host, origin, sec-fetch-site and authorization. `body` is None if it is too long."""
        if (refused := self._foreign(headers)) is not None:
            return refused
        if method == "GET":
            return self._files.get(path) or _refusal(404, "There is no such page.")
        given = headers["authorization"] or ""
        if not hmac.compare_digest(given.encode(), f"Bearer {self._token}".encode()):
            return _refusal(
                403, "The token is missing or of an earlier start: open the address printed last."
            )
        try:
            return self._posted(path, body)
        except CheckoutError as error:
            return _refusal(error.status, error.detail)

    def _posted(self, path: str, body: bytes | None) -> _Answer:
        """Raises CheckoutError."""
        if path == "/about":
            return _json(200, {**asdict(self._about), "has_switchboard": self._switchboard is not None})
        if path == "/operations":
            if (words := _words(body)) is None:
                raise InvalidRequest(
                    f'The body must be {{"words": ["verb", "argument", …]}}, at most {MAX_WORDS} texts.'
                )
            return _json(200, self._operate(words))
        if path == "/switchboard" and self._switchboard is not None:
            return _json(200, _switched(self._switchboard, _object(body)))
        raise NotFound("There is no such page.")

    def _foreign(self, headers: Mapping[str, str | None]) -> _Answer | None:
        if headers["host"] not in self._hosts:
            return _refusal(403, "Host is not this console's address.")
        origin, site = headers["origin"], headers["sec-fetch-site"]
        is_foreign = origin is not None and origin != f"http://{headers['host']}"
        if is_foreign or site not in (None, "none", "same-origin"):
            return _refusal(403, "A page of another origin has no access to this console.")
        return None


def _switched(switchboard: Switchboard, body: Mapping[str, Any]) -> Mapping[str, Any]:
    """All switches, after the act that the body names, if it names one. Raises CheckoutError."""
    if body:
        name, act = body.get("switch"), body.get("act")
        if not isinstance(name, str) or not isinstance(act, str):
            raise InvalidRequest('The body must be {}, or {"switch": "…", "act": "…"}.')
        switchboard.act(name, act)
    return {"switches": [asdict(one) for one in switchboard.switches()]}


def _object(body: bytes | None) -> Mapping[str, Any]:
    """What the body says; empty if that is no JSON object."""
    try:
        found = json.loads(body or b"")
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _words(body: bytes | None) -> list[str] | None:
    words: Any = _object(body).get("words")
    is_fine = isinstance(words, list) and 1 <= len(words) <= MAX_WORDS
    return list(words) if is_fine and all(isinstance(word, str) for word in words) else None


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    answers: _Answers


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    timeout = PATIENCE_SECONDS

    def handle(self) -> None:
        with suppress(ConnectionError):  # A page that was closed or loaded again waits for no answer.
            super().handle()

    def do_GET(self) -> None:
        self._answer(b"")

    def do_POST(self) -> None:
        length = self.headers.get("content-length", "")
        is_fine = length.isascii() and length.isdigit() and int(length) <= MAX_BODY
        self.close_connection = not is_fine
        self._answer(self.rfile.read(int(length)) if is_fine else None)

    def _answer(self, body: bytes | None) -> None:
        names = ("host", "origin", "sec-fetch-site", "authorization")
        headers = {name: self.headers.get(name) for name in names}
        try:
            answer = self.server.answers.to(self.command, self.path.partition("?")[0], headers, body)
        except Exception:  # noqa: BLE001 - the page gets an answer in any case
            _log.exception("the operations failed")
            answer = _refusal(Unavailable.status, "The operations failed; the log of this console says why.")
        self.send_response(answer.status)
        for name, value in _HEADERS.items():
            self.send_header(name, value)
        self.send_header("content-type", answer.content_type)
        self.send_header("content-length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body)

    def log_message(self, *_: Any) -> None:
        """Nothing: one line a second would drown what matters."""
