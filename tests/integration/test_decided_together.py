"""A reversal and its credit, and what is given back and what was taken, stand or fall together."""

import json
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import permutations
from typing import Any

import pytest

from checkout.base.errors import Refused
from checkout.base.postgres import Database
from checkout.ledger import parked as adapter
from checkout.ledger.decision import NOT_TAKEN
from checkout.operations.verbs.parked import ParkedRecords
from checkout.operations.verbs.verify import Verify
from checkout.outbox.record import Record
from checkout.system import System
from tests.support.functions import Functions, finished, system
from tests.support.roles import acting_as
from tests.support.second_connection import second_connection, waiting
from tests.support.waiting import eventually

Event = dict[str, Any]


@pytest.fixture
def parked(fns: Functions) -> ParkedRecords:
    return ParkedRecords(system())


def of_refund(**fields: Any) -> tuple[Event, Event]:
    """What was taken, and what is given back."""
    common = {"amount_cents": 500, "source_id": "re_1", **fields}
    return finished("r1", status="refunded", **common), finished("r1", status="refund_failed", **common)


def of_dispute(taken: Event | None = None, given: Event | None = None, **fields: Any) -> tuple[Event, Event]:
    common = {"amount_cents": 500, **fields}
    return (
        finished("r1", status="disputed", source_id="txn_1", **common, **(taken or {})),
        finished("r1", status="dispute_won", source_id="txn_2", **common, **(given or {})),
    )


PAIRS: dict[str, Callable[[], tuple[Event, Event]]] = {
    "a refund": of_refund,
    "a dispute": lambda: of_dispute(dispute_id="dp_1", payment_intent_id="pi_1"),
    "a dispute that only its payment names": lambda: of_dispute(payment_intent_id="pi_1"),
    "a dispute that only its request names": of_dispute,
    "a dispute that one side names": lambda: of_dispute(taken={"dispute_id": "dp_1"}),
}


class Topic:
    """Hands over events as records of one partition, each at an offset of its own."""

    def __init__(self, fns: Functions) -> None:
        self._fns = fns
        self._offset = 0

    def deliver(self, *events: Event) -> None:
        self._fns.consume(*(self._record(event) for event in events))

    def _record(self, event: Event) -> Record:
        self._offset += 1
        return Record("checkout.finished", 0, self._offset, b"1", json.dumps(event).encode())


@pytest.fixture
def topic(fns: Functions) -> Topic:
    return Topic(fns)


def spend(fns: Functions, cents: int) -> None:
    fns.application("SELECT ledger_move('order:' || gen_random_uuid(), 1, %s, 'eur', 'order')", (-cents,))


def undecided(fns: Functions) -> list[str]:
    rows = fns.application("SELECT effect_key FROM parked_events WHERE resolution IS NULL ORDER BY id")
    return [row["effect_key"].partition(":")[0] for row in rows]


@pytest.mark.usefixtures("solvent")
@pytest.mark.parametrize("batches", ["one", "several"])
@pytest.mark.parametrize("first", ["taken", "given"])
@pytest.mark.parametrize("pair", PAIRS)
def test_what_could_not_be_taken_is_not_given_back(
    fns: Functions, topic: Topic, pair: str, first: str, batches: str
) -> None:
    taken, given = PAIRS[pair]()
    topic.deliver(finished("r1", payment_intent_id=taken.get("payment_intent_id")))
    spend(fns, 500)
    in_order = [taken, given] if first == "taken" else [given, taken]
    if batches == "one":
        topic.deliver(*in_order)
    elif first == "taken":
        topic.deliver(taken)
        assert undecided(fns) == [taken["status"]]
        topic.deliver(given)
    else:
        topic.deliver(given)
        assert undecided(fns) == [given["status"]]
        topic.deliver(taken)
    assert fns.balance() == 0, "he has spent what he paid"
    entered = fns.application("SELECT sum(amount_cents) AS cents FROM ledger_entries")
    assert entered == [{"cents": 0}]
    assert undecided(fns) in ([], [taken["status"], given["status"]]), "both or none"


