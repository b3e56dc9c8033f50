"""Parked records: listed, replayed as the consumer would apply them, or discarded."""

import json
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from typing import Any

import pytest

from checkout.base.errors import InvariantBroken, NotFound, Refused
from checkout.base.postgres import Database
from checkout.ledger import parked as adapter
from checkout.ledger import whereabouts
from checkout.ledger.crediting import CreditBalances
from checkout.operations.verbs.parked import ParkedRecords
from checkout.outbox import finished_event
from checkout.outbox.record import Record
from checkout.system import System
from tests.support.functions import Functions, finished, system

pytestmark = pytest.mark.usefixtures("as_operator")


@pytest.fixture
def parked(fns: Functions) -> ParkedRecords:
    return ParkedRecords(system())


def refund(request_id: str, source_id: str = "re_1", **fields: Any) -> dict[str, Any]:
    return finished(request_id, status="refunded", source_id=source_id, amount_cents=200, **fields)


def ids(parked: ParkedRecords) -> list[int]:
    return [record.id for record in parked.page()]


def test_a_record_is_discarded_and_looked_for_though_our_decoder_fails(
    fns: Functions, parked: ParkedRecords, monkeypatch: pytest.MonkeyPatch
) -> None:
    fns.consume(finished("r1", user_id=7))
    [record] = parked.page()
    assert record.effect is not None

    def fails(_: bytes) -> None:
        raise KeyError("a defect of ours")

    monkeypatch.setattr(finished_event, "Fields", fails)
    parked.discard(record.id, reason="a test")
    with system().application_database.transaction() as tx:
        places = whereabouts.find(tx, [record.effect])
    assert places == {"success:r1": whereabouts.Place.DISCARDED}
    [kept] = fns.checkout("SELECT value FROM discarded_effects")
    assert kept["value"] is None


def test_no_record_is_taken_for_parked_because_another_one_has_its_id(fns: Functions) -> None:
    """As after a move by logical replication, which copies no sequence. The record would be lost."""
    fns.consume(b"nonsense")
    fns.application("SELECT setval('parked_events_id_seq', (SELECT id FROM parked_events), false)")
    more = Record(finished_event.TOPIC, 0, 7, b"1", b"more nonsense")
    with pytest.raises(InvariantBroken, match="its sequence gives ids that are taken"):
        fns.consume(more)
    fns.consume(more)  # The attempt has used up the id that was taken.
    fns.consume(more)
    rows = fns.application("SELECT kafka_offset FROM parked_events ORDER BY id")
    assert [row["kafka_offset"] for row in rows] == [0, 7]


def test_a_credit_whose_entry_s_id_is_taken_is_parked_with_the_cause(
    fns: Functions, parked: ParkedRecords
) -> None:
    fns.consume(finished("r1"))
    fns.application("SELECT setval('ledger_entries_id_seq', (SELECT id FROM ledger_entries), false)")
    fns.consume(finished("r2"))
    [record] = parked.page()
    assert "its sequence gives ids that are taken" in record.reason
    assert parked.replay(record.id).credited == 1
    assert fns.balance() == 1000


def test_a_record_of_an_unknown_user_is_listed_and_once_the_user_is_there_replayed_and_credited_once(
    fns: Functions, parked: ParkedRecords
) -> None:
    event = finished("r1", user_id=7)
    fns.consume(event)
    [record] = parked.page()
    assert (record.reason, record.effect_key, record.request_id, record.user_id, record.amount_cents) == (
        "there is no such user",
        "success:r1",
        "r1",
        7,
        500,
    )
    with pytest.raises(Refused, match="there is no such user"):
        parked.replay(record.id)
    assert parked.record(record.id).resolution is None

    fns.add_users(7)
    fns.application("UPDATE parked_events SET topic = 'staging.' || topic")  # As with a KAFKA_TOPIC_PREFIX.
    assert parked.replay(record.id, operator="ada").credited == 1
    assert fns.balance(7) == 500
    assert parked.page() == []
    after = parked.record(record.id)
    assert (after.resolution, after.operator, after.value) == ("replayed", "ada", record.value)

    with pytest.raises(Refused, match="was replayed"):
        parked.replay(record.id)
    fns.consume(event)
    assert fns.balance(7) == 500
    assert parked.page() == []


