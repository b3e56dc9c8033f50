"""Our totals beside Stripe's own balance transactions, per UTC day."""

import time
from collections.abc import Mapping
from typing import Any

import pytest

from checkout.operations.verbs.accept import AcceptFindings
from checkout.operations.verbs.verify import Verify
from checkout.reconciliation import stripe_books, stripe_books_table, stripe_lists
from checkout.reconciliation.balance_transaction import movement
from tests.support import functions
from tests.support.functions import Functions, system
from tests.support.reconciler import pay, reconcile
from tests.support.roles import acting_as
from tests.support.stripe_events import APP_ID, event, session_object
from tests.support.stripe_reversals import KnownStripe, dispute
from tests.support.stripe_simulator import Simulator
from tests.support.waiting import eventually


def differing(fns: Functions, name: str = "TotalsDifferFromStripe") -> list[dict[str, Any]]:
    """The movements that differ, once everything had its time."""
    fns.checkout("UPDATE stripe_balance_transactions SET compared_from = created_at - interval '1 hour'")
    return found(name)


def found(name: str = "TotalsDifferFromStripe") -> list[dict[str, Any]]:
    with acting_as("operations"):
        [finding] = [one for one in Verify(system())() if one.name == name]
    assert finding.is_offence
    assert finding.count == len(finding.samples)
    return [dict(sample) for sample in finding.samples]


def later(fns: Functions, seconds: int = 7200) -> None:
    """Stripe's books are read until so much later than now."""
    fns.checkout(
        "UPDATE reconciler_state SET value = jsonb_set(value, '{began}',"
        " to_jsonb((value->>'began')::bigint + %s)) WHERE name = %s",
        (seconds, stripe_books.LIST),
    )


@pytest.fixture
def books(fns: Functions, silent: Simulator) -> list[str]:
    """One payment stays, one is refunded in part, one is disputed and lost for the moment; their requests."""
    kept, refunded = pay(fns, silent), pay(fns, silent, 700)
    disputed = pay(fns, silent, 900, card_number="4000000000000259")
    reconcile()
    intent = fns.row(refunded)["payment_intent_id"]
    silent.client.v1.refunds.create({"payment_intent": intent, "amount": 300})
    taken = fns.row(disputed)["payment_intent_id"]
    client = silent.client.v1
    eventually(
        lambda: any(one.balance_transactions for one in client.disputes.list({"payment_intent": taken})),
        10,
        lambda: client.disputes.list({"payment_intent": taken}),
    )
    reconcile()
    assert len(fns.checkout("SELECT 1 FROM stripe_balance_transactions")) == 5
    return [kept, refunded, disputed]


def test_the_same_to_the_cent_is_silent(fns: Functions, books: list[str]) -> None:
    assert differing(fns) == []
    assert fns.checkout("SELECT sum(amount_cents)::int AS total FROM stripe_balance_transactions") == [
        {"total": 500 + 700 + 900 - 300 - 900}
    ]


def test_another_amount_is_named_with_its_day(fns: Functions, books: list[str]) -> None:
    fns.checkout("UPDATE checkout_transactions SET paid_cents = 501 WHERE request_id = %s", (books[0],))
    intent = fns.row(books[0])["payment_intent_id"]
    [entry] = fns.checkout(
        "SELECT id, to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD') AS day"
        " FROM stripe_balance_transactions WHERE movement = 'paid:' || %s",
        (intent,),
    )
    [sample] = differing(fns)
    assert sample.pop("finding")
    assert sample == {
        "day": entry["day"],
        "payment_intent_id": intent,
        "source": intent,
        "currency": "eur",
        "stripe_cents": 500,
        "our_cents": 501,
        "balance_transactions": [entry["id"]],
    }


@pytest.mark.parametrize("kind", ["refunded", "disputed"])
def test_a_reversal_that_we_do_not_have(fns: Functions, books: list[str], kind: str) -> None:
    fns.checkout("DELETE FROM reversals WHERE kind = %s", (kind,))
    [sample] = differing(fns)
    assert (sample["stripe_cents"] < 0, sample["our_cents"]) == (True, 0)


