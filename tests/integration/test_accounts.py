"""What a user may read, and what becomes of one payment as its events arrive."""

import base64
import itertools
import time
from typing import Any, Never
from uuid import uuid4

import pytest

from checkout.api.accounts import Accounts
from checkout.base.errors import InvariantBroken
from tests.support.functions import JWT_SECRET, SERVICE_TOKEN, Functions, bearer, finished, token
from tests.support.stripe_events import event, session_object

SESSION = "/checkout/sessions/{request_id}"
TYPES = "checkout.session."


def get_session(fns: Functions, request_id: str) -> Any:
    return fns.get(SESSION, 1, path={"request_id": request_id})


def paid(fns: Functions, user_id: int = 1, **session: Any) -> str:
    request_id = str(uuid4())
    assert fns.webhook(event(session_object(request_id, user_id=user_id, **session))).status == 200
    return request_id


def consume_all(fns: Functions) -> None:
    """As Kafka would: one success for each succeeded row."""
    for row in fns.checkout("SELECT * FROM checkout_transactions WHERE status = 'payment_succeeded'"):
        fns.consume(
            {
                "request_id": row["request_id"],
                "user_id": row["user_id"],
                "amount_cents": row["paid_cents"],
                "currency": row["paid_currency"],
                "purpose": row["purpose"],
                "status": "success",
            }
        )


def test_health_asks_nobody(fns: Functions) -> None:
    fns.set(CHECKOUT_DATABASE_URL="postgresql://x@127.0.0.1:1/x")
    answer = fns.http("account", "GET /health")
    assert (answer.status, answer.json) == (200, {"status": "ok"})


@pytest.mark.parametrize("route", [SESSION, "/checkout/transactions", "/checkout/balance"])
def test_reading_needs_a_users_token(fns: Functions, route: str) -> None:
    for headers, status in (({}, 401), ({"x-service-token": SERVICE_TOKEN}, 401)):
        assert fns.http("account", f"GET {route}", headers=headers, path={"request_id": "x"}).status == status
    both = {**bearer(), "x-service-token": SERVICE_TOKEN}
    assert fns.http("account", f"GET {route}", headers=both, path={"request_id": "x"}).status == 400


def test_a_token_is_good_for_half_a_minute_more_than_it_says(fns: Functions) -> None:
    late = {"authorization": f"Bearer {token(exp=int(time.time()) - 20)}"}
    assert fns.http("account", "GET /checkout/balance", headers=late).status == 200


def test_the_greatest_user_id_is_one(fns: Functions) -> None:
    greatest = 2**63 - 1
    assert fns.get("/checkout/balance", greatest).status == 404
    fns.add_users(greatest)
    assert fns.get("/checkout/balance", greatest).json["user_id"] == greatest


