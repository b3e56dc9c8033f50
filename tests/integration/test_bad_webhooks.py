"""POST /webhooks/stripe with bad input: 400 and nothing stored, or 200 and held, never a credit."""

import time
from typing import Any
from uuid import uuid4

import pytest

from checkout.base.postgres import Transaction
from tests.support.crashes import Died
from tests.support.functions import Functions
from tests.support.stripe_events import (
    APP_ID,
    WEBHOOK_SECRET,
    encoded,
    event,
    session_object,
    signature,
)
from tests.support.stripe_reversals import KnownStripe


def nothing_stored(fns: Functions) -> bool:
    return fns.checkout("SELECT 1 FROM stripe_events UNION ALL SELECT 1 FROM checkout_transactions") == []


def body() -> bytes:
    return encoded(event(session_object(str(uuid4()))))


@pytest.mark.parametrize(
    "header",
    [
        None,
        "garbage",
        "t=,v1=",
        "v1=00",
        "t={now}",
        "t={now},v0=00",
        "t={now},v1=00",
        "t={now},v1=é",
        "t=99999999999999999999,v1=00",
    ],
)
def test_no_signature_or_no_good_one(fns: Functions, header: str | None) -> None:
    signed = header and header.replace("{now}", str(int(time.time())))
    assert fns.webhook(body(), signed).status == 400
    assert nothing_stored(fns)


@pytest.mark.parametrize("age", [301, 86_400, -301, -86_400])
def test_a_signature_from_more_than_five_minutes_ago_or_ahead(fns: Functions, age: int) -> None:
    content = body()
    answer = fns.webhook(content, signature(content, timestamp=int(time.time()) - age))
    assert answer.status == 400
    assert nothing_stored(fns)


def test_one_byte_changed(fns: Functions) -> None:
    content = body()
    assert fns.webhook(content.replace(b"500", b"501"), signature(content)).status == 400
    assert fns.webhook(content, signature(content, "whsec_other")).status == 400
    assert fns.webhook(b"\xff" + content, signature(content), as_base64=True).status == 400
    assert nothing_stored(fns)


def test_any_of_several_secrets_is_good_while_one_is_rotated(fns: Functions) -> None:
    fns.set(STRIPE_WEBHOOK_SECRET=f"whsec_new, {WEBHOOK_SECRET}")
    for secret in (WEBHOOK_SECRET, "whsec_new"):
        content = body()
        assert fns.webhook(content, signature(content, secret)).status == 200


@pytest.mark.parametrize("secrets", ["", " ", ",whsec_a", "whsec_a,", "whsec_a,,whsec_b"])
def test_an_empty_secret_is_refused_at_start(fns: Functions, secrets: str) -> None:
    fns.set(STRIPE_WEBHOOK_SECRET=secrets)
    content = body()
    answer = fns.webhook(content, signature(content, "x"))
    assert answer.status == 503
    assert "STRIPE_WEBHOOK_SECRET" in answer.json["detail"]
    assert nothing_stored(fns)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"text",
        b"[]",
        b"{}",
        b'{"id": "evt_1", "type": "x"}',
        b'{"id": "evt_1", "type": "x", "data": []}',
        b'{"id": "evt_1", "type": "x", "data": {"object": []}}',
        b'{"id": 1, "type": "x", "data": {"object": {}}}',
        b'{"id": "", "type": "x", "data": {"object": {}}}',
        b'{"id": "evt_1", "type": null, "data": {"object": {}}}',
        b'{"id": "evt_1", "type": "x", "data": {"object": {"a": NaN}}}',
        b"[" * 50_000,
    ],
)
def test_a_good_signature_over_what_is_no_event(fns: Functions, content: bytes) -> None:
    answer = fns.webhook(content)
    assert answer.status == 400
    assert nothing_stored(fns)


def held(fns: Functions, stripe_event: dict[str, Any]) -> str:
    """Answered 200, kept as held with a reason, and no money moved."""
    answer = fns.webhook(stripe_event)
    assert (answer.status, answer.json["outcome"]) == (200, "held")
    [stored] = fns.checkout("SELECT * FROM stripe_events WHERE event_id = %s", (stripe_event["id"],))
    assert stored["outcome"] == "held"
    assert fns.checkout("SELECT 1 FROM outbox") == []
    assert fns.checkout("SELECT 1 FROM checkout_transactions WHERE status = 'payment_succeeded'") == []
    return str(stored["reason"])


def test_the_wrong_mode_is_held(fns: Functions) -> None:
    assert "livemode" in held(fns, event(session_object(str(uuid4())), livemode=True))


