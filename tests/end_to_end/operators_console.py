"""The operators' console as a person uses it."""

import re
from collections.abc import Mapping
from typing import Any

from playwright.sync_api import Locator, Page, expect

VIEWS = ("Live", "One payment", "Queues", "Invariants", "Journal", "Switchboard")
MENDED_MS = 150_000
"""A relay comes once a minute, and Stripe repeats a webhook at growing intervals."""


class OperatorsConsole:
    def __init__(self, page: Page, url: str) -> None:
        """Open it at the address that was printed."""
        self.page = page
        page.goto(url)
        expect(page.get_by_role("heading", name="Live", exact=True)).to_be_visible()

    @property
    def main(self) -> Locator:
        return self.page.locator("main")

    def view(self, name: str) -> None:
        self.page.get_by_role("navigation").get_by_role("link", name=name, exact=True).click()
        expect(self.page.get_by_role("heading", level=2)).to_have_text(name)

    def row(self, text: str) -> Locator:
        return self.page.get_by_role("row").filter(has_text=text)

    def payment(self, reference: str) -> None:
        """Show its story."""
        self.view("One payment")
        self.page.get_by_role("textbox").fill(reference)
        self.page.get_by_role("button", name="Show").click()

    def press(self, part: str, act: str, state: str | re.Pattern[str]) -> None:
        """Have the switchboard act, and wait for the state that follows."""
        self.view("Switchboard")
        with self.page.expect_response(lambda answer: part in (answer.request.post_data or "")):
            self.row(part).get_by_role("button", name=act).click()
        expect(self.row(part).locator(".track")).to_have_text(state)

    def decide(
        self,
        row: Locator,
        act: str,
        given: Mapping[str, str],
        plan: Any,
        answer: str = "Done.",
        close: str = "Close",
    ) -> None:
        """Fill in the dialog, see what it announces, confirm it, see the answer, and close it."""
        row.get_by_role("button", name=act, exact=True).click()
        dialog = self.page.get_by_role("dialog")
        for label, value in given.items():
            dialog.get_by_label(label).fill(value)
        if (preview := dialog.get_by_role("button", name="Preview")).is_visible():
            preview.click()
        expect(dialog).to_contain_text(plan)
        dialog.get_by_role("button", name="Do it").click()
        expect(dialog).to_contain_text(answer)
        dialog.get_by_role("button", name=close).click()

    def is_credited(self, request_id: str) -> None:
        """Return once its story says so."""
        self.payment(request_id)
        expect(self.main).to_contain_text("It is credited.", timeout=MENDED_MS)
