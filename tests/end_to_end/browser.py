"""The browser of this machine, without its features that ask anybody."""

import shutil

from playwright.sync_api import Browser, Playwright

PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
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
    """None of PROGRAMS is installed."""

    def __init__(self) -> None:
        super().__init__(f"no browser is installed (looked for {', '.join(PROGRAMS)})")


def launched(playwright: Playwright) -> Browser:
    """Raises NoBrowser."""
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if program is None:
        raise NoBrowser
    return playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
