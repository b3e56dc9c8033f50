"""Our totals beside Stripe's own balance transactions, per UTC day."""

import json
from typing import Any

import pytest

from checkout import bootstrap
from checkout.domain.balance_transaction import movement
from checkout.services import passes, stripe_books
from tests.integration.test_reconciler import pay, reconcile, silent
from tests.support.functions import Functions
from tests.support.stripe_simulator import Simulator, eventually

__all__ = ["silent"]


def differing(fns: Functions) -> list[dict[str, Any]]:
    """The days that differ, once everything had its time."""
    fns.checkout("UPDATE stripe_balance_transactions SET compared_from = created_at - interval '1 hour'")
    [finding] = [one for one in bootstrap.verify()() if one.name == "TotalsDifferFromStripe"]
    assert finding.is_offence
    assert finding.count >= len(finding.samples)
    return finding.samples


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
    [entry] = fns.checkout(
        "SELECT id, to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD') AS day"
        " FROM stripe_balance_transactions WHERE movement = 'paid:' || %s",
        (fns.row(books[0])["payment_intent_id"],),
    )
    assert differing(fns) == [
        {"day": entry["day"], "stripe_cents": "900", "our_cents": "901", "differing": [entry["id"]]}
    ]


@pytest.mark.parametrize("kind", ["refunded", "disputed"])
def test_a_reversal_that_we_do_not_have(fns: Functions, books: list[str], kind: str) -> None:
    fns.checkout("DELETE FROM reversals WHERE kind = %s", (kind,))
    [day] = differing(fns)
    assert len(day["differing"]) == 1


def test_a_payment_that_we_do_not_have(fns: Functions, books: list[str]) -> None:
    """Its metadata says that it is ours."""
    fns.checkout("DELETE FROM checkout_transactions WHERE request_id = %s", (books[0],))
    [day] = differing(fns)
    assert len(day["differing"]) == 1


def test_a_payment_that_stripe_does_not_have(fns: Functions, books: list[str]) -> None:
    intent = fns.row(books[0])["payment_intent_id"]
    fns.checkout("DELETE FROM stripe_balance_transactions WHERE payment_intent_id = %s", (intent,))
    assert differing(fns) == [], "neither read far enough, nor from far enough back"
    fns.checkout("UPDATE stripe_balance_transactions SET created_at = created_at - interval '3 days'")
    for row in fns.checkout("SELECT value FROM reconciler_state WHERE name = %s", (stripe_books.CURSOR,)):
        later = {**row["value"], "began": row["value"]["began"] + 7200}
        fns.checkout(
            "UPDATE reconciler_state SET value = %s::jsonb WHERE name = %s",
            (json.dumps(later), stripe_books.CURSOR),
        )
    [day] = differing(fns)
    assert day["differing"] == [f"paid:{intent}"]


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
    monkeypatch.setattr("checkout.adapters.stripe_api.PAGE", 2)
    fns.checkout("TRUNCATE stripe_balance_transactions")
    fns.checkout("DELETE FROM reconciler_state WHERE name = %s", (stripe_books.CURSOR,))
    copy = stripe_books.StripeBooks(
        bootstrap.checkout_database(), bootstrap.stripe_api(), bootstrap.config().app_id
    )
    assert [copy.copy(deadline=0), copy.copy(deadline=0), copy.copy(deadline=0)] == [False, False, True]
    assert len(fns.checkout("SELECT 1 FROM stripe_balance_transactions")) == 5
    with bootstrap.checkout_database().transaction() as cursor:
        assert passes.read_until(cursor, stripe_books.CURSOR) is not None


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
        {"reporting_category": "payout"},
        {"source": None},
        {"source": "ch_1"},
        {"source": {"id": "ch_1"}},
        {"source": {"object": "payout", "payment_intent": "pi_1", "currency": "eur"}},
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
