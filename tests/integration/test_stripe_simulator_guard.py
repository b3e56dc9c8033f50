"""The simulator accepts requests of programs on this machine and of its own pages only."""

import base64
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
import stripe

from local.processes import free_port
from local.stack.stripe_process import StripeSimulator
from tests.support.settings import put
from tests.support.stripe_simulator import Simulator, WebhookEndpoint
from tests.support.waiting import eventually

BEARER = {"Authorization": "Bearer sk_test_x"}
BASIC = {"Authorization": f"Basic {base64.b64encode(b'sk_test_x:').decode()}"}
FORM = "application/x-www-form-urlencoded"


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    folder = tmp_path_factory.mktemp("stripe")
    options = {"public_url": "http://shop.test:9997", "allowed_hosts": "host.docker.internal,Other.Test"}
    with Simulator(folder, **options) as running:
        running.url = f"http://127.0.0.1:{urlsplit(running.url).port}"
        yield running


def ask(simulator: Simulator, method: str, path: str, **options: Any) -> requests.Response:
    return requests.request(method, f"{simulator.url}{path}", timeout=10, allow_redirects=False, **options)


def mode(simulator: Simulator) -> Any:
    return ask(simulator, "GET", "/_simulator/webhooks").json()["mode"]


def commands(simulator: Simulator) -> dict[str, tuple[str, str, dict[str, Any]]]:
    """Requests that change something: method, path, body and valid headers."""
    session = simulator.create_session()
    return {
        "pay": ("POST", f"/c/pay/{session.id}", {"data": {"card_number": "4242424242424242"}}),
        "mode": ("POST", "/_simulator/webhooks", {"json": {"mode": "drop"}}),
        "fault": ("POST", "/_simulator/faults", {"json": {"path_prefix": "/v1", "status": 500}}),
        "clear": ("DELETE", "/_simulator/faults", {}),
        "expire": ("POST", f"/v1/checkout/sessions/{session.id}/expire", {"headers": BEARER}),
        "delete": ("DELETE", "/v1/webhook_endpoints/we_1", {"headers": BEARER}),
    }


@pytest.mark.parametrize("name", ["pay", "mode", "fault", "clear", "expire", "delete"])
@pytest.mark.parametrize(
    "said",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "same-site", "Origin": "http://127.0.0.1:9996"},
        {"Sec-Fetch-Site": "somewhere-new"},
        {"Origin": "https://evil.example"},
        {"Origin": "http://127.0.0.1:9996"},
        {"Origin": "null"},
    ],
    ids=lambda said: " ".join(said.values()),
)
def test_another_page_cannot_have_it_change_anything(
    simulator: Simulator, name: str, said: dict[str, str]
) -> None:
    method, path, options = commands(simulator)[name]
    answer = ask(simulator, method, path, **{**options, "headers": {**options.get("headers", {}), **said}})

    assert answer.status_code == 403
    assert "web page" in answer.json()["error"]["message"]
    assert mode(simulator) == "normal"
    assert ask(simulator, "GET", "/_simulator/faults").json() == {"faults": []}


@pytest.mark.parametrize(
    "said",
    [{}, {"Sec-Fetch-Site": "same-origin", "Origin": "null"}, {"Sec-Fetch-Site": "none"}, {"Origin": ""}],
    ids=["a program", "its own page", "the address bar", "its own page, in an old browser"],
)
def test_its_own_page_and_programs_can(simulator: Simulator, said: dict[str, str]) -> None:
    said = {name: value or simulator.url for name, value in said.items()}
    session = simulator.create_session()
    form = {"card_number": "4242424242424242"}
    assert ask(simulator, "POST", f"/c/pay/{session.id}", data=form, headers=said).status_code == 303


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:9997", "127.0.0.1.evil.example", "localhost.evil.example", "10.0.0.1",
     "127.0.0.1@evil.example", "evil.example@127.0.0.1", "192.168.1.2:9997", "[::2]", "", "127.0.0.1 evil"],
)  # fmt: skip
@pytest.mark.parametrize("path", ["/v1/events", "/_simulator/webhooks", "/c/checkout.css", "/c/pay/x", "/x"])
def test_under_a_foreign_name_it_answers_nothing(simulator: Simulator, host: str, path: str) -> None:
    answer = ask(simulator, "GET", path, headers={**BEARER, "Host": host})
    # An empty one does not reach it, or is no HTTP to begin with.
    assert answer.status_code in (400, 403)
    assert "data" not in answer.text


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "127.0.0.1:9997", "127.1.2.3:1", "localhost", "LOCALHOST:9997", "[::1]:9997",
     "host.docker.internal:9997", "other.test", "shop.test:9997", "Shop.Test"],
)  # fmt: skip
def test_under_its_own_names_it_answers(simulator: Simulator, host: str) -> None:
    assert ask(simulator, "GET", "/v1/events", headers={**BEARER, "Host": host}).status_code == 200


