"""A browser for the tests of the Balance page; they are skipped where none is installed."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright

from functions.web import app
from tests.end_to_end.browser import NoBrowser, launched
from tests.end_to_end.fake_checkout import FakeCheckout, serving
from tests.support.settings import put

PATIENCE_MS = 30_000
WATCH_POLICY = """
addEventListener("securitypolicyviolation", (event) => {
  console.error("Content-Security-Policy:", event.violatedDirective, event.blockedURI);
});
"""


@dataclass
class Complaints:
    """What the browser complained about, except refusals that a test asked for."""

    seen: list[str] = field(default_factory=list)

    def console(self, message: ConsoleMessage) -> None:
        path = urlsplit(message.location["url"]).path
        is_page_file = path.startswith("/balance") and path != "/balance/config.json"
        is_refusal = "Failed to load resource" in message.text and not is_page_file
        if message.type in ("error", "warning") and not is_refusal:
            self.seen.append(message.text)

    def error(self, error: Exception) -> None:
        self.seen.append(str(error))


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One a module: while Playwright runs, no other test in this process can have an event loop."""
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        try:
            found = launched(playwright)
        except NoBrowser as error:
            pytest.skip(str(error))
        yield found
        found.close()


@pytest.fixture
def context_options() -> dict[str, Any]:
    """Options of the browser's context; a test's own come by indirect parametrization or override."""
    return {}


@pytest.fixture
def page(browser: Browser, context_options: dict[str, Any]) -> Iterator[Page]:
    """A new tab of a new user; the test fails if the browser had anything to complain about."""
    defaults = {"locale": "en-GB", "timezone_id": "Europe/Berlin"}
    context = browser.new_context(**(defaults | context_options))
    context.add_init_script(WATCH_POLICY)
    opened = context.new_page()
    opened.set_default_timeout(PATIENCE_MS)
    complaints = Complaints()
    opened.on("console", complaints.console)
    opened.on("pageerror", complaints.error)
    yield opened
    context.close()
    assert complaints.seen == []


@pytest.fixture
def checkout(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeCheckout]:
    """Its balances are in coins, each a cent; what is paid is in euros."""
    put(monkeypatch, BALANCE_UNIT="coins")
    app.config_asset.cache_clear()
    fake = FakeCheckout()
    with serving(fake):
        yield fake
