"""How many round trips to the databases each path takes, counted on the wire."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any
from uuid import uuid4

import pytest

from tests.support import functions
from tests.support.functions import Functions, finished, requested
from tests.support.round_trips import RoundTrips
from tests.support.stripe_events import event, session_object
from tests.support.stripe_reversals import KnownStripe, dispute, payment_intent, refund
from tests.support.stripe_simulator import Simulator

TABLE: dict[str, tuple[int, int | None]] = {
    # path: round trips, at most
    "webhook: paid": (4, 4),
    "webhook: known event": (1, 1),
    "webhook: event that nobody handles": (2, 2),
    "webhook: session that nobody began here": (7, None),
    "webhook: session that expired": (4, None),
    "webhook: refund": (5, 5),
    "webhook: refund that failed": (5, 5),
    "webhook: dispute": (5, 5),
    "webhook: payment of a refund that waited": (5, None),
    "create a session: new": (4, 4),
    "create a session: known request_id": (1, 4),
    "GET session": (2, 2),
    "GET transactions": (2, 2),
    "GET balance": (1, 2),
    "record of checkout.requests": (7, None),
    "credits: batch of 1": (4, 5),
    "credits: batch of 200": (4, 5),
    "relay: 1 row": (5, None),
    "relay: 100 rows": (5, None),
}
"""Whoever lowers a number lowers it here. The connections are open, and Stripe's answers are not counted."""

Counted = Callable[[str], AbstractContextManager[None]]


@pytest.fixture(scope="module")
def measured(request: pytest.FixtureRequest) -> Iterator[dict[str, int]]:
    """Round trips by path; printed at the end of the module."""
    found: dict[str, int] = {}
    yield found
    capture = request.config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():
        print(f"\n\n{'path':<38}{'round trips':>12}{'at most':>9}")
        for path, count in found.items():
            print(f"{path:<38}{count:>12}{TABLE[path][1] or '-':>9}")


@pytest.fixture
def counted(fns: Functions, measured: dict[str, int]) -> Iterator[Counted]:
    """`with counted(path)` asserts how many round trips the block takes."""
    trips = RoundTrips(fns.settings["CHECKOUT_DATABASE_URL"])
    names = ("CHECKOUT_DATABASE_URL", "DATABASE_URL")
    fns.set(**{name: trips.url(fns.settings[name]) for name in names})
    functions.forget_wiring()
    # Both connections are made, and their timeouts set.
    assert fns.get("/checkout/balance").status == fns.get("/checkout/transactions").status == 200

    @contextmanager
    def counting(path: str) -> Iterator[None]:
        with trips.counting():
            yield
        measured[path] = trips.count
        assert trips.count == TABLE[path][0], path

    yield counting
    trips.close()


def begun(fns: Functions, **fields: Any) -> dict[str, Any]:
    """The paid event of a session that was created here."""
    answer = fns.create({"amount_cents": 500}).json
    return event(session_object(answer["request_id"], session_id=answer["session_id"], **fields))


def test_webhooks(fns: Functions, stripe: Simulator, counted: Counted) -> None:
    paid = begun(fns)
    assert fns.webhook(begun(fns)).json["outcome"] == "applied"

    with counted("webhook: paid"):
        assert fns.webhook(paid).json["outcome"] == "applied"
    assert fns.checkout("SELECT 1 FROM outbox") == []

    expired = begun(fns, payment_status="unpaid")
    expired["data"]["object"]["status"] = "expired"
    with counted("webhook: session that expired"):
        assert fns.webhook({**expired, "type": "checkout.session.expired"}).json["outcome"] == "applied"

    with counted("webhook: session that nobody began here"):
        assert fns.webhook(event(session_object(str(uuid4())))).json["outcome"] == "applied"

    with counted("webhook: known event"):
        assert fns.webhook(paid).json["outcome"] == "duplicate"

    with counted("webhook: event that nobody handles"):
        customer = event({"id": "cus_1", "object": "customer"}, "customer.created")
        assert fns.webhook(customer).json["outcome"] == "ignored"