@pytest.mark.parametrize("hosts", [b"", b"Host: 127.0.0.1\r\nHost: evil.example\r\n"], ids=["none", "two"])
def test_one_host_is_needed(simulator: Simulator, hosts: bytes) -> None:
    with socket.create_connection(("127.0.0.1", urlsplit(simulator.url).port or 0), 10) as connection:
        connection.sendall(
            b"GET /v1/events HTTP/1.0\r\nAuthorization: Bearer sk_test_x\r\n" + hosts + b"\r\n"
        )
        answer = connection.makefile("rb").readline()
    assert answer.split()[1] in (b"400", b"403")


@pytest.mark.parametrize(
    "said",
    [
        {"Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate"},
        {"Sec-Fetch-Site": "same-origin"},
        {"Sec-Fetch-Dest": "image"},
        {"Upgrade-Insecure-Requests": "1"},
        {"Origin": "http://127.0.0.1"},
    ],
    ids=lambda said: " ".join(said),
)
@pytest.mark.parametrize("scheme", ["Basic", "BASIC"])
def test_a_browser_is_not_let_in_by_an_address_with_a_key(
    simulator: Simulator, said: dict[str, str], scheme: str
) -> None:
    basic = {"Authorization": BASIC["Authorization"].replace("Basic", scheme)}
    answer = ask(simulator, "GET", "/v1/events", headers={**basic, **said})

    assert answer.status_code == 403
    assert "Basic" in answer.json()["error"]["message"]
    assert "WWW-Authenticate" not in answer.headers


def test_programs_may_use_basic_as_at_stripe(simulator: Simulator) -> None:
    assert ask(simulator, "GET", "/v1/events", headers=BASIC).status_code == 200
    body = {"data": {"amount": "1"}, "headers": {**BASIC, "Content-Type": FORM}}
    assert ask(simulator, "POST", "/v1/refunds", **body).status_code == 400


@pytest.mark.parametrize("kind", [None, "text/plain", "multipart/form-data; boundary=x", "application/json"])
def test_stripe_s_api_takes_forms_alone(simulator: Simulator, kind: str | None) -> None:
    for right in (FORM, f"{FORM}; charset=utf-8", FORM.upper()):
        session = simulator.create_session()
        path = f"/v1/checkout/sessions/{session.id}/expire"

        def expire(content_type: str | None, path: str = path) -> requests.Response:
            headers = {**BEARER, **({"Content-Type": content_type} if content_type else {})}
            return ask(simulator, "POST", path, data=b"expand[]=line_items", headers=headers)

        answer = expire(kind)
        assert answer.status_code == 400
        assert FORM in answer.json()["error"]["message"]
        assert simulator.client.v1.checkout.sessions.retrieve(session.id).status == "open"
        assert expire(right).status_code == 200


@pytest.mark.parametrize("kind", [None, "text/plain", FORM, "text/plain; application/json"])
@pytest.mark.parametrize(
    ("path", "body"),
    [("webhooks", b'{"mode": "drop"}'), ("faults", b'{"path_prefix": "/v1", "status": 500}')],
)
def test_controls_take_json_alone(simulator: Simulator, path: str, body: bytes, kind: str | None) -> None:
    headers = {"Content-Type": kind} if kind else {}
    answer = ask(simulator, "POST", f"/_simulator/{path}", data=body, headers=headers)

    assert answer.status_code == 415
    assert "application/json" in answer.json()["error"]["message"]
    assert mode(simulator) == "normal"
    assert ask(simulator, "GET", "/_simulator/faults").json() == {"faults": []}


