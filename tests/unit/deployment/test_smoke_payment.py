"""The payment that smoke makes up, with whatever settings. Sessions and tokens follow the real rules."""

import json
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import requests

from checkout.api.callers import Authenticator
from checkout.api.tokens import Rules, Tokens
from checkout.base.config import Config
from checkout.base.errors import CheckoutError
from checkout.base.user_ids import UserId
from checkout.sessions.session_request import SessionRequest
from deployment import smoke
from deployment.smoke import Smoke
from deployment.smoke_client import SmokeFailed, VerbRefused

SECRET = "x" * 32


class System:
    """A system with one user at most; its API and its operations are as strict as the real ones."""

    api_url = "https://api"
    stripe_api_url: str | None = None
    webhook_sources = ""
    signs_tokens = True

    def __init__(self, **settings: str) -> None:
        self.config = Config({"CHECKOUT_APP_ID": "shop", **settings})
        self.balance: int | None = None
        self.adds_users = True
        self.surplus = 0
        """What is credited more than was promised."""
        self.operated: list[str] = []
        self.expired: list[str] = []
        self.amounts: list[int] = []
        self._promised = 0
        self._is_credited = False
        rules = Rules(self.config.jwt_audiences, self.config.jwt_issuer, self.config.jwt_max_age_seconds)
        self._authenticator = Authenticator(
            Tokens(lambda: [SECRET], rules),
            lambda: [],
            lambda: False,
            user_ids=self.config.user_ids,
            user_claim=self.config.jwt_user_claim,
        )

    def secret(self, name: str) -> str:
        return SECRET

    def checks(self) -> Iterator[tuple[str, str | None]]:
        yield from ()

    def operate(self, verb: str, *arguments: str) -> dict[str, Any]:
        self.operated.append(verb)
        if verb == "add-user":
            if not self.adds_users:
                raise VerbRefused("users is the application's own, without email: add the user there.")
            self.balance = self.balance or 0
        if verb == "adjust":
            [given] = [one for one in arguments if one.startswith("--amount-cents=")]
            cents = int(given.removeprefix("--amount-cents="))
            limits = (self.config.adjust_limit_cents, self.config.four_eyes_cents)
            if any(limit is not None and abs(cents) > limit for limit in limits):
                raise VerbRefused(f"one adjustment may not be {cents}")
            assert self.balance is not None
            self.balance += cents
        return {}

    # As requests.Session

    def request(self, method: str, url: str, *, data: bytes | None, headers: Any, timeout: float) -> Any:
        try:
            status, content = self._answer(method, url.removeprefix(self.api_url), data, headers)
        except CheckoutError as error:
            status, content = error.status, {"detail": error.detail}
        return SimpleNamespace(status_code=status, text=json.dumps(content), json=lambda: content)

    def _answer(self, method: str, path: str, data: bytes | None, headers: Any) -> tuple[int, dict[str, Any]]:
        if path == "/webhooks/stripe":
            self.balance, self._is_credited = (self.balance or 0) + self._promised + self.surplus, True
            return 200, {}
        user_id = self._authenticator.user({name.lower(): value for name, value in headers.items()})
        if method == "POST":
            return 201, self._session(user_id, json.loads(data or b""))
        if path == "/checkout/balance":
            return (404, {}) if self.balance is None else (200, {"balance_cents": self.balance})
        return 200, {"status": "payment_succeeded", "credited": self._is_credited}

    def _session(self, user_id: UserId, body: dict[str, Any]) -> dict[str, Any]:
        wanted = SessionRequest.of(body, user_id, self.config)
        wanted.require_allowed(self.config)
        self._promised = wanted.price(self.config).credit_cents
        self.amounts.append(wanted.amount_cents)
        return {"request_id": "r-1", "session_id": "cs_1", "credit_cents": self._promised}


