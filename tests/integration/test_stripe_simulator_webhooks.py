"""Deliveries: signed, repeated until they are answered, and spoiled on request."""

import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import pytest
import requests
import stripe

from tests.support.stripe_simulator import Simulator, WebhookEndpoint
from tests.support.waiting import eventually

SECRET = "whsec_test"
COMPLETED = "checkout.session.completed"


@pytest.fixture
def endpoint() -> Iterator[WebhookEndpoint]:
    with WebhookEndpoint() as running:
        yield running


@pytest.fixture
def simulator(endpoint: WebhookEndpoint, tmp_path: Path) -> Iterator[Simulator]:
    with Simulator(tmp_path, endpoint_url=endpoint.url, endpoint_secret=SECRET) as running:
        yield running


@pytest.mark.parametrize("status", [500, 404, 301])
def test_anything_but_a_2xx_is_tried_again_with_a_fresh_signature(
    simulator: Simulator, endpoint: WebhookEndpoint, status: int
) -> None:
    endpoint.status = status
    simulator.pay(simulator.create_session(metadata={"request_id": "r-7"}))
    # A signature has the second in which it was made.
    eventually(lambda: len({one.headers["Stripe-Signature"] for one in endpoint.of_type(COMPLETED)}) > 1)
    endpoint.status = 204

    eventually(lambda: not simulator.client.v1.events.list({"delivery_success": False}).data)
    attempts = endpoint.of_type(COMPLETED)
    assert len({attempt.event["id"] for attempt in attempts}) == 1
    assert len({attempt.headers["Stripe-Signature"] for attempt in attempts}) > 1
    for attempt in attempts:
        stripe.Webhook.construct_event(attempt.body, attempt.headers["Stripe-Signature"], SECRET)
    (event,) = simulator.client.v1.events.list({"type": COMPLETED, "delivery_success": True}).data
    assert event.pending_webhooks == 0
    assert any(f"webhook failed {COMPLETED}" in line and "r-7" in line for line in simulator.lines)
    assert any(f"webhook delivered {COMPLETED}" in line and "204 in" in line for line in simulator.lines)


def test_waits_between_attempts_double_up_to_a_cap(simulator: Simulator, endpoint: WebhookEndpoint) -> None:
    endpoint.status = 500
    simulator.pay(simulator.create_session())
    times = [attempt.at for attempt in endpoint.wait_for(COMPLETED, 6)[:6]]
    told = re.findall(rf"webhook failed {COMPLETED} .* again in (\S+) s", "\n".join(simulator.lines))
    waits = [float(seconds) for seconds in told[:5]]
    assert waits == [0.1, 0.2, 0.4, 0.5, 0.5]
    # How much longer it really took is this machine's affair.
    assert all(later - earlier >= wait for (earlier, later), wait in zip(pairwise(times), waits, strict=True))


def test_an_endpoint_that_never_answers_is_left_after_its_time_and_tried_again(tmp_path: Path) -> None:
    with WebhookEndpoint(delay_seconds=1.0) as endpoint:
        slow = Simulator(
            tmp_path, endpoint_url=endpoint.url, endpoint_secret=SECRET, webhook_timeout_seconds=0.2
        )
        with slow as simulator:
            simulator.pay(simulator.create_session())
            endpoint.wait_for(COMPLETED, 2)
            eventually(
                lambda: any("no answer within 0.2 s" in line for line in simulator.lines),
                20,
                lambda: simulator.lines,
            )


def test_the_redirect_waits_for_the_answer_but_not_for_ever(tmp_path: Path) -> None:
    with WebhookEndpoint(delay_seconds=0.3) as endpoint:
        waits = Simulator(tmp_path / "a", endpoint_url=endpoint.url, endpoint_secret=SECRET)
        with waits as simulator:
            simulator.pay(simulator.create_session())
            assert simulator.client.v1.events.list({"type": COMPLETED}).data[0].pending_webhooks == 0
        hurries = Simulator(
            tmp_path / "b", endpoint_url=endpoint.url, endpoint_secret=SECRET, redirect_wait_seconds=0.1
        )
        endpoint.delay_seconds = 20.0
        with hurries as simulator:
            session = simulator.create_session()
            started = time.monotonic()
            assert simulator.pay(session).status_code == 303
            assert time.monotonic() - started < endpoint.delay_seconds


def test_a_delivery_is_given_up_at_last(tmp_path: Path) -> None:
    with WebhookEndpoint(status=500) as endpoint:
        short = Simulator(tmp_path, endpoint_url=endpoint.url, endpoint_secret=SECRET, retry_for_seconds=0.5)
        with short as simulator:
            simulator.pay(simulator.create_session())
            eventually(
                lambda: any(COMPLETED in line and "given up" in line for line in simulator.lines),
                20,
                lambda: simulator.lines,
            )
            endpoint.status = 200
            failed = simulator.client.v1.events.list({"delivery_success": False}).data
            assert COMPLETED in [event.type for event in failed]


def test_fifty_parallel_payments_are_each_told_once(simulator: Simulator, endpoint: WebhookEndpoint) -> None:
    sessions = [simulator.create_session() for _ in range(50)]
    with ThreadPoolExecutor(50) as pool:
        assert {answer.status_code for answer in pool.map(simulator.pay, sessions)} == {303}

    told = [attempt.event["data"]["object"]["id"] for attempt in endpoint.wait_for(COMPLETED, 50)]
    assert sorted(told) == sorted(session.id for session in sessions)


