"""The models of Stripe and Kafka."""

from fractions import Fraction
from itertools import count
from typing import Any

import pytest

from checkout.base import telemetry
from checkout.outbox.record import Record
from simulation.clock import Clock
from simulation.kafka import Topic
from simulation.metrics import Metrics
from simulation.server import APP_ID
from simulation.stripe_model import disputes, refunding
from simulation.stripe_model.account import Account, Resource
from simulation.stripe_model.keys import KEYS_LIVE, Keys
from simulation.stripe_model.lag import Lag
from simulation.stripe_model.refunding import Refunding
from simulation.stripe_model.webhooks import GIVES_UP_AFTER, Webhooks
from simulation.terms import Terms
from simulation.truth import Truth
from simulation.world import API_VERSION, TOP_UP


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def account(clock: Clock) -> Account:
    numbers = count(1)

    def described(resource: Resource) -> Resource:
        return {"api_version": API_VERSION, "data": {"object": resource}}

    return Account(clock, lambda _: next(numbers), described)


def paid(account: Account, *, by_debit: bool = False, purpose: str = TOP_UP) -> str:
    """Returns the charge's id."""
    session = account.create_session(
        {
            "line_items": [{"price_data": {"currency": "eur", "unit_amount": 500}, "quantity": 1}],
            "metadata": {"checkout_app": APP_ID, "request_id": "r", "user_id": "1", "purpose": purpose},
        }
    )
    account.pay(session["id"], by_debit=by_debit)
    return str(account.all("charge")[-1]["id"])


def booked(account: Account) -> int:
    return sum(account.now(one)["amount"] for one in account.books)


def test_a_debit_that_fails_leaves_nothing(account: Account) -> None:
    account.end_debit(paid(account, by_debit=True), settles=False)
    assert booked(account) == 0
    found = Truth(account)
    assert (found.must, found.may) == (set(), set())
    types = [event["type"] for event in account.events]
    assert types == ["checkout.session.completed", "checkout.session.async_payment_failed"]


def test_an_event_has_the_state_of_its_time(account: Account) -> None:
    account.end_debit(paid(account, by_debit=True), settles=True)
    assert [event["data"]["object"]["payment_status"] for event in account.events] == ["unpaid", "paid"]


def test_what_must_be_in_the_ledger_is_what_the_books_say(account: Account) -> None:
    charge = paid(account)
    account.refund(charge, 200, "succeeded")
    account.refund(charge, 300, "pending")
    account.move_refund(account.all("refund")[-1]["id"], "failed")
    disputes.begin(account, charge)
    [dispute] = account.all("dispute")
    disputes.move(account, dispute["id"], withdrawn=True)
    disputes.move(account, dispute["id"], withdrawn=False)
    found = Truth(account)
    must, may = found.must, found.may
    assert sorted(fact.amount for fact in must) == [-500, -200, 500, 500]
    assert sorted(fact.amount for fact in may) == [-300, 300]
    assert booked(account) == sum(fact.amount for fact in must | may) == 300


def test_what_an_application_sells_itself_moves_no_balance(account: Account) -> None:
    account.refund(paid(account, purpose="order"), 200, "succeeded")
    found = Truth(account)
    assert (found.must, found.may) == (set(), set())


def test_reads_that_fall_behind_show_what_there_was(account: Account, clock: Clock) -> None:
    charge, lag = paid(account), Lag(account, clock)
    first = account.refund(charge, 200, "pending")
    lag.begin(60)
    account.move_refund(first["id"], "succeeded")
    second = account.refund(charge, 100, "succeeded")
    refunds = account.all("refund")
    assert [one["status"] for one in lag.states(first["id"])] == ["pending"]
    assert [one["status"] for one in lag.shown(refunds)] == ["pending"]
    assert list(lag.states(second["id"])) == []
    clock.pass_(60)
    assert [one["status"] for one in lag.shown(refunds)] == ["succeeded", "succeeded"]


@pytest.mark.parametrize(
    ("returned_in_part", "end", "counts"),
    [(False, "won", [-500, 500]), (False, None, [-500]), (True, None, None), (False, "lost", None)],
    ids=["all", "perhaps all", "a part", "lost"],
)
def test_of_a_dispute_in_another_currency_all_of_it_can_be_counted_once_each_way(
    clock: Clock, returned_in_part: bool, end: str | None, counts: list[int] | None
) -> None:
    numbers = count(1)
    account = Account(
        clock,
        lambda _bits: next(numbers),
        lambda one: {"data": {"object": one}},
        lambda cents, _: (2 * cents, "usd"),
    )
    disputes.begin(account, paid(account))
    [dispute] = account.all("dispute")
    disputes.move(account, dispute["id"], withdrawn=True)
    if end is None:
        disputes.move(account, dispute["id"], withdrawn=False, in_part=returned_in_part)
    else:
        disputes.close(account, dispute["id"], end, returned=500)
    truth = Truth(account)
    assert truth.unclear == (set() if counts else {dispute["payment_intent"]})
    moved = [fact.amount for fact in truth.must if fact.kind.startswith("dispute")]
    assert sorted(moved) == (counts or [])
    assert [fact.amount for fact in truth.may] == ([] if counts else [-500])


def test_a_bank_can_return_a_disputes_money_in_parts(account: Account) -> None:
    disputes.begin(account, paid(account))
    [dispute] = account.all("dispute")
    disputes.move(account, dispute["id"], withdrawn=True)
    disputes.move(account, dispute["id"], withdrawn=False, in_part=True)
    assert disputes.taken_by(account, account.now(dispute["id"])) == 250
    disputes.move(account, dispute["id"], withdrawn=False)
    assert disputes.taken_by(account, account.now(dispute["id"])) == 0
    assert sorted(fact.amount for fact in Truth(account).must) == [-500, 250, 250, 500]