def tried(monkeypatch: pytest.MonkeyPatch, system: System) -> list[str]:
    """What smoke says of a payment."""
    session = SimpleNamespace(to_dict=lambda: {"id": "cs_1"})
    sessions = SimpleNamespace(retrieve=lambda _: session, expire=system.expired.append)
    client = SimpleNamespace(v1=SimpleNamespace(checkout=SimpleNamespace(sessions=sessions)))
    monkeypatch.setattr(smoke, "stripe_client", lambda *_: client)
    monkeypatch.setattr(requests, "Session", lambda: system)
    said: list[str] = []
    Smoke(system, said.append).payment()
    return said


@pytest.mark.parametrize(
    ("settings", "amount"),
    [
        ({}, 50),
        ({"PRICES": '[{"amount_cents":2000,"credit_cents":2300},{"amount_cents":1000,"credit_cents":1100}]',
          "PRICES_ONLY": "true"}, 1000),
        ({"PRICES": '[{"amount_cents":1000,"credit_cents":1100}]'}, 50),
        ({"CREDIT_PER_CENT": "100"}, 50),
        ({"CREDIT_PER_CENT": "1/100"}, 100),
        ({"BALANCE_CURRENCY": "czk"}, 1500),
        ({"BALANCE_CURRENCY": "isk", "MIN_AMOUNT_CENTS": "150"}, 200),
        ({"MIN_AMOUNT_CENTS": "1000"}, 1000),
        ({"MAX_AMOUNT_CENTS": "100"}, 50),
        ({"JWT_AUDIENCE": "web, app", "JWT_ISSUER": "https://id.example.com"}, 50),
        ({"JWT_AUDIENCE": ""}, 50),
        ({"JWT_USER_CLAIM": "org_id"}, 50),
        ({"JWT_USER_CLAIM": "/o/id"}, 50),
        ({"JWT_MAX_AGE_SECONDS": "10"}, 50),
        ({"USER_ID_TYPE": "uuid"}, 50),
        ({"ADJUST_LIMIT_CENTS": "50", "FOUR_EYES_CENTS": "50"}, 50),
    ],
    ids=str,
)  # fmt: skip
def test_it_is_made_with_the_settings_that_there_are(
    monkeypatch: pytest.MonkeyPatch, settings: dict[str, str], amount: int
) -> None:
    system = System(**settings)
    assert tried(monkeypatch, system)[-1] == "taken back: the balance is 0 again"
    assert system.amounts == [amount]
    assert system.operated == ["add-user", "adjust"]
    assert system.expired == ["cs_1"]


def test_a_user_who_is_there_is_not_added(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a table of the application's own it may be impossible."""
    system = System()
    system.balance, system.adds_users = 7, False
    assert tried(monkeypatch, system)[-1] == "taken back: the balance is 7 again"
    assert system.operated == ["adjust"]


def test_without_a_user_it_says_whom_to_add(monkeypatch: pytest.MonkeyPatch) -> None:
    system = System(USER_ID_TYPE="text")
    system.adds_users = False
    [said] = tried(monkeypatch, system)
    assert said.startswith("no payment was made up, for lack of the user checkout:smoke")
    assert "add the user there" in said


@pytest.mark.parametrize("limit", ["ADJUST_LIMIT_CENTS", "FOUR_EYES_CENTS"])
def test_what_could_not_be_taken_back_is_not_credited(monkeypatch: pytest.MonkeyPatch, limit: str) -> None:
    system = System(CREDIT_PER_CENT="100", **{limit: "4999"})
    said = tried(monkeypatch, system)
    assert said[-1] == (
        "no payment was made up: 5000 would be credited, and smoke may take back 4999 (AdjustLimitCents,"
        " FourEyesCents)"
    )
    assert system.balance == 0
    assert system.expired == ["cs_1"]


def test_a_wrong_credit_is_taken_back_too(monkeypatch: pytest.MonkeyPatch) -> None:
    system = System()
    system.surplus = 3
    with pytest.raises(SmokeFailed, match="53 were credited to user 9000000000000000001 instead of 50"):
        tried(monkeypatch, system)
    assert system.balance == 0
    assert system.expired == ["cs_1"]
