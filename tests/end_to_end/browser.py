"""The browser of this machine, without its features that ask anybody."""

import shutil

from playwright.sync_api import Browser, Playwright

from local.doctor import BROWSERS, HEADLESS

ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


class NoBrowser(RuntimeError):
    """None of BROWSERS is installed."""

    def __init__(self) -> None:
        super().__init__(f"no browser is installed (looked for {', '.join(BROWSERS)})")


def launched(playwright: Playwright) -> Browser:
    """Raises NoBrowser."""
    program = next(filter(None, map(shutil.which, (HEADLESS, *BROWSERS))), None)
    if program is None:
        raise NoBrowser
    return playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
