"""Smoke if not everything can be tried."""

from collections.abc import Iterator, Mapping
from types import SimpleNamespace
from typing import Any

import pytest
import requests

from deployment import smoke
from deployment.smoke import SmokeFailed


class System:
    """A healthy system in test mode."""

    api_url = "https://api"
    stripe_api_url: str | None = None
    claims: Mapping[str, str] = {}

    def __init__(self, webhook_sources: str) -> None:
        self.webhook_sources = webhook_sources

    def secret(self, name: str) -> str:
        return "sk_test_1"

    def operate(self, verb: str, *arguments: str) -> dict[str, Any]:
        return {"oldest_uncredited_seconds": 0}

    def checks(self) -> Iterator[tuple[str, str | None]]:
        yield from ()


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The requests to an API that refuses every webhook for its source address."""
    given: list[str] = []

    def request(method: str, url: str, **sent: Any) -> Any:
        given.append(f"{method} {url}")
        statuses = {"/webhooks/stripe": 403, "/health": 200, "/balance": 200}
        return SimpleNamespace(status_code=statuses.get(url.removeprefix("https://api"), 401), text="")

    monkeypatch.setattr(requests, "Session", lambda: SimpleNamespace(request=request))
    return given


def test_webhooks_from_stripe_alone_are_not_delivered_from_here(asked: list[str]) -> None:
    said: list[str] = []
    smoke.run(System("192.0.2.1,192.0.2.2"), said.append)
    assert any("192.0.2.1,192.0.2.2 alone, and not from here" in line for line in said)
    assert asked.count("POST https://api/webhooks/stripe") == 1


def test_a_refusal_that_nobody_asked_for_is_none(asked: list[str]) -> None:
    with pytest.raises(SmokeFailed, match="was answered 403 instead of 400"):
        smoke.run(System(""), lambda _: None)
