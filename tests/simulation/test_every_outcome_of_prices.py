"""Every outcome of a payment whose credit is not what is paid, with its events in every order: the row has
what Stripe says, and the coins taken back are the credit's share of the money taken back, exactly.

The simulator adds the tax, takes the code and settles in dollars, as Stripe does.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from fractions import Fraction
from math import floor
from typing import Any

import pytest
import requests

from checkout.base.user_ids import BIGINT, UserId
from checkout.outbox.finished_event import decoded
from checkout.outbox.table import Message
from tests.support import every_order
from tests.support.every_order import described
from tests.support.functions import Functions
from tests.support.outcomes import OUTCOMES, End, Row, end
from tests.support.stripe_lives import Life, Payer, Sale
from tests.support.stripe_simulator import Simulator

pytestmark = pytest.mark.usefixtures("quiet")

ALL_ORDERS_UP_TO = 5
FIFTH, ALL = "FIFTH", "ALL"

SALES = {
    "tax exclusive": Sale(paid=600, tax=100, tax_behavior="exclusive"),
    "tax inclusive": Sale(paid=500, tax=83, tax_behavior="inclusive"),
    "a discount": Sale(price=625, credit=625, paid=500, discount=125, code=FIFTH),
    "a pack with bonus": Sale(credit=551),
    "100 credits a cent": Sale(credit=50_000),
    "10 cents a credit": Sale(credit=50),
    "settled in dollars": Sale(settled_in={"currency": "usd", "rate": 1.113}),
    "a discount and tax on a pack with bonus, settled in dollars": Sale(
        price=650,
        credit=777,
        paid=624,
        discount=130,
        tax=104,
        tax_behavior="exclusive",
        code=FIFTH,
        settled_in={"currency": "usd", "rate": 0.9},
    ),
}
FREE = Sale(price=500, credit=551, paid=0, discount=500, tax_behavior="exclusive", code=ALL)


@pytest.fixture(scope="module")
def living(living: Simulator) -> Simulator:
    for code, percent_off in ((FIFTH, 20), (ALL, 100)):
        coupon = living.client.v1.coupons.create({"percent_off": percent_off})
        living.client.v1.promotion_codes.create(
            {"promotion": {"type": "coupon", "coupon": coupon.id}, "code": code}
        )
    return living


@pytest.mark.parametrize("outcome", OUTCOMES)
@pytest.mark.parametrize("price", SALES)
def test_the_sums_are_exact_in_every_order(
    fns: Functions, living: Simulator, price: str, outcome: str
) -> None:
    sale = SALES[price]
    live, expected = OUTCOMES[outcome]
    settle_in(living, sale.settled_in)
    check_every_order(fns, live(Payer(living, sale)), f"{outcome}, {price}", sale, of_sale(expected, sale))


def once(payer: Payer) -> Life:
    payer.pay()
    return payer.life()


def twice(payer: Payer) -> Life:
    payer.pay()
    return once(payer)


def expired(payer: Payer) -> Life:
    payer.expire(payer.open())
    return payer.life()


GIVEN = {"success:request": 551}
FREE_OUTCOMES = {
    "a code for everything": (once, end(Row("payment_succeeded"), GIVEN, 551)),
    "it expires": (expired, end(Row("session_expired"), {}, 0)),
    "a second one of the request": (
        twice,
        End(
            {"request": Row("payment_succeeded"), "request:session 2": Row("payment_succeeded")},
            GIVEN | {"success:request:session 2": 551},
            1102,
        ),
    ),
}


@pytest.mark.parametrize("outcome", FREE_OUTCOMES)
def test_what_is_free_credits_the_same_in_every_order(
    fns: Functions, living: Simulator, outcome: str
) -> None:
    live, expected = FREE_OUTCOMES[outcome]
    settle_in(living, None)
    check_every_order(fns, live(Payer(living, FREE)), outcome, FREE, expected)


def settle_in(living: Simulator, settlement: Mapping[str, Any] | None) -> None:
    if settlement is None:
        requests.delete(f"{living.url}/_simulator/settlement", timeout=10).raise_for_status()
    else:
        living.control("settlement", settlement)


def of_sale(expected: End, sale: Sale) -> End:
    """The end that an outcome of 500 for 500 has with this sale. Of the entries it has the keys: what each of
    them moves depends on which came first, and only the sum does not."""

    def money(cents: int) -> int:
        return sale.paid if cents == 500 else cents

    rows = {
        name: Row(row.status, money(row.refunded_cents), money(row.disputed_cents))
        for name, row in expected.rows.items()
    }
    succeeded = [row for row in rows.values() if row.status == "payment_succeeded"]
    coins = sum(
        sale.credit - rounded(Fraction(sale.credit * (row.refunded_cents + row.disputed_cents), sale.paid))
        for row in succeeded
    )
    return End(rows, expected.entries, coins)


def rounded(share: Fraction) -> int:
    """Half up."""
    return floor(share + Fraction(1, 2))


def check_every_order(fns: Functions, life: Life, outcome: str, sale: Sale, expected: End) -> None:
    told, messages = every_order.in_every_order(
        fns,
        life,
        outcome,
        sale=sale,
        all_up_to=ALL_ORDERS_UP_TO,
        first_is_known=len(expected.rows) > 1,
    )

    ends, effects, rows = every_order.all_ends(fns, told), all_effects(fns, messages), all_rows(fns)
    for telling, order in told.items():
        about, found = described(outcome, telling, order), ends[telling.user_id]
        assert (found.rows, found.balance) == (expected.rows, expected.balance), about
        assert found.balance == sum(found.entries.values()), about
        of_user = {telling.readable(key): count for key, count in effects[telling.user_id].items()}
        assert Counter(of_user) == Counter(expected.entries.keys()), about
        assert all(paid_as(row, sale) for row in rows[telling.user_id]), about
    every_order.check_nothing_is_left(fns)
    every_order.check_verified(reversed_beyond_paid=len(told) if expected.balance < 0 else 0)


def all_rows(fns: Functions) -> dict[UserId, list[dict[str, Any]]]:
    rows: dict[UserId, list[dict[str, Any]]] = defaultdict(list)
    for row in fns.checkout("SELECT * FROM checkout_transactions"):
        rows[row["user_id"]].append(row)
    return rows


def paid_as(row: Mapping[str, Any], sale: Sale) -> bool:
    """True if the row has what Stripe says of the sale, or is not paid."""
    found = tuple(row[f"{name}_cents"] for name in ("amount", "credit", "paid", "tax", "discount"))
    if row["status"] != "payment_succeeded":
        return found == (sale.price, sale.credit, None, None, None)
    return found == (sale.price, sale.credit, sale.paid, sale.tax, sale.discount)


def all_effects(fns: Functions, messages: Sequence[Message]) -> dict[UserId, Counter[str]]:
    """How often each effect went to Kafka, by user, with the money and the coins of its row. A share of
    nothing goes nowhere, and counts as one that went once."""
    stored = {
        row["effect_key"]: row
        for row in fns.checkout(
            "SELECT r.effect_key, r.amount_cents, r.credit_cents, t.user_id"
            " FROM reversals r JOIN checkout_transactions t USING (payment_intent_id)"
        )
    }
    found: dict[UserId, Counter[str]] = defaultdict(Counter)
    for message in messages:
        event = decoded(message.value, "eur", BIGINT)
        if event.effect is not None:
            found[event.user_id][event.effect.effect_key] += 1
        if event.effect is not None and (row := stored.get(event.effect.effect_key)):
            assert (event.amount_cents, event.reversed_cents) == (row["credit_cents"], row["amount_cents"])
    for row in stored.values():
        if row["credit_cents"] == 0:
            found[row["user_id"]][row["effect_key"]] += 1
    return found
