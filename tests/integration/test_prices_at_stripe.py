"""Prices from our settings to Stripe's books: a session is paid with tax or a code, refunded in part, and
settled in another currency. Ledger, payment and Stripe's books agree."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
import requests

from checkout.operations.verbs.verify import Verify
from tests.support.functions import Functions, system
from tests.support.reconciler import reconcile
from tests.support.roles import acting_as
from tests.support.stripe_simulator import Simulator
from tests.support.tail import Tail
from tests.support.waiting import eventually

DISPUTED = "4000000000000259"
TAX = json.dumps({"automatic_tax": {"enabled": True}})
CODES = json.dumps({"allow_promotion_codes": True})


@dataclass(frozen=True)
class Case:
    """A top-up of 1000; `left` is the credit once 300 of what was paid are refunded."""

    settings: Mapping[str, str]
    credit: int
    paid: int
    left: int
    tax: int = 0
    discount: int = 0
    form: Mapping[str, str] = field(default_factory=dict)


CASES = {
    "tax exclusive": Case(
        {"STRIPE_SESSION_OPTIONS": TAX, "PRICE_TAX_BEHAVIOR": "exclusive"}, 1000, 1200, 750, tax=200
    ),
    "tax inclusive": Case(
        {"STRIPE_SESSION_OPTIONS": TAX, "PRICE_TAX_BEHAVIOR": "inclusive"}, 1000, 1000, 700, tax=167
    ),
    "a code": Case(
        {"STRIPE_SESSION_OPTIONS": CODES}, 1000, 800, 625, discount=200, form={"promotion_code": "FIFTH"}
    ),
    "a discount for everybody": Case(
        {"STRIPE_SESSION_OPTIONS": json.dumps({"discounts": [{"coupon": "fifth"}]})},
        1000,
        800,
        625,
        discount=200,
    ),
    "a pack with bonus": Case({"PRICES": '[{"amount_cents": 1000, "credit_cents": 1101}]'}, 1101, 1000, 771),
    "100 credits a cent": Case({"CREDIT_PER_CENT": "100"}, 100_000, 1000, 70_000),
    "10 cents a credit": Case({"CREDIT_PER_CENT": "1/10"}, 100, 1000, 70),
}


@pytest.fixture
def stripe_s(silent: Simulator) -> Simulator:
    """A Stripe that has the codes FIFTH and ALL."""
    for name, percent_off in (("FIFTH", 20), ("ALL", 100)):
        silent.client.v1.coupons.create({"id": name.lower(), "percent_off": percent_off})
        silent.client.v1.promotion_codes.create(
            {"promotion": {"type": "coupon", "coupon": name.lower()}, "code": name}
        )
    return silent


def top_up(fns: Functions, stripe_s: Simulator, tail: Tail, case: Case) -> dict[str, object]:
    """Ask and pay; returns the row once it is credited."""
    with fns.set(**case.settings):
        created = fns.create({"amount_cents": 1000})
    assert (created.status, created.json["credit_cents"]) == (201, case.credit), created.json
    session = stripe_s.client.v1.checkout.sessions.retrieve(created.json["session_id"])
    assert stripe_s.pay(session, **case.form).status_code == 303
    settle(fns, tail)
    row = fns.row(created.json["request_id"])
    paid = tuple(row[f"{name}_cents"] for name in ("amount", "credit", "paid", "tax", "discount"))
    assert paid == (1000, case.credit, case.paid, case.tax, case.discount)
    assert fns.balance() == case.credit
    return row


def settle(fns: Functions, tail: Tail) -> None:
    """Read Stripe's events and books, and enter what is emitted."""
    reconcile()
    assert fns.consume(*tail.read()) == {"batchItemFailures": []}


def offences(fns: Functions) -> dict[str, list[object]]:
    """What `verify` finds once Stripe's books had their time."""
    fns.checkout("UPDATE stripe_balance_transactions SET compared_from = created_at - interval '1 hour'")
    with acting_as("operations"):
        return {finding.name: list(finding.samples) for finding in Verify(system())() if finding.count}


