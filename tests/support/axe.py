"""What axe-core finds in a page: elements that some people cannot perceive or use."""

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

IMPACTS = ("serious", "critical")
SCHEMES = [{"color_scheme": scheme, "reduced_motion": "reduce"} for scheme in ("light", "dark")]
"""For `context_options`: a page is judged in both."""


def violations(page: Page) -> list[str]:
    """One line for each violation of IMPACTS in what the page shows, with the elements concerned.

    Colors are judged as they are at this moment, so open the page with `reduced_motion="reduce"`.
    """
    return [
        f"{found['impact']}, {found['id']}: {found['help']}: "
        + ", ".join(str(node["target"][-1]) for node in found["nodes"])
        for found in Axe().run(page).response["violations"]
        if found["impact"] in IMPACTS
    ]