def test_a_replay_in_parallel_with_itself_and_the_consumer_credits_once(
    fns: Functions, parked: ParkedRecords
) -> None:
    event = finished("r1", user_id=7)
    fns.consume(event)
    [record_id] = ids(parked)
    fns.add_users(7)

    config = system().config

    def attempt(number: int) -> None:
        own = System(config)
        try:
            if number % 2:
                ParkedRecords(own).replay(record_id)
            else:
                own.credit_balances(
                    [Record("checkout.finished", 0, number, b"7", json.dumps(event).encode())]
                )
        except Refused as error:
            assert "was replayed" in error.detail

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(attempt, range(6)))
    assert fns.balance(7) == 500


def test_a_reversal_waits_parked_with_its_parked_credit_and_a_replay_takes_both(
    fns: Functions, parked: ParkedRecords
) -> None:
    fns.consume(finished("r1", user_id=7), finished("r2"))
    fns.add_users(7)
    fns.consume(refund("r1", user_id=7), refund("r2", "re_2"))
    assert (fns.balance(7), fns.balance(1)) == (0, 300)
    credit, reversal = parked.page()
    assert "the credit that it reverses" in reversal.reason

    assert [record.id for record in parked.replayed_with(reversal.id)] == [credit.id, reversal.id]
    assert parked.replay(reversal.id).credited == 2
    assert fns.balance(7) == 300
    assert parked.page() == []


def test_in_one_batch_too(fns: Functions, parked: ParkedRecords) -> None:
    fns.consume(finished("r1", currency="usd"), refund("r1"))
    assert fns.balance() == 0
    assert len(parked.page()) == 2


def test_a_reversal_that_comes_with_its_parked_credit_again_is_applied(
    fns: Functions, parked: ParkedRecords
) -> None:
    fns.consume(finished("r1", user_id=7))
    fns.add_users(7)
    fns.consume(finished("r1", user_id=7), refund("r1", user_id=7))
    assert fns.balance(7) == 300
    [record_id] = ids(parked)
    assert parked.replay(record_id).known == 1
    assert fns.balance(7) == 300


def test_a_discarded_effect_never_comes_back_by_itself_and_its_reversal_is_discarded_with_it(
    fns: Functions, parked: ParkedRecords, capsys: pytest.CaptureFixture[str]
) -> None:
    credit, reversal = finished("r1", user_id=7), refund("r1", user_id=7)
    fns.consume(credit, reversal)
    first, second = ids(parked)
    discarded = parked.discard(first, reason="paid back by hand", operator="ada")
    assert [record.id for record in discarded] == [first, second]
    assert parked.record(second).resolution_reason == "paid back by hand"

    fns.add_users(7)
    fns.consume(credit, reversal)
    assert fns.balance(7) == 0
    assert parked.page() == []
    capsys.readouterr()
    fns.consume(refund("r1", "re_2", user_id=7))
    assert "RecordParked" not in capsys.readouterr().out
    assert fns.balance(7) == 0
    assert parked.page() == []
    third = parked.page(resolved=True)[-1]
    assert (third.effect_key, third.resolution) == ("refunded:re_2", "discarded")

    assert [record.id for record in parked.replayed_with(first)] == [first, second, third.id]
    assert parked.replay(first).credited == 3
    assert fns.balance(7) == 100


def test_what_was_discarded_can_be_replayed_after_all(fns: Functions, parked: ParkedRecords) -> None:
    fns.consume(finished("r1", user_id=7), refund("r1", user_id=7))
    first, _ = ids(parked)
    parked.discard(first, reason="a mistake")
    with pytest.raises(Refused, match="was discarded"):
        parked.discard(first, reason="again")
    fns.add_users(7)
    assert parked.replay(first).credited == 2
    assert fns.balance(7) == 300


def test_a_conflict_is_decided_alone(fns: Functions, parked: ParkedRecords) -> None:
    fns.consume(finished("r1"), finished("r1", amount_cents=900))
    [record_id] = ids(parked)
    with pytest.raises(Refused, match="another user, amount or currency"):
        parked.replay(record_id)
    assert len(parked.discard(record_id, reason="a twin of the first")) == 1
    fns.consume(refund("r1"))
    assert fns.balance() == 300
    assert parked.page() == []


