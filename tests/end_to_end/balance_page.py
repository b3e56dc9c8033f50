"""The Balance page as its user sees it: elements by role and label."""

import re

from playwright.sync_api import Locator, Page

from tests.end_to_end.fake_checkout import FakeCheckout

TOKEN = "header.payload.signature"

CONTRAST = """
() => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgb = (color) => {
    canvas.fillStyle = color;
    canvas.fillRect(0, 0, 1, 1);
    return canvas.getImageData(0, 0, 1, 1).data;
  };
  const luminance = (color) => {
    const [r, g, b] = [...rgb(color)].slice(0, 3).map((value) => value / 255)
      .map((value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const background = (element) => {
    for (let here = element; here; here = here.parentElement) {
      const color = getComputedStyle(here).backgroundColor;
      if (color !== "rgba(0, 0, 0, 0)") return color;
    }
    return "white";
  };
  const weak = [];
  for (const element of document.querySelectorAll("body *")) {
    const text = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    if (!text || !element.checkVisibility()) continue;
    const [a, b] = [getComputedStyle(element).color, background(element)].map(luminance);
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) weak.push(`${element.tagName} ${element.textContent}: ${ratio.toFixed(2)}`);
  }
  return weak;
}
"""
"""JavaScript: the texts whose contrast with their background is too low."""


class BalancePage:
    def __init__(self, page: Page) -> None:
        self.page = page
        self.news = page.get_by_role("status")
        self.problem = page.get_by_role("alert")
        self.amount = page.get_by_label(re.compile("^Amount in "))
        self.amount_error = page.locator("#amount-error")
        self.submit = page.get_by_role("button", name="Continue to Stripe")
        self.busy = page.get_by_role("button", name="Opening Stripe…")
        self.balance = page.get_by_role("region", name="Your balance")
        self.history = page.get_by_role("region", name="Top-ups").get_by_role("listitem")
        self.more = page.get_by_role("button", name="Load more")
        self.question = page.get_by_role("alertdialog", name="Switch to another account?")

    def preset(self, coins: str) -> Locator:
        return self.page.get_by_role("radio", name=f"{coins} coins")

    def open(self, checkout: FakeCheckout, query: str = "", token: str = TOKEN) -> "BalancePage":
        """Open the page by a link of the application."""
        self.page.goto(f"{checkout.origin}/balance{query}#token={token}")
        return self

    def come_back(self, checkout: FakeCheckout, query: str) -> "BalancePage":
        """Open the page by Stripe's redirect; the tab remembers the token."""
        self.page.goto(f"{checkout.origin}/balance{query}")
        return self

    def at_stripe(self) -> str:
        """Wait until the browser has left for Stripe's page, and return the session's id."""
        self.page.wait_for_url("**/stripe/*")
        return self.page.url.rpartition("/")[2]