@pytest.mark.parametrize("kind", [None, "text/plain", "application/json"])
def test_the_hosted_page_takes_forms_alone(simulator: Simulator, kind: str | None) -> None:
    session = simulator.create_session()
    headers = {"Content-Type": kind} if kind else {}
    answer = ask(
        simulator, "POST", f"/c/pay/{session.id}", data=b"card_number=4242424242424242", headers=headers
    )

    assert answer.status_code == 415
    assert simulator.client.v1.checkout.sessions.retrieve(session.id).payment_status == "unpaid"


ELSEWHERE = [
    "https://evil.example/x",
    "http://169.254.169.254/latest/meta-data",
    "http://127.0.0.1@evil.example/",
    "http://127.0.0.1.evil.example/",
    "http://[::2]/",
    "http://0.0.0.0:1/",
    "http://192.168.1.1/",
]


@pytest.mark.parametrize("url", ELSEWHERE)
def test_webhooks_go_to_this_machine_alone(simulator: Simulator, url: str) -> None:
    endpoints = simulator.client.v1.webhook_endpoints
    with pytest.raises(stripe.InvalidRequestError, match="--allowed-endpoints") as refused:
        endpoints.create({"url": url, "enabled_events": ["*"]})
    assert (refused.value.code, refused.value.param) == ("url_invalid", "url")

    made = endpoints.create({"url": "http://localhost:1/x", "enabled_events": ["charge.failed"]})
    with pytest.raises(stripe.InvalidRequestError, match="loopback"):
        endpoints.update(made.id, {"url": url})
    assert endpoints.retrieve(made.id).url == "http://localhost:1/x"
    endpoints.delete(made.id)


def test_an_endpoint_is_allowed_by_option_or_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(monkeypatch, STRIPE_SIMULATOR_ALLOWED_ENDPOINTS="One.Test")
    data = tmp_path / "stripe"
    with Simulator(data, allowed_endpoints="two.test, host.docker.internal") as simulator:
        for name in ("one.test", "two.test:8080", "host.docker.internal"):
            made = simulator.client.v1.webhook_endpoints.create(
                {"url": f"http://{name}/x", "enabled_events": ["charge.succeeded"]}
            )
            assert made.status == "enabled"
    put(monkeypatch, STRIPE_SIMULATOR_ALLOWED_ENDPOINTS=None)
    with Simulator(data) as simulator:
        simulator.pay(simulator.create_session())
        eventually(
            lambda: sum("neither on loopback nor allowed" in line for line in simulator.lines) >= 3,
            30,
            lambda: simulator.lines,
        )


def test_the_stack_s_own_endpoint_may_be_anywhere(tmp_path: Path) -> None:
    own = {"endpoint_url": "http://api.test/webhooks/stripe", "endpoint_secret": "whsec_x"}
    with Simulator(tmp_path, **own, webhook_timeout_seconds=5, redirect_wait_seconds=0.1) as simulator:
        endpoints = simulator.client.v1.webhook_endpoints
        [found] = endpoints.list().data
        assert endpoints.update(found.id, {"url": "http://api.test/other"}).url == "http://api.test/other"


def test_a_redirect_is_not_followed(simulator: Simulator) -> None:
    with WebhookEndpoint() as target:
        with WebhookEndpoint(status=307, headers={"Location": target.url}) as redirecting:
            made = simulator.client.v1.webhook_endpoints.create(
                {"url": redirecting.url, "enabled_events": ["charge.succeeded"]}
            )
            simulator.pay(simulator.create_session())
            redirecting.wait_for("charge.succeeded", 2)
            simulator.client.v1.webhook_endpoints.delete(made.id)
        assert target.received == []


def test_the_stack_says_what_else_this_machine_is_called(tmp_path: Path) -> None:
    """As in containers, where it is host.docker.internal."""
    port = free_port()
    lines: list[str] = []
    started = StripeSimulator(
        port, tmp_path, "http://127.0.0.1:1/", "whsec_x", lines.append, names=["host.docker.internal"]
    )
    started.start()
    try:
        client = stripe.StripeClient("sk_test_x", base_addresses={"api": f"http://127.0.0.1:{port}"})
        url = "http://host.docker.internal:9996/webhooks/stripe"
        client.v1.webhook_endpoints.create({"url": url, "enabled_events": ["*"]})
        for host, status in (("host.docker.internal", 200), ("evil.example", 403)):
            headers = {"Host": f"{host}:{port}"}
            answer = requests.get(f"http://127.0.0.1:{port}/_simulator/health", headers=headers, timeout=10)
            assert answer.status_code == status, lines
    finally:
        started.stop()
