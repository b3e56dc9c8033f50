"""The page in the browser's language: its texts, numbers and times."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from functions.web import app
from tests.end_to_end.balance_page import BalancePage
from tests.end_to_end.fake_checkout import Answer, FakeCheckout
from tests.support import axe
from tests.support.settings import put

STATIC = Path(app.__file__).parent / "static"
GERMAN = {"locale": "de-DE"}
LANGUAGES = "Object.defineProperty(navigator, 'languages', {{ get: () => {} }});"


@pytest.fixture
def balance(page: Page) -> BalancePage:
    return BalancePage(page)


@pytest.mark.parametrize("context_options", [GERMAN], ids=["de"])
def test_german(balance: BalancePage, checkout: FakeCheckout) -> None:
    checkout.balance_cents = 123_456
    checkout.transaction(status="payment_failed", amount_cents=150_000)
    balance.open(checkout, "?status=success&session_id=cs_test_1")
    page = balance.page
    expect(page.locator("html")).to_have_attribute("lang", "de")
    assert page.title() == "Guthaben"
    expect(page.get_by_role("heading", level=2)).to_have_text(["Ihr Guthaben", "Aufladen", "Aufladungen"])
    expect(balance.news).to_contain_text("Die Zahlung ist fehlgeschlagen")
    expect(page.locator("#balance-figure")).to_have_text("123.456 coins")
    expect(page.get_by_text("Konto 7", exact=True)).to_be_visible()
    history = page.get_by_role("region", name="Aufladungen").get_by_role("listitem")
    expect(history).to_contain_text("Zahlung fehlgeschlagen")
    expect(history).to_contain_text("1.500,00\u00a0€")
    expect(history.locator("time")).to_have_text("20.11.2026, 10:30")
    amount = page.get_by_label("Betrag in EUR")
    expect(amount).to_have_value("1500,00")
    expect(amount).to_have_accessible_description("Von 0,50\u00a0€ bis 10.000,00\u00a0€.")
    checkout.refusals.append(Answer.problem(429, retry_after="700"))
    page.get_by_role("button", name="Weiter zu Stripe").click()
    expect(balance.problem).to_contain_text("Bitte versuchen Sie es in 12 Minuten noch einmal.")


@pytest.mark.parametrize("context_options", [GERMAN], ids=["de"])
@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("?status=success&session_id=cs_test_1", "Haben Sie bezahlt, müssen Sie nicht noch einmal bezahlen"),
        ("?status=cancel", "Haben Sie nicht bezahlt, wurde nichts abgebucht"),
    ],
)
def test_german_without_a_token(balance: BalancePage, checkout: FakeCheckout, query: str, words: str) -> None:
    balance.come_back(checkout, query)
    expect(balance.news).to_contain_text(words)
    expect(balance.news).to_contain_text("Sie sind hier nicht angemeldet")


@pytest.mark.parametrize(
    ("languages", "language", "figure"),
    [
        (["fr-FR", "de-CH", "en-US"], "de", "1'000 coins"),
        (["fr-FR", "en-IN"], "en", "1,000 coins"),
        (["fr-FR", "ja"], "en", "1,000 coins"),
        (["DE"], "de", "1.000 coins"),
        (["den-CA"], "en", "1,000 coins"),
        (["de-DE@posix"], "de", "1.000 coins"),
        ([], "en", "1,000 coins"),
    ],
)
def test_the_first_language_that_the_page_has(
    balance: BalancePage, checkout: FakeCheckout, languages: list[str], language: str, figure: str
) -> None:
    balance.page.add_init_script(LANGUAGES.format(json.dumps(languages)))
    balance.open(checkout)
    expect(balance.page.locator("html")).to_have_attribute("lang", language)
    expect(balance.page.locator("#balance-figure")).to_have_text(figure)


@pytest.mark.parametrize("context_options", [GERMAN], ids=["de"])
@pytest.mark.parametrize(("text", "amount"), [("12,34", 1234), ("12.34", 1234), ("12,3", 1230), ("12", 1200)])
def test_point_and_comma_are_both_decimal(
    balance: BalancePage, checkout: FakeCheckout, text: str, amount: int
) -> None:
    balance.open(checkout)
    balance.page.get_by_label("Betrag in EUR").fill(text)
    balance.page.get_by_role("button", name="Weiter zu Stripe").click()
    balance.at_stripe()
    assert checkout.posts[0].body["amount_cents"] == amount


@pytest.mark.parametrize("context_options", [GERMAN], ids=["de"])
def test_thousands_are_not_taken_for_decimals(
    balance: BalancePage, checkout: FakeCheckout, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a currency with three decimals: 1.000 could be a thousand or one."""
    put(monkeypatch, BALANCE_CURRENCY="kwd")
    balance.open(checkout)
    amount = balance.page.get_by_label("Betrag in KWD")
    amount.fill("1.000")
    expect(balance.amount_error).to_have_text(re.compile("Geben Sie einen Betrag wie 1,240 ein"))
    amount.fill("1,000")
    expect(balance.amount_error).to_be_empty()
    balance.page.get_by_role("button", name="Weiter zu Stripe").click()
    balance.at_stripe()
    assert checkout.posts[0].body["amount_cents"] == 1000


