"""Reversals in proportion: what is taken back depends on what Stripe has taken back alone, in every order."""

import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from checkout.payments import emissions, reversals
from checkout.payments.locked import Locked
from checkout.payments.payment import Payment, Status
from checkout.payments.reversal_event import (
    Reversal,
    ReversalReport,
    Reversed,
    in_order,
    of_dispute,
    of_refund,
)
from checkout.payments.reversals_table import StoredReversal
from checkout.payments.shares import share, with_shares

PAYMENTS = 10_000
REPORTED = 250
"""Of these everything is decided, from what Stripe says on."""

NOW = datetime(2026, 11, 26, tzinfo=UTC)
SIGN = {"refunded": 1, "disputed": 1, "refund_failed": -1, "dispute_won": -1}


def paid(amount: int, credit: int | None) -> Payment:
    return Payment(
        request_id="r1",
        user_id=1,
        amount_cents=amount,
        currency="eur",
        purpose="balance_topup",
        status=Status.PAYMENT_SUCCEEDED,
        stripe_session_id="cs_1",
        stripe_session_url=None,
        payment_intent_id="pi_1",
        error_message=None,
        refused_because=None,
        paid_cents=amount,
        paid_currency="eur",
        paid_event_id="evt_1",
        credit_cents=credit,
        tax_cents=0,
        discount_cents=0,
        refunded_cents=0,
        disputed_cents=0,
        stripe_parameters=None,
        stripe_attempt=1,
        expires_at=None,
        created_at=NOW,
        updated_at=NOW,
        completed_at=NOW,
        id=1,
    )


class World:
    """The rows of one payment's reversals, and what went to the ledger."""

    def __init__(self, payment: Payment, *, is_paid: bool = True) -> None:
        self.payment = payment
        self.is_paid = is_paid
        self.rows: dict[str, StoredReversal] = {}
        self.entries: dict[str, int] = {}

    def report(self, objects: list[Reversed], subject: str | None) -> None:
        payments = [self.payment] if self.is_paid else []
        found = Locked(NOW, True, payments, list(self.rows.values()), {})
        report = ReversalReport("pi_1", tuple(objects), subject)
        _, changes = reversals.decide(report, found, "evt_2")
        for one in changes.reported:
            self.rows.setdefault(one.reversal.effect_key, one)
        self._emit(changes)

    def pay(self) -> None:
        self.is_paid = True
        self._emit(reversals.release(self.payment, self.rows.values()))

    def _emit(self, changes: reversals.Changes) -> None:
        assert not [*changes.held, *changes.foreign]
        for one in changes.emitted:
            self.rows[one.reversal.effect_key] = replace(one, state="emitted")
        for emission in emissions.of_reversals(self.payment, changes.emitted):
            effect = emission.event.effect
            assert effect is not None
            assert emission.effect_key not in self.entries
            assert emission.event.amount_cents > 0
            assert emission.event.reversed_cents == self.rows[emission.effect_key].reversal.amount_cents
            self.entries[emission.effect_key] = effect.amount_cents

    @property
    def reversed_cents(self) -> int:
        """The money that Stripe has taken back and not returned, as far as it was emitted."""
        emitted = [one.reversal for one in self.rows.values() if one.state == "emitted"]
        return sum(SIGN[one.kind] * one.amount_cents for one in emitted)

    def check(self) -> None:
        credit, money = self.payment.credited_cents, self.payment.paid_cents
        assert money is not None
        assert -sum(self.entries.values()) == rounded(credit, self.reversed_cents, money)


def rounded(credit: int, reversed_cents: int, paid_cents: int) -> int:
    """Half up, in another way than the code's."""
    whole, rest = divmod(credit * reversed_cents, paid_cents)
    return whole + (2 * rest >= paid_cents)


def stages(dice: random.Random, money: int) -> list[list[dict[str, Any]]]:
    """Of each refund and dispute of a payment of so much, its states in time."""
    left = money
    things: list[list[dict[str, Any]]] = []
    while left and len(things) < 6:
        amount = left if dice.random() < 0.4 else dice.randint(1, left)
        name = f"re_{dice.randrange(10**6)}_{len(things)}"
        refund = {"id": name, "object": "refund", "amount": amount, "currency": "eur"}
        refund |= {"created": dice.randrange(3), "status": "succeeded"}
        states = [{**refund, "status": "pending"}, refund] if dice.random() < 0.3 else [refund]
        if dice.random() < 0.35:
            states.append({**refund, "status": dice.choice(["failed", "canceled"])})
        else:
            left -= amount
        things.append(states)
    if dice.random() < 0.3:
        things.append(list(dispute_states(dice, dice.randint(1, money))))
    return things


