"""A web page in the browser of this machine that tries to have the Stripe simulator do things."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import pytest
import requests
from playwright.sync_api import Browser, Page, expect

from tests.support.stripe_simulator import Simulator

SEND_FORM = """
([action, fields]) => {
  const form = Object.assign(document.createElement("form"), { method: "post", action });
  for (const [name, value] of Object.entries(fields)) {
    form.append(Object.assign(document.createElement("input"), { name, value }));
  }
  document.body.append(form);
  form.submit();
}
"""
SEND_QUIETLY = """
([url, body]) => fetch(url, { method: "POST", mode: "no-cors", credentials: "include", body })
  .then(() => "sent", () => "not sent")
"""
PLAIN = b'<!doctype html><link rel="icon" href="data:,"><title>Elsewhere</title><p>Elsewhere'


@pytest.fixture(scope="module")
def simulator(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    """Asks for the browser first: without one there is nothing to start."""
    with Simulator(tmp_path_factory.mktemp("stripe")) as running:
        yield running


@pytest.fixture(scope="module", params=["127.0.0.1", "localhost"], ids=["same site", "another site"])
def elsewhere(request: pytest.FixtureRequest) -> Iterator[str]:
    """The origin of a server that is none of ours."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(PLAIN)))
            self.end_headers()
            self.wfile.write(PLAIN)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield f"http://{request.param}:{server.server_port}"
        server.shutdown()


def is_untouched(simulator: Simulator, session_id: str) -> bool:
    session = simulator.client.v1.checkout.sessions.retrieve(session_id)
    mode = requests.get(f"{simulator.url}/_simulator/webhooks", timeout=10).json()["mode"]
    faults = requests.get(f"{simulator.url}/_simulator/faults", timeout=10).json()["faults"]
    return (session.status, mode, faults) == ("open", "normal", [])


def test_a_form_elsewhere_pays_nothing(page: Page, simulator: Simulator, elsewhere: str) -> None:
    session = simulator.create_session()
    page.goto(elsewhere)
    with page.expect_navigation():
        page.evaluate(SEND_FORM, [f"{simulator.url}/c/pay/{session.id}", {"card_number": "4242424242424242"}])
    expect(page.locator("body")).to_contain_text("A web page that is none of this simulator")
    assert is_untouched(simulator, session.id)


def test_a_key_in_an_address_opens_nothing(page: Page, simulator: Simulator, elsewhere: str) -> None:
    session = simulator.create_session()
    api = f"http://sk_test_x:@{urlsplit(simulator.url).netloc}/v1"
    page.goto(elsewhere)
    with page.expect_navigation():
        page.evaluate(SEND_FORM, [f"{api}/checkout/sessions/{session.id}/expire", {"expand[]": "line_items"}])
    assert is_untouched(simulator, session.id)
    page.goto(elsewhere)
    with page.expect_navigation():
        page.evaluate("url => { location.href = url; }", f"{api}/events")
    expect(page.locator("body")).to_contain_text("Basic authorization is for programs")
    page.goto(elsewhere)
    page.evaluate(SEND_QUIETLY, [f"{simulator.url}/v1/checkout/sessions/{session.id}/expire", ""])
    assert is_untouched(simulator, session.id)


@pytest.mark.parametrize(
    ("control", "body"),
    [("webhooks", {"mode": "drop"}), ("faults", {"path_prefix": "/v1", "status": 500, "times": 99})],
)
def test_what_is_sent_quietly_controls_nothing(
    page: Page, simulator: Simulator, elsewhere: str, control: str, body: dict[str, object]
) -> None:
    session = simulator.create_session()
    page.goto(elsewhere)
    assert page.evaluate(SEND_QUIETLY, [f"{simulator.url}/_simulator/{control}", json.dumps(body)]) == "sent"
    assert is_untouched(simulator, session.id)


@pytest.mark.parametrize("control", ["webhooks", "faults"])
def test_elsewhere_a_control_is_not_even_seen(
    page: Page, simulator: Simulator, elsewhere: str, control: str
) -> None:
    address = f"{simulator.url}/_simulator/{control}"
    page.goto(elsewhere)
    with page.expect_response(address) as seen:
        page.evaluate("url => fetch(url, { mode: 'no-cors' }).then(() => 0)", address)
    assert seen.value.status == 403
    named = page.goto(address.replace("127.0.0.1", "simulator.localhost"))
    assert named is not None
    assert named.status == 403


@pytest.mark.parametrize("context_options", [{"java_script_enabled": False}])
@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
def test_its_own_page_pays_without_javascript(page: Page, simulator: Simulator, name: str) -> None:
    session = simulator.create_session(success_url=f"{simulator.url}/_simulator/health")
    page.goto(str(session.url).replace("127.0.0.1", name))
    page.get_by_label("Card number").fill("4000 0000 0000 0002")
    page.get_by_role("button", name="Pay").click()
    expect(page.get_by_role("alert")).to_contain_text("declined")
    page.get_by_label("Card number").fill("4242 4242 4242 4242")
    page.get_by_role("button", name="Pay").click()
    page.wait_for_url("**/_simulator/health")
    assert simulator.client.v1.checkout.sessions.retrieve(session.id).payment_status == "paid"
