"""The API admits no more than what is behind it takes."""

from tests.infrastructure import published, transformed


def test_sessions_are_not_asked_for_faster_than_stripe_takes_them() -> None:
    api = transformed.source()["Resources"]["Api"]["Properties"]
    admitted = api["RouteSettings"]["POST /checkout/sessions"]["ThrottlingRateLimit"]
    table = (transformed.ROOT / "docs" / "cost.md").read_text()

    assert admitted < published.STRIPE_CALLS_A_SECOND
    assert f"| {admitted} | Stripe's own limit: {published.STRIPE_CALLS_A_SECOND} calls a second" in table