def dispute_states(dice: random.Random, amount: int) -> Iterator[dict[str, Any]]:
    listed: list[dict[str, Any]] = []
    for number in range(dice.randint(1, 3)):
        moved = amount if number % 2 else -amount
        listed.append({"id": f"txn_{number}", "amount": moved, "currency": "eur", "created": number})
        yield {"id": "du_1", "object": "dispute", "balance_transactions": list(listed)}


def read(resource: dict[str, Any]) -> Reversed:
    found = of_dispute(resource) if resource["object"] == "dispute" else of_refund(resource)
    assert isinstance(found, Reversed)
    return found


def sold(dice: random.Random) -> tuple[int, int]:
    """What is paid, and what is credited."""
    money = dice.choice([1, 2, 3, 10, 997, 1000, 1190, 123_456_789])
    return money, dice.choice([1, 2, 7, money, 1100, 1101, 999, 100 * money, 10**15])


def movements(dice: random.Random, money: int) -> list[StoredReversal]:
    """Refunds that succeed and fail, and withdrawals that are returned, in any order in which what is given
    back was taken before."""
    moved: list[StoredReversal] = []
    for number in range(dice.randint(1, 5)):
        taking, giving = dice.choice([("refunded", "refund_failed"), ("disputed", "dispute_won")])
        amount = dice.randint(1, money)
        at = dice.randint(0, len(moved))
        moved.insert(
            at, StoredReversal(Reversal(taking, f"s{number}", amount, "eur"), "pi_1", None, "waiting")
        )
        if dice.random() < 0.4:
            back = Reversal(giving, f"s{number}", amount, "eur")
            moved.insert(dice.randint(at + 1, len(moved)), StoredReversal(back, "pi_1", None, "waiting"))
    return moved


def test_what_is_taken_back_is_the_share_of_what_stripe_took_back() -> None:
    for seed in range(PAYMENTS):
        dice = random.Random(seed)
        money, credit = sold(dice)
        payment, emitted, coins, reversed_cents = paid(money, credit), list[StoredReversal](), 0, 0
        waiting = movements(dice, money)
        while waiting:
            count = dice.randint(1, len(waiting))
            now, waiting = waiting[:count], waiting[count:]
            for one in with_shares(payment, emitted, now):
                assert one.credit_cents is not None
                emitted.append(one)
                coins += SIGN[one.reversal.kind] * one.credit_cents
                reversed_cents += SIGN[one.reversal.kind] * one.reversal.amount_cents
                assert coins == rounded(credit, reversed_cents, money)


def test_each_report_takes_the_share_whatever_was_reported_before() -> None:
    """Refunds that succeed and fail, disputes that are lost and won, each reported in any order and late."""
    for seed in range(REPORTED):
        dice = random.Random(seed)
        money, credit = sold(dice)
        world = World(paid(money, credit), is_paid=dice.random() < 0.8)
        things = stages(dice, money)
        events = [(number, state) for number, states in enumerate(things) for state in range(len(states))]
        dice.shuffle(events)
        now = [0] * len(things)
        for number, state in events:
            now[number] = max(now[number], state)
            known = [states[at] for states, at in zip(things, now, strict=True)]
            subject = things[number][now[number]]
            together = [one for one in known if one["object"] == "refund"]
            is_dispute = subject["object"] == "dispute"
            told = [subject] if is_dispute else in_order(together)
            world.report([read(dict(one)) for one in told], subject["id"])
            world.check()
            if not world.is_paid and dice.random() < 0.3:
                world.pay()
                world.check()
        if not world.is_paid:
            world.pay()
        world.check()
        again = dict(world.entries)
        for states in things:
            world.report([read(states[-1])], states[-1]["id"])
        assert world.entries == again