def test_a_dispute_gives_back_as_often_as_it_took(fns: Functions, topic: Topic) -> None:
    """Its money is withdrawn and reinstated twice, and the first withdrawal comes last."""

    def moved(status: str, source_id: str) -> dict[str, Any]:
        common: dict[str, Any] = {"payment_intent_id": "pi_1", "dispute_id": "du_1"}
        return finished("r1", status=status, source_id=source_id, **common)

    topic.deliver(finished("r1", payment_intent_id="pi_1"))
    topic.deliver(moved("dispute_won", "txn_2"), moved("dispute_won", "txn_4"), moved("disputed", "txn_3"))
    assert (fns.balance(), undecided(fns)) == (500, ["dispute_won"])
    topic.deliver(moved("disputed", "txn_1"))
    assert (fns.balance(), undecided(fns)) == (500, [])
    assert len(fns.application("SELECT 1 FROM ledger_entries")) == 5


@pytest.mark.parametrize("pair", PAIRS)
def test_what_is_given_back_before_it_was_taken_waits_quietly_and_comes_with_it(
    fns: Functions, topic: Topic, capsys: pytest.CaptureFixture[str], pair: str
) -> None:
    taken, given = PAIRS[pair]()
    topic.deliver(finished("r1", payment_intent_id=taken.get("payment_intent_id")))
    topic.deliver(given)
    topic.deliver(given)
    assert fns.balance() == 500
    assert "RecordParked" not in capsys.readouterr().out
    topic.deliver(taken)
    assert fns.balance() == 500
    rows = fns.application("SELECT reason, resolution, resolution_reason FROM parked_events")
    assert rows == 2 * [
        {"reason": NOT_TAKEN, "resolution": "replayed", "resolution_reason": "what it belongs to has come"}
    ]
    assert len(fns.application("SELECT 1 FROM ledger_entries")) == 3
    topic.deliver(taken, given)
    assert (fns.balance(), undecided(fns)) == (500, [])


@pytest.mark.usefixtures("solvent", "as_operator")
@pytest.mark.parametrize("pair", PAIRS)
def test_what_was_discarded_is_not_given_back_and_a_replay_takes_both(
    fns: Functions, topic: Topic, parked: ParkedRecords, capsys: pytest.CaptureFixture[str], pair: str
) -> None:
    taken, given = PAIRS[pair]()
    topic.deliver(finished("r1", payment_intent_id=taken.get("payment_intent_id")))
    spend(fns, 400)
    topic.deliver(taken)
    [record] = parked.page()
    parked.discard(record.id, reason="he has spent it; we bear it")
    capsys.readouterr()

    topic.deliver(given)

    assert fns.balance() == 100, "Stripe: 500 - 500 + 500; 400 are spent"
    assert parked.page() == []
    assert "RecordParked" not in capsys.readouterr().out
    together = parked.replayed_with(record.id)
    assert [one.resolution for one in together] == ["discarded", "discarded"]
    assert parked.replayed_with(together[1].id) == together
    assert parked.replay(together[1].id).credited == 2
    assert fns.balance() == 100


@pytest.mark.usefixtures("solvent", "as_operator")
@pytest.mark.parametrize("pair", PAIRS)
def test_both_are_discarded_together(fns: Functions, topic: Topic, parked: ParkedRecords, pair: str) -> None:
    taken, given = PAIRS[pair]()
    topic.deliver(finished("r1", payment_intent_id=taken.get("payment_intent_id")))
    spend(fns, 500)
    topic.deliver(taken)
    topic.deliver(given)
    records = parked.page()
    assert [one.effect_key for one in parked.discarded_with(records[1].id)] == [
        one.effect_key for one in records
    ]
    assert len(parked.discard(records[0].id, reason="spent")) == 2
    assert (fns.balance(), parked.page()) == (0, [])


