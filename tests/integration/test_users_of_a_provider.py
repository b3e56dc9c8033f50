"""Users whose tokens an identity provider signs, as the API answers them."""

from collections.abc import Iterator

import pytest

from examples import identity_provider
from examples.identity_provider import KEYS, Provider
from tests.support import functions
from tests.support.functions import SERVICE_TOKEN, Answer, Functions, bearer
from tests.support.stripe_simulator import Simulator


@pytest.fixture
def provider(fns: Functions) -> Iterator[Provider]:
    with identity_provider.serving() as provider:
        provider.add_key("one", "ES256")
        fns.set(
            JWT_JWKS_URL=provider.configuration_url,
            JWT_ISSUER=provider.issuer,
            JWT_AUDIENCE="web,app",
            JWT_SECRET=None,
        )
        functions.forget_wiring()
        yield provider


def signed(provider: Provider, kid: str = "one", **claims: object) -> dict[str, str]:
    token = provider.token(kid, {"sub": "1", "aud": "app", **claims})
    return {"authorization": f"Bearer {token}"}


def balance(fns: Functions, headers: dict[str, str]) -> Answer:
    return fns.http("account", "GET /checkout/balance", headers=headers)


def test_a_user_of_the_provider_pays_and_reads_page_by_page(
    fns: Functions, provider: Provider, stripe: Simulator
) -> None:
    headers = signed(provider)
    for _ in range(2):
        assert fns.create({"amount_cents": 500}, headers).status == 201
    assert balance(fns, headers).json == {"user_id": 1, "balance_cents": 0, "currency": "eur"}

    route = "GET /checkout/transactions"
    first = fns.http("account", route, headers=headers, query={"limit": "1"}).json
    query = {"limit": "1", "cursor": first["next_cursor"]}
    second = fns.http("account", route, headers=headers, query=query).json

    assert second["transactions"][0]["request_id"] != first["transactions"][0]["request_id"]
    assert second["next_cursor"] is None


def test_our_own_tokens_open_nothing_without_our_secret(fns: Functions, provider: Provider) -> None:
    assert balance(fns, bearer()).status == 401
    assert balance(fns, signed(provider, aud="other")).status == 401
    service = fns.create({"amount_cents": 500, "user_id": 99}, {"x-service-token": SERVICE_TOKEN})
    assert service.status == 404, "a service needs no provider"


def test_a_provider_that_is_away_is_a_503_until_it_was_read(fns: Functions, provider: Provider) -> None:
    answer, provider.answers[KEYS] = provider.answers[KEYS], lambda: (500, {}, b"")
    away = balance(fns, signed(provider))
    assert (away.status, away.json["detail"]) == (503, "The identity provider does not answer.")
    provider.answers[KEYS] = answer
    functions.forget_wiring()
    assert balance(fns, signed(provider)).status == 200
    provider.answers[KEYS] = lambda: (500, {}, b"")
    assert balance(fns, signed(provider)).status == 200


def test_without_issuer_or_audience_nobody_signs_in(fns: Functions, provider: Provider) -> None:
    for name in ("JWT_ISSUER", "JWT_AUDIENCE"):
        with fns.set(**{name: None}):
            functions.forget_wiring()
            refused = balance(fns, signed(provider))
            assert refused.status == 503
            assert f"{name} is not set" in refused.json["detail"]


def test_an_organisations_wallet_is_the_account(fns: Functions, provider: Provider) -> None:
    fns.add_users(8, balance=300)
    fns.set(JWT_USER_CLAIM="/o/id")
    functions.forget_wiring()

    assert balance(fns, signed(provider, o={"id": "8"})).json["balance_cents"] == 300
    assert balance(fns, signed(provider)).status == 401
