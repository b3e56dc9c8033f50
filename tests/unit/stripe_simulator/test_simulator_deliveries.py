from typing import TYPE_CHECKING

import pytest
import stripe

from stripe_simulator.resources import checkout_sessions, webhook_endpoints
from stripe_simulator.webhooks import deliveries
from stripe_simulator.webhooks.signing import signature_header
from stripe_simulator.webhooks.spoiling import Mode, Spoiler

if TYPE_CHECKING:
    from stripe_simulator.storage.transaction import Json
    from tests.unit.stripe_simulator.conftest import Account


def listen(account: "Account", *kinds: str) -> "Json":
    return webhook_endpoints.create(
        account.begin(), url="http://127.0.0.1:1/x", enabled_events=list(kinds) or ["*"], secret="whsec_x"
    )


def happen(account: "Account") -> None:
    """Record one event, of an expired session."""
    checkout_sessions.expire(account.begin(), account.create_session())


def due(account: "Account") -> list[deliveries.Delivery]:
    return deliveries.due(account.begin(), 100)[0]


def test_a_signature_is_what_stripe_s_own_library_expects() -> None:
    header = signature_header('{"a": "ü"}'.encode(), "whsec_x", 1_800_000_000)
    assert header == stripe.WebhookSignature.generate_signature_header('{"a": "ü"}', "whsec_x", 1_800_000_000)


def test_waits_double_from_the_base_to_the_cap_until_the_time_is_up(account: "Account") -> None:
    listen(account)
    happen(account)
    waits = []
    while (wait := deliveries.record_failure(account.begin(), due(account)[0].seq)) is not None:
        waits.append(wait)
        assert due(account) == []
        account.time += wait
    assert waits[:6] == [1, 2, 4, 8, 16, 20]
    assert set(waits[6:]) == {20}
    assert sum(waits) > account.settings.retry_for_seconds
    assert due(account) == []


def test_what_is_under_way_is_not_due_again(account: "Account") -> None:
    listen(account)
    happen(account)
    (delivery,), _ = deliveries.due(account.begin(), 100)
    assert deliveries.due(account.begin(), 100, [delivery.seq]) == ([], None)
    assert deliveries.due(account.begin(), 100, busy=[delivery.endpoint_id]) == ([], None)
    deliveries.record_success(account.begin(), delivery.seq)
    assert due(account) == []


def test_only_enabled_endpoints_that_want_a_type_hear_of_it(account: "Account") -> None:
    every, this = listen(account), listen(account, "checkout.session.expired")
    listen(account, "checkout.session.completed", "checkout.session")
    webhook_endpoints.update(account.begin(), listen(account), {"disabled": True})
    happen(account)
    rows = account.connection.execute("SELECT endpoint_id FROM deliveries ORDER BY seq").fetchall()
    assert [row[0] for row in rows] == [every["id"], this["id"]]


def test_what_waits_for_an_endpoint_that_is_gone_is_given_up(account: "Account") -> None:
    disabled, deleted = listen(account), listen(account)
    happen(account)
    webhook_endpoints.update(account.begin(), disabled, {"disabled": True})
    webhook_endpoints.delete(account.begin(), deleted)
    assert due(account) == []
    states = account.connection.execute("SELECT DISTINCT state FROM deliveries").fetchall()
    assert states == [("failed",)]


def test_the_own_endpoint_moves_with_what_it_has_not_answered(account: "Account") -> None:
    webhook_endpoints.register_own(account.begin(), "http://127.0.0.1:1/a", "whsec_a")
    happen(account)
    webhook_endpoints.register_own(account.begin(), "http://127.0.0.1:1/b", "whsec_b")
    (delivery,) = due(account)
    assert (delivery.url, delivery.secret) == ("http://127.0.0.1:1/b", "whsec_b")
    assert len(account.begin().all("webhook_endpoint")) == 1


@pytest.mark.parametrize(
    ("mode", "events", "pending"),
    [
        (Mode.NORMAL, 1, 1),
        (Mode.DROP, 1, 0),
        (Mode.DUPLICATE, 1, 2),
        (Mode.DELAY, 1, 0),
        (Mode.REORDER, 1, 0),
        (Mode.TWIN, 2, 2),
    ],
)
def test_what_a_mode_makes_of_one_fact(account: "Account", mode: Mode, events: int, pending: int) -> None:
    listen(account)
    account.spoiler.mode = mode
    happen(account)
    assert len(account.events()) == events
    assert len(due(account)) == pending


@pytest.mark.parametrize("fraction", [0.0, 0.3, 0.999])
def test_reordering_mirrors_what_happens_within_a_moment(fraction: float) -> None:
    spoiler = Spoiler(Mode.REORDER)
    made = [(100 + fraction, position) for position in range(8)]
    times = [spoiler.due_at(*one) for one in made]
    assert times == sorted(times, reverse=True)
    assert all(101 <= time <= 103.1 for time in times)