@pytest.mark.usefixtures("as_operator")
@pytest.mark.parametrize("pair", PAIRS)
def test_what_was_discarded_before_it_was_taken_is_not_taken(
    fns: Functions, topic: Topic, parked: ParkedRecords, capsys: pytest.CaptureFixture[str], pair: str
) -> None:
    """Kafka has lost what takes it, and the reconciler emits that again after the decision."""
    taken, given = PAIRS[pair]()
    topic.deliver(finished("r1", payment_intent_id=taken.get("payment_intent_id")), given)
    [record] = parked.page()
    parked.discard(record.id, reason="it gives back what nobody took", operator="ada")
    capsys.readouterr()

    topic.deliver(taken, given)

    assert fns.balance() == 500, "Stripe: 500 - 500 + 500"
    assert parked.page() == []
    assert "RecordParked" not in capsys.readouterr().out
    together = parked.replayed_with(record.id)
    assert {one.resolution for one in together} == {"discarded"}
    assert parked.replay(record.id).credited == 2
    assert len(fns.application("SELECT 1 FROM ledger_entries")) == 3


@pytest.mark.usefixtures("as_operator")
def test_a_decision_about_one_return_of_a_dispute_leaves_its_others(
    fns: Functions, topic: Topic, parked: ParkedRecords
) -> None:
    """Two withdrawals and two returns, in any order, of which one return was discarded before all others."""
    moved = {
        source_id: finished(
            "r1", status=status, source_id=source_id, payment_intent_id="pi_1", dispute_id="du_1"
        )
        for source_id, status in (
            ("txn_1", "disputed"),
            ("txn_2", "dispute_won"),
            ("txn_3", "disputed"),
            ("txn_4", "dispute_won"),
        )
    }
    for order in permutations(["txn_1", "txn_3", "txn_4"]):
        fns.empty_databases()
        fns.add_users(1)
        topic.deliver(finished("r1", payment_intent_id="pi_1"), moved["txn_2"])
        [record] = parked.page()
        parked.discard(record.id, reason="no")
        for source_id in order:
            topic.deliver(moved[source_id])
        assert (fns.balance(), undecided(fns)) == (500, []), order


@pytest.mark.usefixtures("as_operator")
def test_another_refund_and_another_dispute_are_decided_alone(
    fns: Functions, topic: Topic, parked: ParkedRecords
) -> None:
    taken, given = of_dispute(dispute_id="dp_1")
    topic.deliver(
        finished("r1"),
        taken,
        given | {"dispute_id": "dp_2"},
        finished("r1", status="refunded", source_id="re_1"),
        finished("r1", status="refund_failed", source_id="re_2"),
    )
    assert fns.balance() == -500
    assert undecided(fns) == ["dispute_won", "refund_failed"]
    for record in parked.page():
        assert parked.discarded_with(record.id) == [record]


@pytest.mark.usefixtures("solvent")
@pytest.mark.parametrize("order", list(permutations(range(4))))
def test_a_refused_reversal_comes_with_the_credit_that_it_has_overtaken(
    fns: Functions, topic: Topic, order: Sequence[int]
) -> None:
    """Kafka was away when the payment was published, or has lost it."""
    events = [
        finished("r1"),
        finished("r1", status="refunded", source_id="re_1", amount_cents=200),
        finished("r1", status="refunded", source_id="re_2", amount_cents=300),
        finished("r1", status="refund_failed", source_id="re_2", amount_cents=300),
    ]
    for position in order:
        topic.deliver(events[position])
    assert (fns.balance(), undecided(fns)) == (300, [])
    assert len(fns.application("SELECT 1 FROM ledger_entries")) == 4