def catalogue(browser: Browser) -> dict[str, dict[str, str]]:
    """As the browser reads it."""
    page = browser.new_page()
    [script] = [script for script in app.SCRIPTS if "/balance/catalogue-" in script]
    page.evaluate(script)
    found: dict[str, dict[str, str]] = page.evaluate("modules['catalogue.js'].CATALOGUE")
    page.close()
    return found


def test_every_text_is_there_in_every_language_with_the_same_values(browser: Browser) -> None:
    for key, texts in catalogue(browser).items():
        assert texts.keys() == {"en", "de"}, key
        values = {tuple(sorted(re.findall(r"\{(\w+)\}", text))) for text in texts.values()}
        assert len(values) == 1, key
        assert all(text.strip() == text != "" for text in texts.values()), key
    assert not re.search(r"\b(du|dein\w*|dich|dir)\b", " ".join(t["de"] for t in catalogue(browser).values()))


def test_every_text_is_used_and_no_other_one_is_asked_for(browser: Browser) -> None:
    sources = {path.name: path.read_text("utf-8") for path in STATIC.iterdir() if path.suffix != ".svg"}
    sources.pop("catalogue.js")
    code = "\n".join(source for name, source in sources.items() if name.endswith(".js"))
    named = set(re.findall(r'data-text="(\w+)"', sources["balance.html"]))
    named |= {key for call in re.findall(r"\bsay\(([^)]*)", code) for key in re.findall(r'"(\w+)"', call)}
    titles = set(re.findall(r'(?:message\("\w+", |notCharged\(|resumable\()"(\w+)"', code))
    keys = catalogue(browser).keys()
    assert named | titles <= keys
    assert keys <= named | titles | {f"{title}_text" for title in titles}


@pytest.mark.parametrize(
    "context_options",
    [GERMAN | {"color_scheme": scheme, "reduced_motion": "reduce"} for scheme in ("light", "dark")],
    ids=["light", "dark"],
)
def test_in_german_it_is_accessible_and_fits_a_phone(
    balance: BalancePage, checkout: FakeCheckout, context_options: dict[str, Any]
) -> None:
    balance.page.set_viewport_size({"width": 320, "height": 640})
    checkout.balance_cents = -1
    checkout.transaction(status="payment_processing")
    checkout.refusals.append(Answer.problem(502))
    balance.open(checkout, "?status=success&session_id=cs_test_1")
    expect(balance.news).to_contain_text("Ihre Bank bearbeitet die Zahlung")
    balance.page.get_by_role("radio").first.check()
    balance.page.get_by_role("button", name="Weiter zu Stripe").click()
    expect(balance.problem).to_contain_text("Stripe ist gerade nicht erreichbar")
    assert axe.violations(balance.page) == []
    assert balance.page.evaluate("document.documentElement.scrollWidth") == 320
    checkout.others["other.payload.signature"] = 42
    balance.open(checkout, token="other.payload.signature")
    expect(balance.page.get_by_role("alertdialog", name="Zu einem anderen Konto wechseln?")).to_be_visible()
    assert axe.violations(balance.page) == []