def test_full_refunds_take_exactly_the_credit_though_one_failed_between() -> None:
    world = World(paid(1000, 1101))
    for refunds in (
        [("re_1", "succeeded")],
        [("re_1", "succeeded"), ("re_2", "failed")],
        [("re_1", "succeeded"), ("re_2", "failed"), ("re_3", "succeeded")],
    ):
        resources = [
            {"id": name, "object": "refund", "amount": 500, "currency": "eur", "status": status}
            for name, status in refunds
        ]
        world.report([read(one) for one in resources], refunds[-1][0])
        world.check()
    assert sum(world.entries.values()) == -1101


def test_with_credit_as_paid_each_moves_the_money_itself() -> None:
    for credit in (1000, None):
        world = World(paid(1000, credit))
        for name, amount in (("re_1", 333), ("re_2", 1), ("re_3", 666)):
            movement = Reversal("refunded", name, amount, "eur")
            world.report([Reversed(name, (movement,))], name)
            assert world.entries[f"refunded:{name}"] == -amount


@pytest.mark.parametrize(
    ("credit", "money", "paid_cents", "coins"),
    [(1, 4, 10, 0), (1, 5, 10, 1), (1101, 500, 1000, 551), (999, 594, 1189, 499), (1100, -1, 1000, -1)],
)
def test_half_is_rounded_up(credit: int, money: int, paid_cents: int, coins: int) -> None:
    assert share(credit, money, paid_cents) == coins


def test_new_refunds_are_taken_in_by_time_and_id() -> None:
    listed = [{"id": "re_b", "created": 2}, {"id": "re_z", "created": 1}, {"id": "re_a", "created": 2}]
    assert [one["id"] for one in in_order(listed)] == ["re_z", "re_a", "re_b"]


def test_a_dispute_settled_in_another_currency_moves_its_amount_once_each_way() -> None:
    moved = [
        {"id": "txn_3", "amount": -541, "currency": "usd", "created": 3},
        {"id": "txn_2", "amount": 539, "currency": "usd", "created": 2},
        {"id": "txn_1", "amount": -540, "currency": "usd", "created": 1},
    ]
    dispute = {"id": "du_1", "amount": 500, "currency": "eur", "balance_transactions": moved}
    found = of_dispute(dispute)
    assert isinstance(found, Reversed)
    assert [(one.kind, one.amount_cents, one.currency) for one in found.movements] == [
        ("disputed", 500, "eur"),
        ("dispute_won", 500, "eur"),
        ("disputed", 541, "usd"),
    ]


@pytest.mark.parametrize("status", ["needs_response", "under_review", None])
def test_while_a_dispute_is_open_what_may_be_all_of_it_is_neither_all_nor_a_part(status: str | None) -> None:
    moved = [
        {"id": "txn_2", "amount": 432, "currency": "usd", "created": 2},
        {"id": "txn_1", "amount": -540, "currency": "usd", "created": 1},
    ]
    common = {"id": "du_1", "amount": 500, "currency": "eur", "status": status}
    found = of_dispute({**common, "balance_transactions": moved})
    assert isinstance(found, Reversed)
    assert [(one.amount_cents, one.currency) for one in found.movements] == [(500, "eur")]


@pytest.mark.parametrize(
    ("returned", "status", "expected"),
    [
        (531, "won", (500, "eur")),
        (432, "won", (500, "eur")),
        (431, "won", (431, "usd")),
        (162, "under_review", (162, "usd")),
        (531, "lost", (531, "usd")),
    ],
)
def test_what_returns_a_part_of_a_dispute_is_not_taken_for_all_of_it(
    returned: int, status: str, expected: tuple[int, str]
) -> None:
    moved = [
        {"id": "txn_2", "amount": returned, "currency": "usd", "created": 2},
        {"id": "txn_1", "amount": -540, "currency": "usd", "created": 1},
    ]
    common = {"id": "du_1", "amount": 500, "currency": "eur", "status": status}
    found = of_dispute({**common, "balance_transactions": moved})
    assert isinstance(found, Reversed)
    assert [(one.amount_cents, one.currency) for one in found.movements] == [(500, "eur"), expected]
    alone = of_dispute({**common, "balance_transactions": moved[:1]})
    assert isinstance(alone, Reversed)
    assert [(one.amount_cents, one.currency) for one in alone.movements] == [(returned, "usd")]
