"""Who gets what from the console's server: over HTTP, on loopback."""

import http.client
import json
import re
import socket
import socketserver
import struct
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from checkout.base.errors import InvalidRequest, Unavailable
from checkout.console.server import MAX_BODY, MAX_WORDS, About, ConsoleServer
from checkout.console.switchboard import Switch
from tests.support.waiting import eventually

ABOUT = About("a stack", "ada")
ROOT = Path(__file__).parents[3]
PARTS = ROOT / "layers" / "common" / "checkout" / "console" / "page" / "parts.js"
MONEY = ROOT / "functions" / "web" / "static" / "money.js"


class Board:
    """One part that is running or stopped."""

    def __init__(self) -> None:
        self.acts: list[tuple[str, str]] = []

    def switches(self) -> list[Switch]:
        return [Switch("PostgreSQL", "service", "stopped" if self.acts else "running", ("stop",))]

    def act(self, name: str, act: str) -> None:
        if act != "stop":
            raise InvalidRequest("That is not offered.")
        self.acts.append((name, act))


class Console:
    def __init__(self, board: Board | None = None) -> None:
        self.asked: list[list[str]] = []
        self.failure: Exception | None = None
        self.answer: Mapping[str, Any] | None = None
        self.before_answer: Callable[[], object] = lambda: None
        self.board = board
        self.server = ConsoleServer(self._operate, ABOUT, switchboard=board)
        self.authority = self.server.origin.removeprefix("http://")
        self.token = self.server.url.partition("#token=")[2]

    def _operate(self, words: Sequence[str]) -> Mapping[str, Any]:
        if self.failure is not None:
            raise self.failure
        self.asked.append(list(words))
        self.before_answer()
        return self.answer or {"clean": True, "result": {"words": list(words)}}

    def send(
        self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str | None] = {}
    ) -> tuple[int, Any, http.client.HTTPMessage]:
        """Status, content, headers. A header that is None is left out."""
        given = {"Host": self.authority, "Authorization": f"Bearer {self.token}", **headers}
        connection = http.client.HTTPConnection(self.authority, timeout=20)
        try:
            connection.putrequest(method, path, skip_host=True)
            for name, value in {"Content-Length": str(len(body)), **given}.items():
                if value is not None:
                    connection.putheader(name, value)
            connection.endheaders(body)
            response = connection.getresponse()
            content = response.read()
            is_json = response.headers["content-type"] == "application/json"
            return response.status, json.loads(content) if is_json else content.decode(), response.headers
        finally:
            connection.close()

    def operate(self, words: object, **headers: str | None) -> tuple[int, Any]:
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.send("POST", "/operations", json.dumps({"words": words}).encode(), given)[:2]

    def switch(self, body: object, **headers: str | None) -> tuple[int, Any]:
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.send("POST", "/switchboard", json.dumps(body).encode(), given)[:2]


@pytest.fixture
def console() -> Iterator[Console]:
    made = Console()
    made.server.start()
    yield made
    made.server.stop()


@pytest.fixture
def with_board() -> Iterator[Console]:
    made = Console(Board())
    made.server.start()
    yield made
    made.server.stop()


def test_a_verb_is_run_for_whoever_has_the_token(console: Console) -> None:
    assert console.operate(["parked", "list"]) == (
        200,
        {"clean": True, "result": {"words": ["parked", "list"]}},
    )
    about = {"system": "a stack", "operator": "ada", "has_switchboard": False}
    assert console.send("POST", "/about")[:2] == (200, about)


@pytest.mark.parametrize(
    "authorization", [None, "", "Bearer ", "Bearer wrong", "Basic {}", "{}", "bearer {}"]
)
def test_without_the_token_no_verb_is_run(console: Console, authorization: str | None) -> None:
    given = authorization and authorization.format(console.token)
    status, answer = console.operate(["verify"], Authorization=given)
    assert (status, console.asked) == (403, [])
    assert "token" in answer["error"]
    assert console.send("POST", "/about", headers={"Authorization": given})[0] == 403


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "evil.example:{port}"},
        {"Host": "127.0.0.1"},
        {"Host": None},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "https://127.0.0.1:{port}"},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
    ids=str,
)
def test_from_elsewhere_everything_is_refused(console: Console, headers: dict[str, str | None]) -> None:
    port = console.authority.partition(":")[2]
    given = {name: value and value.replace("{port}", port) for name, value in headers.items()}
    for method, path, body in (("GET", "/", b""), ("POST", "/operations", b'{"words": ["verify"]}')):
        assert console.send(method, path, body, given)[0] == 403
    assert console.asked == []


def test_its_own_page_may_ask_by_either_name_of_loopback(console: Console) -> None:
    port = console.authority.partition(":")[2]
    for name in ("127.0.0.1", "localhost"):
        own = {"Host": f"{name}:{port}", "Origin": f"http://{name}:{port}", "Sec-Fetch-Site": "same-origin"}
        assert console.send("POST", "/about", headers=own)[0] == 200


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"{}", b'{"words": []}', b'{"words": "verify"}', b'{"words": [1]}', b"\xff",
     b"[" * 9999, json.dumps({"words": ["x"] * (MAX_WORDS + 1)}).encode()],
)  # fmt: skip
def test_what_is_no_verb_is_refused_with_a_hint(console: Console, body: bytes) -> None:
    status, answer, _ = console.send("POST", "/operations", body)
    assert status == 400
    assert '{"words": ["verb", "argument", …]}' in answer["error"]