def test_a_test_event_with_a_live_key_is_held(fns: Functions) -> None:
    fns.set(STRIPE_SECRET="sk_live_tests")
    assert "livemode" in held(fns, event(session_object(str(uuid4()))))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("user_id", "abc"),
        ("user_id", "0"),
        ("user_id", "01"),
        ("user_id", "-1"),
        ("user_id", str(2**63)),
        ("user_id", None),
        ("user_id", 1),
        ("request_id", None),
        ("request_id", ""),
        ("request_id", "x" * 256),
        ("request_id", "nul\0"),
        ("request_id", "\ud800"),
        ("purpose", ""),
        ("purpose", None),
    ],
)
def test_nonsense_in_our_metadata_is_held(fns: Functions, field: str, value: Any) -> None:
    session = session_object(str(uuid4()))
    session["metadata"][field] = value
    assert field in held(fns, event(session))


@pytest.mark.parametrize("amount", [None, 0, -1, 2**63, 1.5, "500", True])
def test_paid_without_an_amount_that_can_be_credited_is_held(fns: Functions, amount: Any) -> None:
    assert "amount_total" in held(fns, event(session_object(str(uuid4()), amount=amount)))


def test_no_payment_required_is_held(fns: Functions) -> None:
    held(fns, event(session_object(str(uuid4()), payment_status="no_payment_required")))


def test_a_status_that_does_not_go_with_the_event_is_held(fns: Functions) -> None:
    unpaid = session_object(str(uuid4()), payment_status="unpaid")
    held(fns, event(unpaid, "checkout.session.async_payment_succeeded"))


@pytest.mark.parametrize(("field", "value"), [("id", None), ("id", "x" * 256), ("currency", None)])
def test_a_session_that_lacks_what_we_need_is_held(fns: Functions, field: str, value: Any) -> None:
    held(fns, event({**session_object(str(uuid4())), field: value}))


def test_another_user_than_the_rows_is_held(fns: Functions) -> None:
    request_id = str(uuid4())
    unpaid = session_object(request_id, payment_status="unpaid", session_id="cs_test_one")
    assert fns.webhook(event(unpaid)).json["outcome"] == "applied"

    reason = held(fns, event(session_object(request_id, user_id=2, session_id="cs_test_one")))

    assert "another user" in reason
    assert fns.row(request_id)["status"] == "payment_processing"


@pytest.mark.parametrize(
    "metadata", [None, {}, {"checkout_app": "another"}, {"request_id": "x", "user_id": "1"}, "text", []]
)
def test_what_is_not_ours_is_stored_and_ignored(fns: Functions, metadata: Any) -> None:
    foreign = event({**session_object("x"), "metadata": metadata}, livemode=True, api_version="2019-01-01")
    answer = fns.webhook(foreign)
    assert (answer.status, answer.json["outcome"]) == (200, "ignored")
    assert fns.checkout("SELECT 1 FROM checkout_transactions") == []
    [stored] = fns.checkout("SELECT payload FROM stripe_events")
    assert stored["payload"] == foreign


def test_every_other_type_is_stored_and_acknowledged(fns: Functions) -> None:
    odd = event(
        {"id": "prod_1", "metadata": {"checkout_app": APP_ID, "nul": "\0", "surrogate": "\ud800"}},
        "product.created",
    )
    assert fns.webhook(odd).json["outcome"] == "ignored"
    assert len(fns.checkout("SELECT event_id FROM stripe_events")) == 1


@pytest.mark.parametrize("wrong", [{"mode": "setup"}, {"amount_total": 0}], ids=["unread", "read"])
def test_a_held_event_is_announced_although_the_process_dies_at_its_commit(
    fns: Functions,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    wrong: dict[str, Any],
) -> None:
    """When Stripe sends it again it is known, and nobody is called."""
    ends = Transaction.end

    def dies(transaction: Transaction, statement: str) -> None:
        ends(transaction, statement)
        raise Died

    monkeypatch.setattr(Transaction, "end", dies)
    held = event({**session_object(str(uuid4())), **wrong})
    with pytest.raises(Died):
        fns.webhook(held)

    assert [row["outcome"] for row in fns.checkout("SELECT outcome FROM stripe_events")] == ["held"]
    assert '"StripeEventHeld":[1.0]' in capsys.readouterr().out