@pytest.mark.parametrize("batches", ["one", "two", "all in one"])
def test_a_reversal_of_a_credit_that_conflicts_with_another_users_is_parked_with_it(
    fns: Functions, parked: ParkedRecords, batches: str
) -> None:
    fns.add_users(2, 3)
    wrong, right = finished("r1", user_id=2), finished("r1", user_id=3)
    reversal = refund("r1", user_id=3)
    match batches:
        case "one":
            fns.consume(wrong)
            fns.consume(right, reversal)
        case "two":
            fns.consume(wrong, right)
            fns.consume(reversal)
        case _:
            fns.consume(wrong, right, reversal)
    assert (fns.balance(2), fns.balance(3)) == (500, 0)
    conflict, waiting = parked.page()
    assert "the credit that it reverses" in waiting.reason

    assert [record.id for record in parked.discarded_with(waiting.id)] == [conflict.id, waiting.id]
    with pytest.raises(Refused, match="another user, amount or currency"):
        parked.replay(waiting.id)
    assert len(parked.discard(conflict.id, reason="adjusted by hand")) == 2
    fns.consume(refund("r1", "re_2", user_id=2), refund("r1", "re_3", user_id=3))
    assert (fns.balance(2), fns.balance(3)) == (300, 0)


def test_a_reversal_that_comes_before_its_credit_is_parked_if_another_user_has_that(
    fns: Functions, parked: ParkedRecords
) -> None:
    fns.add_users(2, 3)
    fns.consume(finished("r1", user_id=2))
    fns.consume(refund("r1", user_id=3))
    assert (fns.balance(2), fns.balance(3)) == (500, 0)
    [reversal] = parked.page()
    assert "with another user" in reversal.reason

    fns.consume(finished("r1", user_id=3))
    assert (fns.balance(2), fns.balance(3)) == (500, 0)
    assert len(parked.discard(reversal.id, reason="adjusted by hand")) == 2


def test_a_conflict_with_a_credit_that_commits_meanwhile_takes_its_reversal_along(
    fns: Functions, parked: ParkedRecords, monkeypatch: pytest.MonkeyPatch
) -> None:
    fns.add_users(2, 3)
    unapplied = adapter.unapplied

    def then_another_consumer(*arguments: Any) -> Any:
        monkeypatch.setattr(adapter, "unapplied", unapplied)
        found = unapplied(*arguments)
        crediting = CreditBalances(Database(lambda: fns.settings["DATABASE_URL"]), "eur")
        value = json.dumps(finished("r1", user_id=2)).encode()
        crediting([Record("checkout.finished", 1, 0, b"2", value)])
        return found

    monkeypatch.setattr(adapter, "unapplied", then_another_consumer)
    fns.consume(finished("r1", user_id=3), refund("r1", user_id=3))
    assert (fns.balance(2), fns.balance(3)) == (500, 0)
    assert len(parked.page()) == 2


def test_a_reversal_that_was_applied_before_its_credit_was_parked_is_known(
    fns: Functions, parked: ParkedRecords
) -> None:
    fns.consume(refund("r1"))
    fns.consume(finished("r1", currency="usd"))
    fns.consume(refund("r1"))
    assert fns.balance() == -200
    assert len(parked.page()) == 1


@pytest.mark.parametrize("status", ["success", "refunded"])
def test_what_is_in_the_ledger_is_not_discarded_but_settled_by_a_replay(
    fns: Functions, parked: ParkedRecords, status: str
) -> None:
    event = finished("r1", user_id=7, status=status, source_id="re_1")
    fns.consume(event)
    fns.add_users(7)
    fns.consume(event)
    balance = fns.balance(7)
    assert balance != 0
    [record_id] = ids(parked)
    with pytest.raises(Refused, match="in the ledger"):
        parked.discarded_with(record_id)
    with pytest.raises(Refused, match="replay"):
        parked.discard(record_id, reason="a mistake")
    assert parked.record(record_id).resolution is None
    assert parked.replay(record_id).known == 1
    assert (fns.balance(7), parked.page()) == (balance, [])


def test_a_rivals_user_has_a_reversal_of_their_own(fns: Functions, parked: ParkedRecords) -> None:
    fns.consume(finished("r1", user_id=7), finished("r1", user_id=8), refund("r1", user_id=8))
    one, other, reversal = ids(parked)
    assert [record.id for record in parked.discard(one, reason="never paid")] == [one]
    assert [record.id for record in parked.discarded_with(reversal)] == [other, reversal]


