"""No route is guarded by where it listens: what is not public asks for a token or a signature."""

import pytest

from local.lambda_runtime import template
from tests.infrastructure.transformed import ROOT
from tests.support.functions import Functions

PUBLIC = {"GET /health", "GET /balance", "GET /balance/{asset}", "GET /openapi.json"}
ROUTES = template.load(ROOT / "template.yaml").routes


def test_the_public_routes_are_there() -> None:
    assert {route.key for route in ROUTES} >= PUBLIC


@pytest.mark.parametrize("route", [route for route in ROUTES if route.key not in PUBLIC], ids=lambda r: r.key)
@pytest.mark.parametrize("host", ["api.example.com", "evil.example"])
def test_without_credentials_nothing_is_said_or_done(
    fns: Functions, route: template.Route, host: str
) -> None:
    headers = {"host": host, "origin": "https://evil.example", "content-type": "application/json"}
    path = {"request_id": "00000000-0000-4000-8000-000000000001"}
    answer = fns.http(route.function, route.key, b"{}", headers=headers, path=path)

    assert answer.status in (400, 401)
    assert answer.json["title"] in ("Not authenticated", "Invalid signature")
    assert not any("access-control" in name.lower() for name in answer.headers)