@pytest.mark.parametrize(
    "error", [RuntimeError("a secret"), KeyError("a secret"), InvariantBroken("a secret")], ids=repr
)
def test_an_error_that_was_not_meant_says_nothing_about_us(
    fns: Functions, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def broken(*_: object) -> Never:
        raise error

    monkeypatch.setattr(Accounts, "balance", broken)
    answer = fns.get("/checkout/balance")
    assert (answer.status, answer.headers["content-type"]) == (500, "application/problem+json")
    assert answer.json == {
        "type": "about:blank",
        "title": "Internal error",
        "code": "internal_error",
        "status": 500,
        "detail": "Something went wrong on our side.",
    }


def test_credited_turns_true_with_the_ledger_entry(fns: Functions) -> None:
    request_id = paid(fns)
    before = get_session(fns, request_id.upper()).json
    assert (before["status"], before["credited"]) == ("payment_succeeded", False)
    consume_all(fns)
    after = get_session(fns, request_id).json
    assert {**after, "credited": False} == before
    assert after["credited"] is True
    assert after["completed_at"].endswith("Z")


def test_a_payment_of_the_release_before_credits_what_was_paid(fns: Functions) -> None:
    """It was another amount than asked."""
    request_id = paid(fns)
    fns.checkout("UPDATE checkout_transactions SET amount_cents = 700, credit_cents = NULL")
    assert fns.row(request_id)["paid_cents"] == 500
    found = get_session(fns, request_id).json
    assert (found["amount_cents"], found["credit_cents"]) == (700, 500)


@pytest.mark.parametrize("other", [{"user_id": 2}, {"amount_cents": 501}], ids=["user", "amount"])
def test_an_entry_of_something_else_under_its_key_is_no_credit(fns: Functions, other: dict[str, int]) -> None:
    fns.add_users(2)
    request_id = paid(fns)
    fns.consume(finished(request_id, **other))
    assert get_session(fns, request_id).json["credited"] is False
    [listed] = fns.get("/checkout/transactions").json["transactions"]
    assert listed["credited"] is False


def test_another_purpose_is_never_credited(fns: Functions) -> None:
    request_id = str(uuid4())
    gift = session_object(request_id)
    gift["metadata"]["purpose"] = "gift"
    fns.webhook(event(gift))
    consume_all(fns)
    assert get_session(fns, request_id).json["credited"] is False
    assert fns.balance() == 0


@pytest.mark.parametrize(
    "request_id", ["0c5b3a52-63f1-4a06-9a5b-0f7f4f6d7d10", "x", "", "\0", "\ud800", "r" * 300]
)
def test_a_session_that_is_not_there(fns: Functions, request_id: str) -> None:
    assert get_session(fns, request_id).status == 404


def test_somebody_elses_session_is_not_there_either(fns: Functions) -> None:
    fns.add_users(2)
    request_id = paid(fns, user_id=2)
    mine, nobodys = get_session(fns, request_id), get_session(fns, str(uuid4()))
    assert mine.status == nobodys.status == 404
    assert mine.json["detail"] == nobodys.json["detail"]


def test_the_balance(fns: Functions) -> None:
    fns.add_users(2, balance=-300)
    assert fns.get("/checkout/balance", 2).json == {"user_id": 2, "balance_cents": -300, "currency": "eur"}
    assert fns.get("/checkout/balance", 404).status == 404


def test_transactions_come_newest_first_in_pages(fns: Functions) -> None:
    fns.add_users(2)
    mine = [paid(fns, session_id=f"cs_test_{number}") for number in range(5)]
    paid(fns, user_id=2)
    consume_all(fns)
    seen: list[dict[str, Any]] = []
    cursor: str | None = None
    sizes = []
    while True:
        query = {"limit": "2"} | ({"cursor": cursor} if cursor else {})
        page = fns.get("/checkout/transactions", query=query).json
        seen += page["transactions"]
        sizes.append(len(page["transactions"]))
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert sizes == [2, 2, 1]
    assert [item["request_id"] for item in seen] == mine[::-1]
    assert all(item["credited"] for item in seen)
    assert seen[0].keys() == get_session(fns, mine[0]).json.keys()
    assert seen[0]["session_id"] == "cs_test_4"
    assert fns.get("/checkout/transactions").json["next_cursor"] is None
    assert fns.get("/checkout/transactions", 404).json == {"transactions": [], "next_cursor": None}


@pytest.mark.parametrize(("limit", "count"), [(None, 20), ("1", 1), ("100", 100)])
def test_how_many_a_page_has(fns: Functions, limit: str | None, count: int) -> None:
    fns.checkout(
        "INSERT INTO checkout_transactions (request_id, user_id, amount_cents, currency, purpose, status)"
        " SELECT 'r' || n, 1, 500, 'eur', 'balance_topup', 'session_expired' FROM generate_series(1, 101) n"
    )
    page = fns.get("/checkout/transactions", query=limit and {"limit": limit}).json
    assert len(page["transactions"]) == count
    assert page["next_cursor"]


# "5,6": what API Gateway makes of limit=5&limit=6.
@pytest.mark.parametrize("limit", ["0", "101", "-1", "1.0", "", "ten", " 5", "٥", "9" * 50, "5,6"])
def test_a_limit_that_is_none(fns: Functions, limit: str) -> None:
    answer = fns.get("/checkout/transactions", query={"limit": limit})
    assert answer.status == 400
    assert "limit" in answer.json["detail"]


@pytest.mark.parametrize(
    "cursor", ["", "x", "é", "YmVmb3JlOg", "YmVmb3JlOjA", "YWZ0ZXI6MQ", "YmVmb3JlOjE=", "\0"]
)
def test_a_cursor_that_is_not_ours(fns: Functions, cursor: str) -> None:
    answer = fns.get("/checkout/transactions", query={"cursor": cursor})
    assert answer.status == 400
    assert "cursor" in answer.json["detail"]


def test_a_cursor_shows_nothing_and_is_its_user_s_alone(fns: Functions) -> None:
    fns.add_users(2)
    for number in range(3):
        paid(fns, session_id=f"cs_test_{number}")
        paid(fns, user_id=2, session_id=f"cs_test_2_{number}")
    first = fns.get("/checkout/transactions", query={"limit": "1"}).json
    cursor = first["next_cursor"]
    [row] = fns.checkout(
        "SELECT id FROM checkout_transactions WHERE request_id = %s",
        (first["transactions"][0]["request_id"],),
    )
    number = int(row["id"])
    raw = base64.urlsafe_b64decode(cursor)
    assert str(number).encode() not in raw
    assert number.to_bytes(8) not in raw
    # As an earlier release made them.
    old = base64.urlsafe_b64encode(b"before:%d" % number).decode().rstrip("=")

    def page(user_id: int, cursor: str) -> int:
        return fns.get("/checkout/transactions", user_id, query={"limit": "1", "cursor": cursor}).status

    assert (page(1, cursor), page(2, cursor), page(1, old)) == (200, 400, 400)
    fns.set(JWT_SECRET_PREVIOUS=JWT_SECRET, JWT_SECRET="another secret, since the one before was rotated")
    assert page(1, cursor) == 200
    fns.set(JWT_SECRET_PREVIOUS=None, JWT_SECRET=JWT_SECRET)
    assert page(1, cursor) == 200


LIVES: dict[str, tuple[list[tuple[str, str]], str]] = {
    "card": ([("completed", "paid")], "payment_succeeded"),
    "expired": ([("expired", "unpaid")], "session_expired"),
    "debit settles": ([("completed", "unpaid"), ("async_payment_succeeded", "paid")], "payment_succeeded"),
    "debit fails": ([("completed", "unpaid"), ("async_payment_failed", "unpaid")], "payment_failed"),
    "paid after all": (
        [("completed", "unpaid"), ("async_payment_failed", "unpaid"), ("async_payment_succeeded", "paid")],
        "payment_succeeded",
    ),
}


@pytest.mark.parametrize(("events", "status"), LIVES.values(), ids=LIVES.keys())
def test_every_order_of_a_payments_events_ends_the_same(
    fns: Functions, events: list[tuple[str, str]], status: str
) -> None:
    """Each event also doubled, under its own id and under another."""
    for order in itertools.permutations(events):
        request_id = str(uuid4())
        for event_type, payment_status in order:
            session = session_object(
                request_id,
                session_id=f"cs_test_{request_id}",
                payment_status=payment_status,
                payment_intent="pi_1",
            )
            once = event(session, TYPES + event_type)
            for delivered in (once, once, event(session, TYPES + event_type)):
                assert fns.webhook(delivered).status == 200
        row = fns.row(request_id)
        assert row["status"] == status
        assert (row["completed_at"] is not None) == (status != "payment_processing")
        assert (row["error_message"] is None) == (status == "payment_succeeded")
        assert row["stripe_session_id"] == f"cs_test_{request_id}"


def test_a_processing_payment_is_not_final(fns: Functions) -> None:
    request_id = paid(fns, payment_status="unpaid")
    shown = get_session(fns, request_id).json
    assert (shown["status"], shown["completed_at"], shown["paid_cents"]) == ("payment_processing", None, None)


def test_the_log_says_why_the_database_was_not_available(
    fns: Functions, caplog: pytest.LogCaptureFixture
) -> None:
    """PostgreSQL may have answered with a refusal. The reason is for operators, and not for callers."""
    fns.checkout("ALTER TABLE checkout_transactions RENAME TO elsewhere")
    try:
        answer = fns.get("/checkout/transactions")
    finally:
        fns.checkout("ALTER TABLE elsewhere RENAME TO checkout_transactions")

    assert (answer.status, answer.json["detail"]) == (503, "The database is not available; try again.")
    [why] = [record.__dict__ for record in caplog.records if "sqlstate" in record.__dict__]
    assert (why["sqlstate"], why["reason"]) == ("42P01", 'relation "checkout_transactions" does not exist')