def test_of_two_rivals_for_one_credit_the_operator_chooses(fns: Functions, parked: ParkedRecords) -> None:
    fns.consume(
        finished("r1", user_id=7), finished("r1", user_id=7, amount_cents=900), refund("r1", user_id=7)
    )
    small, large, reversal = ids(parked)
    fns.add_users(7)
    with pytest.raises(Refused, match="another user, amount or currency"):
        parked.replay(reversal)
    assert [record.id for record in parked.replayed_with(large)] == [large, reversal]
    parked.replay(large)
    assert fns.balance(7) == 700
    parked.discard(small, reason="the other one was paid")
    assert parked.page() == []


def test_what_the_database_refuses_stays_parked(fns: Functions, parked: ParkedRecords) -> None:
    fns.application("SELECT ledger_move('gift:1', 1, %s, 'eur', 'gift')", (2**63 - 1,))
    fns.consume(finished())
    [record_id] = ids(parked)
    with pytest.raises(Refused, match="refuses it"):
        parked.replay(record_id)
    fns.application("SELECT ledger_move('gift:2', 1, -500, 'eur', 'gift')")
    parked.replay(record_id)
    assert fns.balance() == 2**63 - 1


def test_a_release_that_knows_more_applies_what_the_one_before_it_parked(
    fns: Functions, parked: ParkedRecords, monkeypatch: pytest.MonkeyPatch
) -> None:
    fns.consume(finished("r1"))
    with monkeypatch.context() as before:
        before.setattr(finished_event, "_STATUSES", {"success"})
        fns.consume(refund("r1"))
    [record] = parked.page()
    assert (record.reason, record.effect_key) == ("status is missing or unknown", None)
    assert parked.replay(record.id).credited == 1
    assert fns.balance() == 300


def test_a_record_that_does_not_exist_is_not_found(parked: ParkedRecords) -> None:
    for act in (parked.record, parked.replay, parked.replayed_with, parked.discarded_with):
        with pytest.raises(NotFound, match="404"):
            act(404)


def test_pages_go_on_where_they_ended(fns: Functions, parked: ParkedRecords) -> None:
    fns.consume(*(b"bad %d" % number for number in range(5)))
    first = parked.page(limit=3)
    rest = parked.page(after_id=first[-1].id, limit=3)
    assert [bytes(record.value) for record in first + rest] == [b"bad %d" % number for number in range(5)]
    parked.discard(first[0].id, reason="noise")
    assert len(parked.page()) == 4
    assert len(parked.page(resolved=True)) == 5


def test_a_request_is_not_replayed_but_can_be_discarded(fns: Functions, parked: ParkedRecords) -> None:
    """It moves no balance; its sender can ask again."""
    fns.consume(Record("checkout.requests", 0, 0, b"1", b"{"))
    [record_id] = ids(parked)
    with pytest.raises(Refused, match="a new request_id"):
        parked.replay(record_id)
    parked.discard(record_id, reason="the sender was told")
    assert parked.page() == []


def test_what_is_parked_of_a_batch_is_found_by_indexes_however_much_is_parked(fns: Functions) -> None:
    fns.application(
        "INSERT INTO parked_events (topic, partition, kafka_offset, value, reason, effect_key, user_id,"
        "   amount_cents, currency, request_id, payment_intent_id)"
        " SELECT 'checkout.finished', 0, n, '{}', 'no such user', 'success:' || id, 7, 500, 'eur', id,"
        "   'pi_' || id"
        " FROM generate_series(1, 20000) AS n,"
        "   LATERAL (SELECT encode(sha256(n::text::bytea), 'hex') AS id) AS made"
    )
    fns.application("ANALYZE parked_events")
    names = [sha256(str(n).encode()).hexdigest() for n in range(19_901, 20_901)]
    with Database(lambda: fns.settings["DATABASE_URL"]).transaction(commit=False) as tx:
        found = adapter.unapplied(tx, set(), set(names), {f"pi_{name}" for name in names})
        tx.execute("SELECT seq_scan FROM pg_stat_xact_user_tables WHERE relname = 'parked_events'")
        assert (len(found), tx.row()["seq_scan"]) == (100, 0)