def test_a_payment_that_we_do_not_have(fns: Functions, books: list[str]) -> None:
    """Its metadata says that it is ours."""
    fns.checkout("DELETE FROM checkout_transactions WHERE request_id = %s", (books[0],))
    [sample] = differing(fns)
    assert (sample["stripe_cents"], sample["our_cents"]) == (500, 0)


def test_a_payment_that_stripe_does_not_have(fns: Functions, books: list[str]) -> None:
    intent = fns.row(books[0])["payment_intent_id"]
    fns.checkout("DELETE FROM stripe_balance_transactions WHERE payment_intent_id = %s", (intent,))
    assert differing(fns) == [], "neither read far enough, nor from far enough back"
    fns.checkout("UPDATE stripe_balance_transactions SET created_at = created_at - interval '3 days'")
    later(fns)
    [sample] = differing(fns)
    assert (sample["source"], sample["stripe_cents"], sample["our_cents"]) == (intent, 0, 500)
    assert sample["balance_transactions"] == []


def test_a_payment_of_another_application_is_none_of_ours(fns: Functions, silent: Simulator) -> None:
    session = silent.client.v1.checkout.sessions.create(
        {
            "mode": "payment",
            "line_items": [
                {
                    "price_data": {"currency": "eur", "unit_amount": 500, "product_data": {"name": "x"}},
                    "quantity": 1,
                }
            ],
            "success_url": "https://other.example.com",
        }
    )
    assert silent.pay(session).status_code == 303
    reconcile()
    assert len(fns.checkout("SELECT 1 FROM stripe_balance_transactions")) == 1
    assert differing(fns) == []


