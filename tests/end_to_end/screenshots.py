"""The pictures in the docs: `make screenshots` takes them anew, and a test takes them, too."""

import tempfile
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.end_to_end.browser import launched
from tests.support.running_stack import RunningStack

FOLDER = Path(__file__).parents[2] / "docs" / "images"
SCHEMES = ("light", "dark")
AMOUNTS = (500, 1_000, 2_000, 5_000, 1_500)
SIZE = {"width": 1120, "height": 645}


def take(stack: RunningStack, open_page: Callable[..., Page], folder: Path) -> list[Path]:
    """The console while payments are made: three are credited, and two customers are at Stripe."""
    sessions = [stack.create(stack.add_user(), amount_cents) for amount_cents in AMOUNTS]
    for session in sessions[:3]:
        stack.pay(session)
    stack.until_credited(*sessions[:3])
    taken = []
    for scheme in SCHEMES:
        page = open_page(color_scheme=scheme, viewport=SIZE)
        page.goto(stack.description["console_url"])
        for session in sessions[:3]:
            expect(page.get_by_role("row").filter(has_text=session.request_id)).to_contain_text("credited in")
        taken.append(folder / f"console-{scheme}.png")
        page.screenshot(path=taken[-1])
    return taken


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as temporary:
        browser: Browser = launched(playwright)
        with RunningStack(Path(temporary) / "project") as stack:
            for path in take(stack, browser.new_page, FOLDER):
                print(path.relative_to(Path.cwd()))
        browser.close()


if __name__ == "__main__":
    main()