@pytest.mark.parametrize("length", ["", "-1", "x", str(MAX_BODY + 1)])
def test_a_body_of_no_or_too_great_length_is_not_read(console: Console, length: str) -> None:
    status, _, _ = console.send("POST", "/operations", headers={"Content-Length": length})
    assert status == 400


def test_a_switch_is_turned_for_whoever_has_the_token(with_board: Console) -> None:
    assert with_board.send("POST", "/about")[1]["has_switchboard"] is True
    running = {"name": "PostgreSQL", "kind": "service", "state": "running", "acts": ["stop"]}
    assert with_board.switch({}) == (200, {"switches": [running]})
    stopped = with_board.switch({"switch": "PostgreSQL", "act": "stop"})
    assert stopped == (200, {"switches": [{**running, "state": "stopped"}]})
    assert with_board.switch({"switch": "PostgreSQL", "act": "format"}) == (
        400,
        {"error": "That is not offered."},
    )
    assert with_board.switch({"switch": "PostgreSQL"})[0] == 400
    assert with_board.board is not None
    assert with_board.board.acts == [("PostgreSQL", "stop")]


def test_without_a_switchboard_there_is_nothing_to_turn(console: Console) -> None:
    assert console.switch({"switch": "PostgreSQL", "act": "stop"})[0] == 404


@pytest.mark.parametrize(
    "headers",
    [{"Host": "evil.example"}, {"Origin": "http://evil.example"}, {"Sec_Fetch_Site": "cross-site"},
     {"Authorization": None}, {"Authorization": "Bearer wrong"}],
    ids=str,
)  # fmt: skip
def test_nobody_else_turns_a_switch(with_board: Console, headers: dict[str, str | None]) -> None:
    assert with_board.switch({"switch": "PostgreSQL", "act": "stop"}, **headers)[0] == 403
    assert with_board.switch({}, **headers)[0] == 403
    assert with_board.board is not None
    assert with_board.board.acts == []


def test_integers_that_javascript_would_round_are_texts(console: Console) -> None:
    most = 2**53 - 1
    console.answer = {"result": [{"user_id": most}, {"user_id": most + 1}, {"yes": True}]}
    assert console.operate(["inspect", "1"])[1] == {
        "result": [{"user_id": most}, {"user_id": "9007199254740992"}, {"yes": True}]
    }


def test_a_page_that_is_open_carries_on_after_a_restart(console: Console) -> None:
    console.server.stop()
    again = ConsoleServer(lambda _: {}, ABOUT, console.server.port, token=console.token)
    again.start()
    try:
        assert again.url == console.server.url
        assert console.operate(["verify"]) == (200, {})
    finally:
        again.stop()


def test_a_failure_of_the_operations_is_told_without_its_details_and_logged_with_them(
    console: Console, caplog: pytest.LogCaptureFixture
) -> None:
    console.failure = Unavailable("The stack does not answer.")
    assert console.operate(["verify"]) == (503, {"error": "The stack does not answer."})
    console.failure = RuntimeError("postgresql://user:password@host")
    status, answer = console.operate(["verify"])
    assert status == 503
    assert "password" not in answer["error"]
    [logged] = [record.exc_info for record in caplog.records if record.exc_info]
    assert logged[1] is console.failure


def test_a_page_that_is_closed_meanwhile_is_no_failure(
    console: Console, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Its connection is reset, so the answer cannot be written."""
    ended, hung_up = threading.Event(), threading.Event()
    end = socketserver.ThreadingMixIn.process_request_thread

    def process(*request: Any) -> None:
        end(*request)
        ended.set()

    monkeypatch.setattr(socketserver.ThreadingMixIn, "process_request_thread", process)
    console.before_answer = hung_up.wait
    body = json.dumps({"words": ["verify"]}).encode()
    head = (
        f"Host: {console.authority}\r\nAuthorization: Bearer {console.token}\r\nContent-Length: {len(body)}"
    )
    with socket.create_connection(("127.0.0.1", console.server.port)) as page:
        page.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        page.sendall(f"POST /operations HTTP/1.1\r\n{head}\r\n\r\n".encode() + body)
        eventually(lambda: console.asked)
    hung_up.set()
    assert ended.wait(20)
    assert capfd.readouterr().err == ""


def test_the_page_has_the_digits_of_currencies_that_the_balance_page_has() -> None:
    lists = re.compile(r"const (?:ZERO|THREE)_DECIMAL = new Set\(\[.*?\]\);", re.DOTALL)
    ours, theirs = (lists.findall(path.read_text()) for path in (PARTS, MONEY))
    assert len(ours) == 2
    assert ours == theirs


def test_the_page_and_its_files_are_served_with_a_strict_policy(console: Console) -> None:
    for path, kind in (("/", "text/html"), ("/console.js", "text/javascript"), ("/console.css", "text/css")):
        status, content, headers = console.send("GET", path, headers={"Authorization": None})
        assert status == 200
        assert headers["content-type"].startswith(kind)
        assert headers["content-security-policy"].startswith("default-src 'none'; script-src 'self';")
        assert headers["x-content-type-options"] == "nosniff"
        assert console.token not in content
    for path in ("/server.py", "/../server.py", "/%2e%2e/server.py", "/about"):
        assert console.send("GET", path)[0] == 404