def refund(stripe_s: Simulator, row: Mapping[str, object], amount: int) -> None:
    stripe_s.client.v1.refunds.create({"payment_intent": str(row["payment_intent_id"]), "amount": amount})


@pytest.mark.parametrize("rate", [None, 1.113])
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_what_was_promised_is_credited_and_refunds_take_their_share(
    fns: Functions, stripe_s: Simulator, tail: Tail, case: Case, rate: float | None
) -> None:
    if rate is not None:
        stripe_s.control("settlement", {"currency": "usd", "rate": rate})
    row = top_up(fns, stripe_s, tail, case)

    refund(stripe_s, row, 300)
    settle(fns, tail)

    assert (fns.balance(), fns.row(str(row["request_id"]))["refunded_cents"]) == (case.left, 300)
    assert offences(fns) == {}
    refund(stripe_s, row, case.paid - 300)
    settle(fns, tail)
    assert fns.balance() == 0
    assert offences(fns) == {}


def test_a_code_for_everything_credits_without_a_payment_intent(
    fns: Functions, stripe_s: Simulator, tail: Tail
) -> None:
    case = Case(
        {
            "STRIPE_SESSION_OPTIONS": json.dumps(
                {"allow_promotion_codes": True, "automatic_tax": {"enabled": True}}
            ),
            "PRICE_TAX_BEHAVIOR": "exclusive",
        },
        *(1000, 0, 1000),
        discount=1000,
        form={"promotion_code": "ALL", "card_number": ""},
    )
    row = top_up(fns, stripe_s, tail, case)
    assert row["payment_intent_id"] is None
    assert offences(fns) == {}


def test_a_dispute_that_is_settled_in_dollars_and_won_after_the_rate_has_changed(
    fns: Functions, stripe_s: Simulator, tail: Tail
) -> None:
    stripe_s.control("settlement", {"currency": "usd", "rate": 1.1})
    case = Case(CASES["a pack with bonus"].settings, 1101, 1000, 0, form={"card_number": DISPUTED})
    with fns.set(**case.settings):
        created = fns.create({"amount_cents": 1000}).json
    session = stripe_s.client.v1.checkout.sessions.retrieve(created["session_id"])
    assert stripe_s.pay(session, **case.form).status_code == 303
    disputes = until_moved(stripe_s, 1)
    settle(fns, tail)
    assert (fns.balance(), fns.row(created["request_id"])["disputed_cents"]) == (0, 1000)
    assert offences(fns) == {}

    stripe_s.control("settlement", {"currency": "usd", "rate": 1.25})
    stripe_s.client.v1.disputes.update(
        disputes[0]["id"], {"evidence": {"uncategorized_text": "winning_evidence"}}
    )
    until_moved(stripe_s, 2)
    settle(fns, tail)

    assert (fns.balance(), fns.row(created["request_id"])["disputed_cents"]) == (1101, 0)
    assert offences(fns) == {}


def until_moved(stripe_s: Simulator, times: int) -> list[dict[str, Any]]:
    """The disputes, once the only one has moved money so often."""

    def listed() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = stripe_s.get("/v1/disputes")["data"]
        return found

    eventually(lambda: [len(one["balance_transactions"]) for one in listed()] == [times], 15, listed)
    return listed()


@pytest.mark.parametrize("amount", [50_050, 49_950])
def test_an_amount_that_the_currency_does_not_have_is_refused_by_us_and_by_stripe(
    fns: Functions, stripe_s: Simulator, amount: int
) -> None:
    with fns.set(BALANCE_CURRENCY="isk"):
        assert fns.create({"amount_cents": amount}).status == 400
        assert fns.create({"amount_cents": 50_000}).status == 201
    price = {"currency": "isk", "unit_amount": amount, "product_data": {"name": "x"}}
    answer = requests.post(
        f"{stripe_s.url}/v1/checkout/sessions",
        auth=("sk_test_x", ""),
        data={
            "mode": "payment",
            "success_url": "https://example.com",
            "line_items[0][quantity]": 1,
            **{f"line_items[0][price_data][{name}]": price[name] for name in ("currency", "unit_amount")},
            "line_items[0][price_data][product_data][name]": "x",
        },
        timeout=10,
    )
    assert answer.status_code == 400