@pytest.mark.parametrize(
    ("path", "resource", "event_type"),
    [
        ("webhook: refund", refund("pi_1"), "refund.created"),
        ("webhook: refund that failed", refund("pi_1", status="failed"), "refund.failed"),
        ("webhook: dispute", dispute("pi_1", -500), "charge.dispute.funds_withdrawn"),
    ],
)
def test_reversals(
    fns: Functions,
    known: KnownStripe,
    counted: Counted,
    path: str,
    resource: dict[str, Any],
    event_type: str,
) -> None:
    fns.webhook(event(session_object(str(uuid4()), payment_intent="pi_1")))
    known.knows(resource["id"], resource)

    with counted(path):
        assert fns.webhook(event(resource, event_type)).json["outcome"] == "applied"
    assert fns.checkout("SELECT 1 FROM outbox") == []


def test_a_payment_after_its_refund(fns: Functions, known: KnownStripe, counted: Counted) -> None:
    paid, early = event(session_object(str(uuid4()), payment_intent="pi_1")), refund("pi_1")
    unpaid = {**paid["data"]["object"], "payment_status": "unpaid"}
    fns.webhook(event(unpaid))
    known.knows("pi_1", payment_intent("pi_1"))
    known.knows(early["id"], early)
    assert fns.webhook(event(early, "refund.created")).json["outcome"] == "waiting"

    with counted("webhook: payment of a refund that waited"):
        assert fns.webhook(paid).json["outcome"] == "applied"
    assert fns.checkout("SELECT state FROM reversals") == [{"state": "emitted"}]
    assert fns.checkout("SELECT 1 FROM outbox") == []


def test_sessions(fns: Functions, stripe: Simulator, counted: Counted) -> None:
    wanted = {"amount_cents": 500, "request_id": str(uuid4())}
    with counted("create a session: new"):
        assert fns.create(wanted).status == 201
    with counted("create a session: known request_id"):
        assert fns.create(wanted).status == 200


def test_read_routes(fns: Functions, stripe: Simulator, counted: Counted) -> None:
    paid = begun(fns)
    fns.webhook(paid)
    request_id = paid["data"]["object"]["metadata"]["request_id"]
    fns.consume(finished(request_id, payment_intent_id=paid["data"]["object"]["payment_intent"]))

    with counted("GET session"):
        answer = fns.get("/checkout/sessions/{request_id}", path={"request_id": request_id})
    assert answer.json["credited"] is True
    with counted("GET transactions"):
        page = fns.get("/checkout/transactions").json
    assert [one["credited"] for one in page["transactions"]] == [True]
    with counted("GET balance"):
        assert fns.get("/checkout/balance").json["balance_cents"] == 500


def test_a_record_of_checkout_requests(fns: Functions, stripe: Simulator, counted: Counted) -> None:
    with counted("record of checkout.requests"):
        assert fns.ask(requested()) == []
    assert fns.checkout("SELECT 1 FROM outbox") == []


@pytest.mark.parametrize("size", [1, 200])
def test_credits(fns: Functions, counted: Counted, size: int) -> None:
    fns.add_users(*range(2, 41))
    batch = [finished(user_id=1 + number % 40, payment_intent_id=f"pi_{number}") for number in range(size)]

    with counted(f"credits: batch of {size}"):
        assert fns.consume(*batch) == {"batchItemFailures": []}
    assert len(fns.application("SELECT 1 FROM ledger_entries")) == size


@pytest.mark.parametrize(("rows", "path"), [(1, "relay: 1 row"), (100, "relay: 100 rows")])
def test_the_relay(fns: Functions, counted: Counted, rows: int, path: str) -> None:
    fns.checkout(
        "INSERT INTO outbox (effect_key, topic, key, value, created_at)"
        " SELECT 'success:' || n, 'checkout.finished', '1', '{}', now() - interval '1 minute'"
        " FROM generate_series(1, %s) AS n",
        (rows,),
    )

    with counted(path):
        assert fns.invoke("outbox_relay", {}) == {"published": rows, "left": 0}