@pytest.mark.usefixtures("solvent")
def test_a_credit_is_entered_even_if_what_it_brings_along_is_still_refused(
    fns: Functions, topic: Topic
) -> None:
    topic.deliver(finished("r1", status="refunded", source_id="re_1", amount_cents=700))
    topic.deliver(finished("r1"))
    assert (fns.balance(), undecided(fns)) == (500, ["refunded"])


@pytest.mark.parametrize("rule", ["RAISE EXCEPTION 'closed'", "RETURN NULL"])
def test_what_is_refused_when_it_is_brought_along_calls_somebody(
    fns: Functions, topic: Topic, capsys: pytest.CaptureFixture[str], rule: str
) -> None:
    """A failed refund comes before the refund, and waits without an alarm. A trigger of the application's
    keeps out what it gives back, so the refund is entered alone, and nothing brings the other one along."""
    refund = {"source_id": "re_1", "amount_cents": 200}
    topic.deliver(finished("r1"))
    topic.deliver(finished("r1", status="refund_failed", **refund))
    assert undecided(fns) == ["refund_failed"]
    assert "RecordParked" not in capsys.readouterr().out

    fns.application(
        f"CREATE FUNCTION rule() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {rule}; END $$;"
        " CREATE TRIGGER rule BEFORE INSERT ON ledger_entries FOR EACH ROW"
        " WHEN (NEW.kind = 'refund_failed') EXECUTE FUNCTION rule()"
    )
    try:
        topic.deliver(finished("r1", status="refunded", **refund))
    finally:
        fns.application("DROP FUNCTION rule CASCADE")

    assert (fns.balance(), undecided(fns)) == (300, ["refund_failed"])
    assert capsys.readouterr().out.count('"RecordParked":[1.0]') == 1
    [parked] = fns.application("SELECT reason, is_refused FROM parked_events")
    assert parked["is_refused"]
    assert "refused by the database" in parked["reason"]


# A payment is its payment intent


def test_a_reversal_finds_its_credit_by_the_payment_intent(fns: Functions, topic: Topic) -> None:
    """After a restore two payments of one request have each other's request_id."""
    topic.deliver(
        finished("r", payment_intent_id="pi_1"), finished("r:cs_2", payment_intent_id="pi_2", user_id=404)
    )
    topic.deliver(
        finished("r:cs_2", payment_intent_id="pi_1", status="refunded", source_id="re_1", amount_cents=200)
    )
    assert fns.balance() == 300, "the credit under that request_id is parked, but it is another payment's"
    assert undecided(fns) == ["success"]


@pytest.mark.usefixtures("as_operator")
def test_a_parked_credit_is_found_by_the_payment_intent_too(
    fns: Functions, topic: Topic, parked: ParkedRecords
) -> None:
    topic.deliver(finished("r", payment_intent_id="pi_1", user_id=7))
    fns.add_users(7)
    topic.deliver(finished("r", payment_intent_id="pi_2", user_id=7))
    reversal = {"status": "refunded", "amount_cents": 200, "user_id": 7}
    topic.deliver(finished("other", payment_intent_id="pi_1", source_id="re_1", **reversal))
    topic.deliver(finished("r", payment_intent_id="pi_2", source_id="re_2", **reversal))
    assert fns.balance(7) == 300
    credit, refunded = parked.page()
    assert [record.id for record in parked.discarded_with(refunded.id)] == [credit.id, refunded.id]
    assert [record.id for record in parked.discarded_with(credit.id)] == [credit.id, refunded.id]


def test_without_a_payment_intent_the_request_decides(fns: Functions, topic: Topic) -> None:
    topic.deliver(finished("r", payment_intent_id="pi_1", currency="usd"), finished("other"))
    topic.deliver(finished("r", status="refunded", source_id="re_1"))
    topic.deliver(finished("other", payment_intent_id="pi_3", status="refunded", source_id="re_2"))
    assert fns.balance() == 0
    assert undecided(fns) == ["success", "refunded"]


# Discarded, and refunded at Stripe