def test_pages_are_crossed_and_a_run_goes_on(
    fns: Functions, books: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("checkout.payments.stripe_api.PAGE", 2)
    fns.checkout("TRUNCATE stripe_balance_transactions")
    fns.checkout("DELETE FROM reconciler_state WHERE name = %s", (stripe_books.LIST,))
    copy = stripe_books.StripeBooks(system().checkout_database, system().stripe_api, system().config.app_id)
    assert [copy.copy(deadline=0), copy.copy(deadline=0), copy.copy(deadline=0)] == [False, False, True]
    assert len(fns.checkout("SELECT 1 FROM stripe_balance_transactions")) == 5
    with system().checkout_database.transaction() as cursor:
        assert stripe_lists.read_until(cursor, stripe_books.LIST) is not None


def test_a_bank_debit_that_failed_after_all_comes_to_nothing(fns: Functions, silent: Simulator) -> None:
    """Stripe books some debits before the bank has answered, and takes them back."""
    reconcile()
    fns.checkout(
        "INSERT INTO stripe_balance_transactions"
        " SELECT 'txn_' || amount, 'paid:pi_1', 'pi_1', amount, 'eur', true, now() - interval '1 day', now()"
        " FROM unnest('{500,-500}'::int[]) AS amount"
    )
    assert differing(fns) == []


def test_the_customers_currency_counts_where_stripe_settles_in_another() -> None:
    entry = {
        "id": "txn_1",
        "amount": -541,
        "currency": "usd",
        "created": 1,
        "reporting_category": "refund",
        "source": {
            "id": "re_1",
            "object": "refund",
            "payment_intent": "pi_1",
            "amount": 500,
            "currency": "eur",
            "status": "pending",
        },
    }
    found = movement(entry, "checkout")
    assert found is not None
    assert (found.key, found.amount_cents, found.currency, found.is_ours, found.is_pending) == (
        "refunded:re_1",
        -500,
        "eur",
        False,
        True,
    )


@pytest.mark.parametrize(
    "other",
    [
        {"reporting_category": "fee"},
        {"source": None},
        {"source": "ch_1"},
        {"source": {"id": "ch_1"}},
        {"source": {"object": "payout", "currency": "eur"}},
    ],
    ids=str,
)
def test_what_moves_nothing_of_a_payment(other: dict[str, Any]) -> None:
    entry = {
        "id": "txn_1",
        "amount": 500,
        "currency": "eur",
        "created": 1,
        "reporting_category": "charge",
        "source": {
            "id": "ch_1",
            "object": "charge",
            "payment_intent": "pi_1",
            "amount": 500,
            "currency": "eur",
        },
    }
    assert movement(entry, "checkout") is not None
    assert movement({**entry, **other}, "checkout") is None


def booked(
    category: str, amount: int, *, created: int, source: Mapping[str, Any] | None = None, **fields: Any
) -> dict[str, Any]:
    """A balance transaction of pi_1, a charge's unless another source is given."""
    charge = {
        "id": "py_1",
        "object": "charge",
        "payment_intent": "pi_1",
        "currency": "eur",
        "amount": 500,
        "status": "succeeded",
        "metadata": {"checkout_app": APP_ID, "purpose": "balance_topup"},
    }
    return {
        "id": f"txn_{category}",
        "amount": amount,
        "currency": "eur",
        "reporting_category": category,
        "created": created,
        "source": {**charge, **(source or {})},
        **fields,
    }


class Books(KnownStripe):
    """Lists these balance transactions, and says what one has become when it is asked."""

    def __init__(self, *entries: dict[str, Any]) -> None:
        super().__init__()
        self.entries = list(entries)

    def balance_transactions(
        self, *, since: int, starting_after: str | None
    ) -> tuple[list[dict[str, Any]], bool]:
        return self.entries, False

    def balance_transaction(self, transaction_id: str) -> dict[str, Any]:
        return self._answered(transaction_id)


def copied(fns: Functions, books: Books) -> None:
    """As a run of the reconciler does, an hour of Stripe's time and of ours later than all of it."""
    with acting_as("reconciler"):
        copy = stripe_books.StripeBooks(system().checkout_database, books, APP_ID)
        assert copy.copy(deadline=float("inf"))
    later(fns)


def paid(fns: Functions, request_id: str = "r1", **session: Any) -> None:
    """pi_1, two days ago."""
    fns.webhook(event(session_object(request_id, payment_intent="pi_1", **session)))
    fns.checkout("UPDATE checkout_transactions SET completed_at = now() - interval '2 days'")


NOW = int(time.time())
DAY = 86_400


def test_a_bank_debit_is_no_offence_while_it_is_pending_nor_when_it_has_failed(fns: Functions) -> None:
    unpaid = session_object("r1", payment_intent="pi_1", payment_status="unpaid")
    fns.webhook(event(unpaid))
    began = booked("charge", 500, created=NOW - 20 * DAY, source={"status": "pending"})
    books = Books(began)
    copied(fns, books)
    assert found() == []
    assert books.asked == [], "our own payment is still processing"

    fns.webhook(event(unpaid, "checkout.session.async_payment_failed"))
    failed = {"status": "failed"}
    books.entries.insert(0, booked("charge_failure", -500, created=NOW - 3600, source=failed))
    books.knows("txn_charge", {**began, "source": {**began["source"], **failed}})
    copied(fns, books)
    assert books.asked == ["txn_charge"]
    assert found() == []
    copied(fns, books)
    assert books.asked == ["txn_charge"], "it is pending no more"


def test_a_failure_that_does_not_say_of_which_payment_it_is_is_found_by_its_charge(fns: Functions) -> None:
    unpaid = session_object("r1", payment_intent="pi_1", payment_status="unpaid")
    fns.webhook(event(unpaid, "checkout.session.async_payment_failed"))
    back = booked("charge_failure", -500, created=NOW - 3600)
    failed = {"status": "failed", "failure_balance_transaction": back["id"]}
    books = Books({**back, "source": None}, booked("charge", 500, created=NOW - 3 * DAY, source=failed))
    books.knows(back["id"], {**back, "source": None})
    copied(fns, books)
    assert found() == []
    assert len(fns.checkout("SELECT 1 FROM stripe_balance_transactions")) == 2


def test_a_failure_that_is_listed_with_its_charge_is_stored_once(fns: Functions) -> None:
    unpaid = session_object("r1", payment_intent="pi_1", payment_status="unpaid")
    fns.webhook(event(unpaid, "checkout.session.async_payment_failed"))
    back = booked("charge_failure", -500, created=NOW - 3600, source={"status": "failed"})
    failed = {"status": "failed", "failure_balance_transaction": back["id"]}
    books = Books(back, booked("charge", 500, created=NOW - 3 * DAY, source=failed))
    books.knows(back["id"], back)
    copied(fns, books)
    assert found() == []
    assert len(fns.checkout("SELECT 1 FROM stripe_balance_transactions")) == 2


def test_a_bank_debit_that_succeeded_is_missed_if_we_do_not_have_it(fns: Functions) -> None:
    began = booked("charge", 500, created=NOW - 20 * DAY, source={"status": "pending"})
    books = Books(began)
    books.knows("txn_charge", began)
    copied(fns, books)
    assert (books.asked, found()) == (["txn_charge"], []), "nobody knows yet"
    copied(fns, books)
    assert books.asked == ["txn_charge"], "not in every run"

    fns.checkout("UPDATE stripe_balance_transactions SET reread_at = now() - interval '7 hours'")
    books.knows("txn_charge", {**began, "source": {**began["source"], "status": "succeeded"}})
    copied(fns, books)
    [sample] = found()
    assert (sample["stripe_cents"], sample["our_cents"]) == (500, 0)


def test_a_pending_movement_that_stripe_does_not_show_holds_up_nothing(fns: Functions) -> None:
    old = [
        booked("charge", 500, created=NOW - 2 * DAY, source={"status": "pending"}, id=f"txn_{n}")
        for n in "12"
    ]
    books = Books(*old)
    books.knows("txn_2", booked("charge", 500, created=NOW - 2 * DAY, id="txn_2"))
    copied(fns, books)
    assert sorted(books.asked) == ["txn_1", "txn_2"]


def test_a_failed_debit_whose_charge_was_booked_long_ago_comes_to_nothing(fns: Functions) -> None:
    """One row is 40 days old, the other is new: they are one movement."""
    paid_and_failed = session_object("r1", payment_intent="pi_1", payment_status="unpaid")
    fns.webhook(event(paid_and_failed, "checkout.session.async_payment_failed"))
    copied(fns, Books(booked("charge_failure", -500, created=NOW - 2 * DAY, source={"status": "failed"})))
    with system().checkout_database.transaction() as cursor:
        old = booked("charge", 500, created=NOW - 40 * DAY, source={"status": "failed"})
        moved = movement(old, APP_ID)
        assert moved is not None
        stripe_books_table.store(cursor, [moved], settled_after_seconds=1800)
    assert found() == []


def test_a_dispute_settled_in_another_currency_is_a_movement_of_its_own(
    fns: Functions, known: KnownStripe
) -> None:
    """541 US cents are not 541 euro cents; and what is held is known, and listed as that."""
    paid(fns)
    taken = dispute("pi_1", -541, currency="usd")
    known.knows(taken["id"], taken)
    assert fns.webhook(event(taken, "charge.dispute.funds_withdrawn")).json["outcome"] == "held"
    [withdrawn] = taken["balance_transactions"]
    of_dispute = {"id": taken["id"], "object": "dispute", "status": "needs_response", "amount": 500}
    books = Books(
        booked("dispute", -541, created=NOW - DAY, currency="usd", id=withdrawn["id"], source=of_dispute),
        booked("charge", 500, created=NOW - 2 * DAY),
    )
    copied(fns, books)
    assert found() == []

    fns.checkout("DELETE FROM reversals")
    [sample] = found()
    assert (sample["currency"], sample["stripe_cents"], sample["our_cents"]) == ("usd", -541, 0)


def test_what_an_open_dispute_gives_back_in_another_currency_is_compared_at_its_end(
    fns: Functions, known: KnownStripe
) -> None:
    """Only then it can be said whether that is all of it."""
    paid(fns)
    disputed = {**dispute("pi_1", -541, currency="usd"), "amount": 500, "currency": "eur"}
    withdrawn = {**disputed["balance_transactions"][0], "created": NOW - DAY}
    back = {"id": "txn_back", "amount": 539, "currency": "usd", "created": NOW - DAY + 1}
    disputed["balance_transactions"] = [withdrawn, back]

    def copy(status: str) -> None:
        source = {**disputed, "status": status}
        known.knows(disputed["id"], source)
        assert fns.webhook(event(source, "charge.dispute.updated")).json["outcome"] == "applied"
        moved = [
            booked("dispute", -541, created=NOW - DAY, currency="usd", id=withdrawn["id"], source=source),
            booked("dispute_reversal", 539, created=NOW - DAY, currency="usd", id="txn_back", source=source),
        ]
        copied(fns, Books(*moved, booked("charge", 500, created=NOW - 2 * DAY)))

    copy("under_review")
    assert not is_compared(fns, "txn_back")
    assert found() == []
    copy("won")
    assert is_compared(fns, "txn_back")
    assert found() == []


def is_compared(fns: Functions, transaction_id: str) -> bool:
    [row] = fns.checkout(
        "SELECT compared_from < 'infinity' AS is_compared FROM stripe_balance_transactions WHERE id = %s",
        (transaction_id,),
    )
    return bool(row["is_compared"])


def test_what_stripe_moves_under_a_category_that_we_do_not_know_is_reported(fns: Functions) -> None:
    """Of ours, and whatever it is; fees are not the user's."""
    paid(fns)
    foreign = {"payment_intent": "pi_other", "metadata": {}}
    copied(
        fns,
        Books(
            booked("payment_reversal", -500, created=NOW - 3600),
            booked("payment_reversal", -500, created=NOW - 3600, id="txn_foreign", source=foreign),
            booked("network_cost", -3, created=NOW - 3600),
            booked("charge", 500, created=NOW - 2 * DAY),
        ),
    )
    assert found() == []
    [sample] = found("UnknownMovementAtStripe")
    assert (sample["balance_transaction"], sample["category"], sample["amount_cents"]) == (
        "txn_payment_reversal",
        "payment_reversal",
        -500,
    )
    with acting_as("operations"):
        AcceptFindings(system()).accept(sample["finding"], reason="adjusted", operator="ada")
    assert found("UnknownMovementAtStripe") == []


@pytest.mark.parametrize(
    ("live", "session_id", "is_missed"),
    [
        ("", "cs_test_1", False),
        ("", None, True),
        ("", "cs_live_1", True),
        ("sk_live_tests", "cs_test_1", True),
    ],
)
def test_only_a_test_key_can_make_up_a_payment(
    fns: Functions,
    live: str,
    session_id: str | None,
    is_missed: bool,
) -> None:
    paid(fns)
    fns.checkout(
        "UPDATE checkout_transactions SET payment_intent_id = 'pi_smoke_1', stripe_session_id = %s",
        (session_id,),
    )
    copied(fns, Books(booked("charge", 500, created=NOW - 9 * DAY, source={"payment_intent": "pi_0"})))
    fns.checkout("DELETE FROM stripe_balance_transactions WHERE payment_intent_id = 'pi_smoke_1'")
    if live:
        fns.set(STRIPE_SECRET=live)
        functions.forget_wiring()
    assert [one["source"] for one in found() if one["source"] != "pi_0"] == ["pi_smoke_1"] * is_missed


def test_books_without_anything_of_ours_miss_all_of_it(fns: Functions) -> None:
    """The key is that of another account."""
    paid(fns)
    copied(fns, Books())
    assert [sample["source"] for sample in found()] == ["pi_1"]


def test_what_stripe_has_and_we_do_not_is_mended_by_reconcile_since(
    fns: Functions, silent: Simulator, books: list[str]
) -> None:
    """The remedy that the runbook names."""
    fns.checkout("DELETE FROM checkout_transactions WHERE request_id = %s", (books[0],))
    fns.checkout("DELETE FROM reversals WHERE kind = 'refunded'")
    fns.checkout("DELETE FROM stripe_events")
    assert len(differing(fns)) == 2
    reconcile(since=NOW - DAY)
    assert differing(fns) == []
