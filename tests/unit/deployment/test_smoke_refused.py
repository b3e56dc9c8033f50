"""Smoke if not everything can be tried."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import requests

from checkout.base.config import Config
from deployment import smoke
from deployment.smoke_client import SmokeFailed

FINISHED: dict[str, Any] = {
    "topic": "checkout.finished",
    "group": "checkout-finished-consumer",
    "partition": 2,
    "offset": 7,
}


class System:
    """A healthy system."""

    api_url = "https://api"
    stripe_api_url: str | None = None
    config = Config({})
    signs_tokens = True

    def __init__(self, webhook_sources: str, key: str = "sk_test_1", committed: int = 8) -> None:
        self.webhook_sources = webhook_sources
        self._key = key
        self._committed = committed
        self.operated: list[str] = []

    def secret(self, name: str) -> str:
        return self._key

    def operate(self, verb: str, *arguments: str) -> dict[str, Any]:
        self.operated.append(verb)
        committed = {"committed": self._committed, "is_past": self._committed > FINISHED["offset"]}
        return {"oldest_uncredited_seconds": 0, "triggers": [FINISHED | committed]}

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


@pytest.mark.parametrize("key", ["sk_live_1", "rk_live_1"])
def test_also_in_live_mode_the_topics_are_read(asked: list[str], key: str) -> None:
    said: list[str] = []
    live = System("192.0.2.1", key)

    smoke.run(live, said.append)

    assert live.operated == ["reconcile", "triggers"]
    assert said[-2:] == [
        "a record without effect was read from checkout.finished",
        "live mode: nothing was credited",
    ]


def test_a_token_that_only_the_identity_provider_can_sign_is_not_made_up(
    asked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(System, "signs_tokens", False)
    monkeypatch.setattr(smoke.Smoke, "takes_webhooks", lambda _: True)
    monkeypatch.setattr(smoke.Smoke, "foreign_event", lambda _: None)

    smoke.run(System(""), said.append)

    assert said[-1].startswith("no JWT_SECRET")


def test_a_topic_that_is_not_read_is_a_failure_with_a_place_to_look(asked: list[str]) -> None:
    with pytest.raises(SmokeFailed) as failed:
        smoke.run(System("192.0.2.1", "sk_live_1", committed=7), lambda _: None)

    assert str(failed.value) == (
        "checkout.finished is not read: checkout-finished-consumer has not committed offset 7 of partition 2;"
        " look at its trigger and at the log of its function"
    )
