"""The Balance page as its user sees it: what can be read and pressed, by role and label."""

from playwright.sync_api import Locator, Page

from tests.end_to_end.fake_checkout import FakeCheckout

TOKEN = "header.payload.signature"


class BalancePage:
    def __init__(self, page: Page) -> None:
        self.page = page
        self.news = page.get_by_role("status")
        self.problem = page.get_by_role("alert")
        self.amount = page.get_by_label("Amount in coins")
        self.amount_error = page.locator("#amount-error")
        self.submit = page.get_by_role("button", name="Continue to Stripe")
        self.busy = page.get_by_role("button", name="Opening Stripe…")
        self.balance = page.get_by_role("region", name="Your balance")
        self.history = page.get_by_role("region", name="History").get_by_role("listitem")
        self.more = page.get_by_role("button", name="Load more")

    def preset(self, coins: str) -> Locator:
        return self.page.get_by_role("radio", name=f"{coins} coins")

    def open(self, checkout: FakeCheckout, query: str = "", token: str = TOKEN) -> "BalancePage":
        """Come to the page as the application's link, or Stripe's redirect, leads to it."""
        self.page.goto(f"{checkout.origin}/balance{query}#token={token}")
        return self

    def come_back(self, checkout: FakeCheckout, query: str) -> "BalancePage":
        """Come to the page with what this tab remembers."""
        self.page.goto(f"{checkout.origin}/balance{query}")
        return self

    def at_stripe(self) -> str:
        """Wait until the browser has left for Stripe's page; the session's id."""
        self.page.wait_for_url("**/stripe/*")
        return self.page.url.rpartition("/")[2]
