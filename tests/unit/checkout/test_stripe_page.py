"""docs/stripe.md says what the code does."""

import inspect
import re
from pathlib import Path
from typing import Any

import pytest
import stripe

from checkout.base.errors import StripeRefused
from checkout.payments.events import HANDLED
from checkout.payments.stripe_api import StripeApi
from checkout.payments.stripe_event import API_VERSION
from deployment import key_rights

DOCS = Path(__file__).parents[3] / "docs"
PAGE = (DOCS / "stripe.md").read_text()


def test_the_event_types_to_enable_are_those_that_are_handled() -> None:
    listed = re.findall(r"^- `([a-z_.]+)`$", PAGE, re.MULTILINE)
    assert len(listed) == len(set(listed))
    assert set(listed) == HANDLED


def test_the_api_version_is_the_pinned_one() -> None:
    assert set(re.findall(r"\d{4}-\d\d-\d\d\.\w+", PAGE)) == {API_VERSION}


class Refusing(stripe.HTTPClient):
    """Answers that the key lacks the right, and records what was asked for: its right and its path."""

    name = "refusing"
    asked: list[tuple[str, str]]

    def __init__(self, **_: Any) -> None:
        super().__init__()

    def request(self, method: str, url: str, *_: Any, **__: Any) -> tuple[str, int, dict[str, str]]:
        path = url.partition("/v1/")[2].partition("?")[0].removesuffix("/x_1")
        self.asked.append(("read" if method == "get" else "write", path))
        return '{"error": {"type": "invalid_request_error"}}', 403, {}


def test_the_rights_of_a_restricted_key_are_those_of_the_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Refusing, "asked", [], raising=False)
    monkeypatch.setattr(stripe, "RequestsClient", Refusing)
    client = stripe.StripeClient("rk_test_1", http_client=Refusing())
    names = key_rights.lacking(client, pytest.fail)
    name_of = {path: name for (_, path), name in zip(Refusing.asked, names, strict=True)}

    Refusing.asked.clear()
    api = StripeApi(lambda: "rk_test_1")
    given = {"parameters": {}, "since": 0, "types": [], "starting_after": None}
    for _, call in inspect.getmembers(
        api, lambda found: inspect.ismethod(found) and found.__name__[0] != "_"
    ):
        with pytest.raises(StripeRefused, match=r"docs/stripe\.md"):
            call(**{name: given.get(name, "x_1") for name in inspect.signature(call).parameters})
    called = {(name_of[path], right) for right, path in Refusing.asked}

    granted = set(re.findall(r"^\| ([A-Z][\w ]+) \| (read|write) \|", PAGE, re.MULTILINE))
    granted.remove(("Webhook Endpoints", "write"))
    assert granted | {(name, "read") for name, _ in granted} == called
    assert {name for name, _ in called} == set(names)


@pytest.mark.parametrize("name", sorted(path.name for path in DOCS.glob("*.md")))
def test_three_days_of_retries_are_promised_for_live_mode_alone(name: str) -> None:
    """A sandbox gets three more attempts, and a deleted endpoint none."""
    page = (DOCS / name).read_text().replace("\n\n", "\n|")
    for part in page.split("\n|"):
        if "three days" in part and "Stripe" in part:
            assert "live mode" in part
            assert "sandbox" in part