def test_another_session_of_a_known_request_is_a_payment_of_its_own_and_loud(
    fns: Functions, capsys: pytest.CaptureFixture[str]
) -> None:
    request_id = str(uuid4())
    fns.webhook(event(session_object(request_id, session_id="cs_test_First")))
    second = session_object(request_id, session_id="cs_test_Second", amount=700)

    assert fns.webhook(event(second)).json["outcome"] == "applied"
    assert fns.webhook(event(second)).json["outcome"] == "applied"  # Its twin, under another event id.

    own = fns.row(f"{request_id}:cs_test_second")
    assert (own["status"], own["paid_cents"], own["user_id"]) == ("payment_succeeded", 700, 1)
    assert fns.row(request_id)["paid_cents"] == 500
    assert "SecondPayment" in capsys.readouterr().out


def test_another_session_of_a_known_request_that_names_another_user_is_held(fns: Functions) -> None:
    request_id = str(uuid4())
    fns.webhook(event(session_object(request_id, payment_status="unpaid")))
    fns.add_users(2)
    assert "another user" in held(fns, event(session_object(request_id, user_id=2)))
    assert len(fns.checkout("SELECT 1 FROM checkout_transactions")) == 1


def test_an_event_of_another_api_version_is_credited_as_stripe_has_it_now(
    fns: Functions, known: KnownStripe
) -> None:
    request_id = str(uuid4())
    old = session_object(request_id, amount=1)
    known.knows(old["id"], {**old, "amount_total": 700})
    assert fns.webhook(event(old, api_version="2019-01-01")).json["outcome"] == "applied"
    assert fns.row(request_id)["paid_cents"] == 700


def test_another_session_of_a_known_request_that_is_not_paid_is_ignored(fns: Functions) -> None:
    request_id = str(uuid4())
    fns.webhook(event(session_object(request_id, session_id="cs_test_first")))
    unpaid = session_object(request_id, session_id="cs_test_second", payment_status="unpaid")
    assert fns.webhook(event(unpaid, "checkout.session.expired")).json["outcome"] == "ignored"
    assert fns.row(request_id)["status"] == "payment_succeeded"


def test_an_unpaid_session_of_another_user_is_ignored_although_the_request_has_none(fns: Functions) -> None:
    """A restore took the row of the request, and another user has begun one under the same name."""
    request_id = str(uuid4())
    fns.checkout(
        "INSERT INTO checkout_transactions (request_id, user_id, amount_cents, currency, purpose, status)"
        " VALUES (%s, 1, 500, 'eur', 'balance_topup', 'session_pending')",
        [request_id],
    )
    unpaid = session_object(request_id, user_id=2, payment_status="unpaid")
    assert fns.webhook(event(unpaid, "checkout.session.expired")).json["outcome"] == "ignored"
    assert fns.row(request_id)["status"] == "session_pending"


def test_a_second_payment_whose_name_would_be_too_long_is_held(fns: Functions) -> None:
    request_id = "r" * 250
    fns.webhook(event(session_object(request_id, session_id="cs_test_first")))
    fns.checkout("DELETE FROM outbox")
    second = event(session_object(request_id, session_id="cs_test_second"))
    assert fns.webhook(second).json["outcome"] == "held"


def test_our_metadata_without_a_row_makes_the_row(fns: Functions) -> None:
    request_id = str(uuid4()).upper()
    assert fns.webhook(event(session_object(request_id, amount=900, user_id=7))).json["outcome"] == "applied"
    row = fns.row(request_id.lower())
    assert (row["user_id"], row["amount_cents"], row["paid_cents"]) == (7, 900, 900)


def test_another_amount_or_currency_than_asked_is_believed_and_loud(
    fns: Functions, capsys: pytest.CaptureFixture[str]
) -> None:
    request_id = str(uuid4())
    asked = session_object(request_id, session_id="cs_test_one", payment_status="unpaid")
    fns.webhook(event(asked))
    paid = {**asked, "payment_status": "paid", "amount_total": 400, "currency": "usd"}
    fns.webhook(event(paid, "checkout.session.async_payment_succeeded"))
    row = fns.row(request_id)
    assert (row["amount_cents"], row["paid_cents"], row["paid_currency"]) == (500, 400, "usd")
    assert "PaidDiffersFromAsked" in capsys.readouterr().out


def test_the_database_away_is_5xx_so_that_stripe_sends_it_again(fns: Functions) -> None:
    paid = event(session_object(str(uuid4())))
    with fns.set(CHECKOUT_DATABASE_URL="postgresql://x:secret-password@127.0.0.1:1/x"):
        answer = fns.webhook(paid)
        assert answer.status == 503
        assert "secret-password" not in str(answer.json)
    from tests.support import functions

    functions.forget_wiring()
    assert fns.webhook(paid).json["outcome"] == "applied"