def test_what_is_taken_back_of_a_priced_payment_is_its_share(account: Account) -> None:
    terms = Terms(per_cent=Fraction(1, 3))
    charge = paid(account)
    account.refund(charge, 100, "succeeded")
    account.refund(charge, 400, "succeeded")
    first, second = (refund["id"] for refund in account.all("refund"))
    [intent] = {refund["payment_intent"] for refund in account.all("refund")}
    found = Truth(account, terms)
    assert found.priced[intent].share(500) == found.priced[intent].credit == 166

    def entry(source: str, amount: int) -> dict[str, Any]:
        known = {"user_id": 1, "currency": "eur", "payment_intent_id": intent, "kind": "refunded"}
        return {**known, "source_id": source, "amount_cents": amount}

    right = [entry(first, -33), entry(second, -133)]
    assert {found.fact_of(row) for row in right} == {one for one in found.must if one.kind == "refunded"}
    assert found.wrong_shares(right) == {}
    assert [*found.wrong_shares([entry(first, -33), entry(second, -134)])] == [intent]
    assert found.fact_of(entry(first, -35)) not in found.must


def test_another_idempotency_key_is_for_what_stripe_would_replay() -> None:
    keys = Keys()
    keys.note("r", "r", 0.0)
    keys.use_up("r")
    keys.note("r", "r:2", 1.0)
    assert keys.broken == []
    keys.note("r", "r:3", 2.0)
    assert len(keys.broken) == 1


def test_after_a_restore_a_request_that_has_a_session_is_not_begun_again() -> None:
    keys = Keys()
    keys.is_restored = True
    keys.note("r", "r", 0.0)
    keys.note("r", "r:2", 1.0)
    assert keys.broken == []
    keys.known["r:2"] = ("", {"id": "cs_test_1"}, 1.0)
    keys.note("r", "r:3", KEYS_LIVE + 2.0)
    assert keys.broken == []
    keys.note("r", "r:4", KEYS_LIVE)
    assert len(keys.broken) == 1


def test_a_key_refunds_once_and_stripe_repeats_what_it_has_answered(account: Account, clock: Clock) -> None:
    intent = account.now(paid(account))["payment_intent"]
    stripe = Refunding(account, clock, is_slow=lambda: False)

    def create(key: str, amount: int, **fault: bool) -> object:
        asked = {"payment_intent": intent, "amount": amount, "metadata": {}}
        return stripe.create(asked, {"idempotency_key": key}, **{"before": False, "after": False, **fault})

    assert create("a", 200, before=True) == refunding.FAILED
    assert create("a", 200) == refunding.FAILED
    assert create("b", 200, after=True) == refunding.FAILED
    assert create("c", 301) == refunding.TOO_MUCH
    assert (create("d", 300), create("d", 299)) == (account.now(stripe.made[1]), refunding.TAKEN)
    assert create("d", 300) == account.now(stripe.made[1])
    clock.pass_(KEYS_LIVE + 1)
    assert create("d", 300) == refunding.REFUNDED
    assert [account.now(one)["amount"] for one in stripe.made] == [200, 300]


def test_what_a_process_has_counted_is_lost_with_it_unless_it_is_an_alert(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    metrics = Metrics(clock)
    for name in ("_add", "_flush"):
        monkeypatch.setattr(telemetry, name, getattr(telemetry, name))
    monkeypatch.setattr(telemetry.logger, "error", telemetry.logger.error)
    metrics.listen()
    for has_died in (False, True):
        metrics.begin()
        telemetry.alert("RecordParked", "parked", offset=17)
        telemetry.count("ReconcilerSkipped")
        metrics.end(has_died=has_died)

    assert [one.name for one in metrics.heard] == ["RecordParked", "ReconcilerSkipped", "RecordParked"]
    assert metrics.about("RecordParked", "offset") == {17}
    assert metrics.last.values("ReconcilerSkipped") == []


def test_a_webhook_is_due_until_it_is_answered_or_stripe_gives_up(account: Account, clock: Clock) -> None:
    webhooks = Webhooks(account, clock)
    paid(account)
    paid(account)
    first, second = webhooks.due()
    first.is_answered = True
    assert webhooks.due() == [second]
    clock.pass_(GIVES_UP_AFTER + 1)
    assert webhooks.due() == []


def test_offsets_are_stored_up_to_the_first_record_that_must_come_again() -> None:
    topic = Topic("topic")
    for number in range(4):
        topic.append("1", b"%d" % number)
    [partition] = [number for number, records in enumerate(topic.partitions) if records]
    batch: list[Record] = topic.batch([partition], 3)
    topic.lose(partition, 3)
    topic.store(batch, [(partition, 1)])
    assert [record.value for record in topic.batch([partition], 10)] == [b"1", b"2"]
    assert topic.lag() == 2


def test_what_kafka_has_lost_is_found_again() -> None:
    topic = Topic("topic")
    topic.append("1", b"lost")
    topic.begin_anew()
    topic.append("1", b"kept")
    topic.ever[b"acknowledged, and never appended"] = "1"
    topic.find_lost()
    values = [record.value for records in topic.partitions for record in records if record is not None]
    assert values == [b"kept", b"lost", b"acknowledged, and never appended"]
    assert topic.lag() == 0