def test_an_endpoint_that_hangs_does_not_hold_up_another(endpoint: WebhookEndpoint, tmp_path: Path) -> None:
    patient = Simulator(
        tmp_path,
        endpoint_url=endpoint.url,
        endpoint_secret=SECRET,
        webhook_timeout_seconds=60,
        redirect_wait_seconds=2,
    )
    with WebhookEndpoint(delay_seconds=60.0) as hanging, patient as simulator:
        simulator.client.v1.webhook_endpoints.create({"url": hanging.url, "enabled_events": ["*"]})
        sessions = [simulator.create_session() for _ in range(20)]
        with ThreadPoolExecutor(20) as pool:
            waiting = [pool.submit(simulator.pay, session) for session in sessions]
            endpoint.wait_for(COMPLETED, 20, seconds=30)
            assert {one.result().status_code for one in waiting} == {303}
        assert hanging.of_type(COMPLETED)


def test_the_mode_is_told_and_nonsense_is_refused(simulator: Simulator) -> None:
    address = f"{simulator.url}/_simulator/webhooks"
    assert requests.get(address, timeout=5).json() == {"mode": "normal"}
    simulator.spoil_webhooks("drop")
    assert requests.get(address, timeout=5).json() == {"mode": "drop"}
    for body in ({"mode": "eat"}, {}, ["drop"]):
        assert requests.post(address, json=body, timeout=5).status_code == 400
    json_headers = {"Content-Type": "application/json"}
    assert requests.post(address, data=b"{", headers=json_headers, timeout=5).status_code == 400
    assert requests.get(address, timeout=5).json() == {"mode": "drop"}


def test_dropped_webhooks_are_in_the_list_and_never_come(
    simulator: Simulator, endpoint: WebhookEndpoint
) -> None:
    simulator.spoil_webhooks("drop")
    simulator.pay(simulator.create_session())
    lost = simulator.client.v1.events.list({"delivery_success": False}).data
    assert COMPLETED in {event.type for event in lost}

    # What is due is delivered in order, so these would have come before.
    simulator.spoil_webhooks("normal")
    simulator.pay(simulator.create_session())
    endpoint.wait_for(COMPLETED)
    assert {event.id for event in lost}.isdisjoint(one.event["id"] for one in endpoint.received)


def test_duplicated_webhooks_come_twice_with_one_id(simulator: Simulator, endpoint: WebhookEndpoint) -> None:
    simulator.spoil_webhooks("duplicate")
    simulator.pay(simulator.create_session())

    first, second = endpoint.wait_for(COMPLETED, 2)

    assert first.event["id"] == second.event["id"]
    eventually(
        lambda: not simulator.client.v1.events.list({"delivery_success": False}).data, 20, lambda: first
    )


def test_twins_are_two_events_about_one_fact(simulator: Simulator, endpoint: WebhookEndpoint) -> None:
    simulator.spoil_webhooks("twin")
    simulator.pay(simulator.create_session())

    first, second = endpoint.wait_for(COMPLETED, 2)

    assert first.event["id"] != second.event["id"]
    assert first.event["data"] == second.event["data"]
    assert len(simulator.client.v1.events.list({"type": COMPLETED}).data) == 2


def test_delayed_webhooks_come_seconds_later(simulator: Simulator, endpoint: WebhookEndpoint) -> None:
    simulator.spoil_webhooks("delay")
    started = time.time()
    simulator.pay(simulator.create_session())
    (delivered,) = endpoint.wait_for(COMPLETED)
    assert delivered.at - started > 2


def test_reordered_webhooks_come_last_first(simulator: Simulator, endpoint: WebhookEndpoint) -> None:
    """They are due 0.14 s apart: a machine that stands still for that long may have to try again."""
    simulator.spoil_webhooks("reorder")
    seen = []
    for _ in range(3):
        endpoint.received.clear()
        simulator.pay(simulator.create_session())
        eventually(lambda: len(endpoint.received) == 4, 20, lambda: endpoint.received)
        seen.append([one.event["type"] for one in endpoint.received])
        if seen[-1] == [COMPLETED, "payment_intent.succeeded", "charge.succeeded", "payment_intent.created"]:
            return
    pytest.fail(f"never last first: {seen}")


def test_the_stack_s_endpoint_is_one_over_all_starts_and_stays_disabled(tmp_path: Path) -> None:
    with WebhookEndpoint() as endpoint:
        Simulator(tmp_path, endpoint_url=endpoint.url, endpoint_secret="whsec_old").start().kill()
        with Simulator(tmp_path, endpoint_url=endpoint.url, endpoint_secret=SECRET) as simulator:
            (own,) = simulator.client.v1.webhook_endpoints.list().data
            assert (own.url, own.status, own.enabled_events) == (endpoint.url, "enabled", ["*"])
            simulator.pay(simulator.create_session())
            (delivered,) = endpoint.of_type(COMPLETED)
            stripe.Webhook.construct_event(delivered.body, delivered.headers["Stripe-Signature"], SECRET)
            simulator.client.v1.webhook_endpoints.update(own.id, {"disabled": True})
            simulator.kill()
            simulator.start()
            assert [one.status for one in simulator.client.v1.webhook_endpoints.list().data] == ["disabled"]
            simulator.pay(simulator.create_session())
        assert len(endpoint.of_type(COMPLETED)) == 1
