"""The simulator as a process, with the official client, real HTTP and real webhooks."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest
import requests
import stripe

from tests.support.stripe_simulator import Simulator, WebhookEndpoint
from tests.support.waiting import eventually

SECRET = "whsec_test"
SUCCESS_URL = "http://127.0.0.1:9996/balance?status=success&session_id="


@pytest.fixture(scope="module")
def endpoint() -> Iterator[WebhookEndpoint]:
    with WebhookEndpoint() as running:
        yield running


@pytest.fixture(scope="module")
def simulator(endpoint: WebhookEndpoint, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    data = tmp_path_factory.mktemp("stripe")
    with Simulator(data, endpoint_url=endpoint.url, endpoint_secret=SECRET, debit_seconds=0.3) as running:
        yield running


@pytest.fixture(autouse=True)
def clean(endpoint: WebhookEndpoint) -> None:
    endpoint.received.clear()


def test_a_card_pays_a_session_and_the_endpoint_hears_before_the_redirect(
    simulator: Simulator, endpoint: WebhookEndpoint
) -> None:
    session = simulator.create_session(
        metadata={"request_id": "r1"}, payment_intent_data={"metadata": {"a": "b"}}
    )
    assert (session.status, session.payment_status, session.payment_intent) == ("open", "unpaid", None)

    answer = simulator.pay(session)

    assert (answer.status_code, answer.headers["location"]) == (303, SUCCESS_URL + session.id)
    (delivered,) = endpoint.of_type("checkout.session.completed")
    event = stripe.Webhook.construct_event(delivered.body, delivered.headers["Stripe-Signature"], SECRET)
    assert event.data.object["id"] == session.id
    assert event.data.object["payment_status"] == "paid"
    assert event.data.object["metadata"]["request_id"] == "r1"
    assert delivered.headers["User-Agent"] == "Stripe/1.0 (+https://stripe.com/docs/webhooks)"
    intent = simulator.client.v1.payment_intents.retrieve(
        event.data.object["payment_intent"], {"expand": ["latest_charge.balance_transaction"]}
    ).to_dict()
    assert (intent["status"], intent["amount_received"], intent["metadata"]) == ("succeeded", 500, {"a": "b"})
    booked = intent["latest_charge"]["balance_transaction"]
    assert (booked["amount"], booked["fee"], booked["net"], booked["type"]) == (500, 33, 467, "charge")


@pytest.mark.parametrize(
    ("number", "message"),
    [
        ("4000 0000 0000 0002", "Your card has been declined."),
        ("4000000000009995", "Your card has insufficient funds."),
    ],
)
def test_a_declined_card_leaves_the_session_open_for_another(
    simulator: Simulator, endpoint: WebhookEndpoint, number: str, message: str
) -> None:
    session = simulator.create_session()

    declined = simulator.pay(session, number)

    assert declined.status_code == 402
    assert message in declined.text
    assert simulator.client.v1.checkout.sessions.retrieve(session.id).status == "open"
    endpoint.wait_for("payment_intent.payment_failed")
    assert simulator.pay(session).status_code == 303
    paid = simulator.client.v1.checkout.sessions.retrieve(session.id)
    assert len(simulator.client.v1.charges.list({"payment_intent": str(paid.payment_intent)}).data) == 2


@pytest.mark.parametrize(
    ("method", "event", "payment_status"),
    [("bank_debit_succeeds", "succeeded", "paid"), ("bank_debit_fails", "failed", "unpaid")],
)
def test_a_bank_debit_completes_unpaid_and_is_answered_later(
    simulator: Simulator, endpoint: WebhookEndpoint, method: str, event: str, payment_status: str
) -> None:
    session = simulator.create_session()

    assert simulator.pay(session, payment_method=method).status_code == 303

    (completed,) = endpoint.of_type("checkout.session.completed")
    assert completed.event["data"]["object"]["payment_status"] == "unpaid"
    (settled,) = endpoint.wait_for(f"checkout.session.async_payment_{event}")
    assert settled.event["data"]["object"]["payment_status"] == payment_status


def test_nothing_is_forgotten_when_it_is_killed(tmp_path: Path) -> None:
    with WebhookEndpoint(status=500) as endpoint:
        simulator = Simulator(tmp_path, endpoint_url=endpoint.url, endpoint_secret=SECRET, debit_seconds=0.5)
        with simulator:
            paid, debited = simulator.create_session(), simulator.create_session()
            simulator.pay(paid)
            simulator.pay(debited, payment_method="bank_debit_succeeds")
            simulator.kill()
            endpoint.status = 200
            endpoint.received.clear()
            simulator.start()
            endpoint.wait_for("checkout.session.completed", 2)
            endpoint.wait_for("checkout.session.async_payment_succeeded")
            assert simulator.client.v1.checkout.sessions.retrieve(paid.id).payment_status == "paid"
            assert simulator.stop() == 0


def test_every_answered_payment_survives_a_kill_in_the_middle_of_many(tmp_path: Path) -> None:
    with WebhookEndpoint() as endpoint:
        with Simulator(tmp_path, endpoint_url=endpoint.url, endpoint_secret=SECRET) as simulator:
            sessions = [simulator.create_session() for _ in range(60)]
            answered: list[str] = []

            def pay(session: stripe.checkout.Session) -> None:
                with suppress(requests.RequestException):
                    if simulator.pay(session).status_code == 303:
                        answered.append(session.id)

            with ThreadPoolExecutor(8) as pool:
                payments = [pool.submit(pay, session) for session in sessions]
                eventually(lambda: len(answered) >= 10, 20, lambda: answered)
                simulator.kill()
                for payment in payments:
                    payment.result()
            simulator.start()
            found = simulator.client.v1.checkout.sessions.list({"limit": 100}).data
            paid = {session.id for session in found if session.payment_status == "paid"}
            assert set(answered) <= paid
            events = simulator.client.v1.events.list(
                {"type": "checkout.session.completed", "limit": 100}
            ).data
            assert sorted(event.data.object["id"] for event in events) == sorted(paid)
            made = {event.id for event in events}
            eventually(
                lambda: made == {one.event["id"] for one in endpoint.of_type("checkout.session.completed")},
                10,
                lambda: simulator.lines,
            )


def test_an_endpoint_that_was_away_gets_its_webhook_later(tmp_path: Path) -> None:
    endpoint = WebhookEndpoint().start()
    endpoint.stop()
    with Simulator(tmp_path, endpoint_url=endpoint.url, endpoint_secret=SECRET) as simulator:
        session = simulator.create_session()
        assert simulator.pay(session).status_code == 303
        failed = simulator.client.v1.events.list(
            {"type": "checkout.session.completed", "delivery_success": False}
        )
        assert [event.pending_webhooks for event in failed.data] == [1]
        with endpoint:
            endpoint.wait_for("checkout.session.completed")
            eventually(
                lambda: not simulator.client.v1.events.list({"delivery_success": False}).data,
                5,
                lambda: simulator.lines,
            )


def test_health(simulator: Simulator) -> None:
    assert requests.get(f"{simulator.url}/_simulator/health", timeout=5).json() == {"status": "ok"}