@pytest.mark.usefixtures("as_operator")
def test_paid_in_another_currency_discarded_and_refunded_ends_quiet_and_exact(
    fns: Functions, topic: Topic, parked: ParkedRecords, capsys: pytest.CaptureFixture[str]
) -> None:
    payment = {"currency": "usd", "payment_intent_id": "pi_1"}
    topic.deliver(finished("r1", **payment))
    [credit] = parked.page()
    parked.discard(credit.id, reason="refunded at Stripe", operator="ada")
    capsys.readouterr()

    topic.deliver(finished("r1", **payment))
    topic.deliver(finished("r1", status="refunded", source_id="re_1", **payment))
    topic.deliver(finished("r1", status="refund_failed", source_id="re_1", **payment))

    assert "RecordParked" not in capsys.readouterr().out
    assert (fns.balance(), parked.page()) == (0, [])
    records = parked.page(resolved=True)
    assert [(one.effect_key, one.resolution) for one in records] == [
        ("success:r1", "discarded"),
        ("refunded:re_1", "discarded"),
        ("refund_failed:re_1", "discarded"),
    ]
    assert parked.replayed_with(credit.id) == records
    assert {one.name: one.count for one in Verify(system())() if one.name == "RecordsParked"} == {
        "RecordsParked": 0
    }


# Users who are not there to be locked


@pytest.mark.parametrize("offset", [0, 5], ids=["delivered again", "published twice"])
def test_a_record_of_a_user_who_signs_up_is_not_credited_while_it_is_discarded(
    fns: Functions, parked: ParkedRecords, offset: int
) -> None:
    event = finished("r1", user_id=7)
    fns.consume(event)
    again = Record("checkout.finished", 0, offset, b"1", json.dumps(event).encode())
    with second_connection(fns.settings["DATABASE_URL"]) as operator:
        operator.execute("SELECT 1 FROM parked_events FOR UPDATE")
        fns.add_users(7)
        consuming = waiting(fns.settings["DATABASE_URL"], lambda: fns.consume(again))
        operator.execute("UPDATE parked_events SET resolution = 'discarded', resolved_at = now()")
        operator.commit()
        assert consuming.result(20) == {"batchItemFailures": []}
    assert fns.balance(7) == 0
    assert len(fns.application("SELECT 1 FROM parked_events")) == 1


def test_a_record_of_a_user_who_signs_up_is_not_discarded_while_it_is_credited(
    fns: Functions, parked: ParkedRecords, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The operator looks for the user, who is not there; then comes the sign-up, and the record again."""
    event = finished("r1", user_id=7)
    fns.consume(event)
    [record] = fns.application("SELECT id FROM parked_events")
    unapplied, lock, has_read = adapter.unapplied, adapter.lock, threading.Event()

    def and_wait_for_the_operator(*arguments: Any) -> Any:
        found = unapplied(*arguments)
        has_read.set()
        until_somebody_waits(fns)
        return found

    def behind_the_consumer(*arguments: Any) -> Any:
        fns.add_users(7)
        consuming.append(pool.submit(fns.consume, event))
        assert has_read.wait(20)
        return lock(*arguments)

    monkeypatch.setattr(adapter, "unapplied", and_wait_for_the_operator)
    monkeypatch.setattr(adapter, "lock", behind_the_consumer)
    consuming: list[Future[Any]] = []
    with ThreadPoolExecutor(1) as pool, acting_as("operations"):
        database = Database(lambda: fns.settings["DATABASE_URL"])
        operator = ParkedRecords(System(system().config, application_database=database))
        with pytest.raises(Refused, match="in the ledger"):
            operator.discard(record["id"], reason="nobody")
        assert consuming[0].result(20) == {"batchItemFailures": []}
    assert fns.balance(7) == 500
    assert undecided(fns) == ["success"], "a replay settles it"


def until_somebody_waits(fns: Functions) -> None:
    waits = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    eventually(lambda: fns.application(waits), 20)
