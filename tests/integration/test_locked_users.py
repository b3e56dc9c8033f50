"""Users whose rows somebody holds: they wait, at their place of the partition, and nobody else does."""

import json
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest
from confluent_kafka import Producer
from psycopg2 import errors

from checkout.base import timing
from checkout.base.errors import Unavailable
from checkout.base.postgres import Database
from checkout.ledger import parked
from checkout.ledger.crediting import CreditBalances
from checkout.outbox.record import Record
from local.kafka.trigger import Poller
from local.lambda_runtime.environments import Result
from local.lambda_runtime.template import KafkaTrigger
from tests.support import functions
from tests.support.brokers import IS_APACHE, AnyBroker
from tests.support.functions import Functions, finished
from tests.support.lambda_events import LambdaContext
from tests.support.second_connection import SecondConnection, second_connection, waiting
from tests.support.waiting import eventually


@pytest.fixture
def other(fns: Functions) -> Iterator[SecondConnection]:
    with second_connection(fns.settings["DATABASE_URL"]) as connection:
        yield connection


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timing, "LOCKED_USERS", 0.05)


def hold(other: SecondConnection, *user_ids: int) -> None:
    other.execute("SELECT 1 FROM users WHERE id = ANY(%s) FOR UPDATE", (list(user_ids),))


def record(partition: int, offset: int, **fields: Any) -> Record:
    return Record("checkout.finished", partition, offset, b"1", json.dumps(finished(**fields)).encode())


def offsets(answer: dict[str, Any]) -> dict[str, int]:
    """Of what must come again, by partition."""
    found = [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]
    by_partition = {one["partition"].removeprefix("checkout.finished-"): one["offset"] for one in found}
    assert len(by_partition) == len(found)
    return by_partition


@pytest.mark.usefixtures("impatient")
def test_everybody_else_is_credited_and_each_partition_comes_again_from_the_first_that_was_not(
    fns: Functions, other: SecondConnection
) -> None:
    fns.add_users(2, 3)
    hold(other, 2)
    batch = [
        *(record(0, offset, user_id=user_id) for offset, user_id in ((4, 1), (5, 2), (6, 3), (7, 2))),
        *(record(1, offset, user_id=user_id) for offset, user_id in ((0, 3), (1, 1))),
        *(record(2, offset, user_id=user_id) for offset, user_id in ((8, 2), (9, 1))),
    ]
    assert offsets(fns.consume(*batch)) == {"0": 5, "2": 8}
    assert [fns.balance(user_id) for user_id in (1, 2, 3)] == [1500, 0, 1000]

    other.commit()
    assert fns.consume(*batch) == {"batchItemFailures": []}
    assert [fns.balance(user_id) for user_id in (1, 2, 3)] == [1500, 1500, 1000]


@pytest.mark.usefixtures("impatient")
def test_a_trigger_that_repeats_whole_batches_gets_an_error_and_what_was_credited_stays(
    fns: Functions, other: SecondConnection
) -> None:
    fns.set(KAFKA_PARTIAL_RESPONSES="false")
    functions.forget_wiring()
    fns.add_users(2)
    hold(other, 2)
    batch = [finished(), finished(user_id=2)]
    with pytest.raises(Unavailable, match=r"checkout\.finished-0 from offset 1 on"):
        fns.consume(*batch)
    assert (fns.balance(1), fns.balance(2)) == (500, 0)
    other.commit()
    assert fns.consume(*batch) == {"batchItemFailures": []}
    assert (fns.balance(1), fns.balance(2)) == (500, 500)


@pytest.mark.usefixtures("impatient")
def test_a_user_who_is_not_there_does_not_wait_and_one_who_is_locked_is_not_parked(
    fns: Functions, other: SecondConnection
) -> None:
    hold(other, 1)
    assert offsets(fns.consume(finished(user_id=404), finished())) == {"0": 1}
    [parked] = fns.application("SELECT user_id, reason FROM parked_events")
    assert parked == {"user_id": 404, "reason": "there is no such user"}


def test_a_row_that_is_given_up_soon_is_waited_for(
    fns: Functions, other: SecondConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the queue for it: whoever only looked now and then would never find a busy row free."""
    monkeypatch.setattr(timing, "LOCKED_USERS", 20)
    hold(other, 1)
    consuming = waiting(fns.settings["DATABASE_URL"], lambda: fns.consume(finished()))
    other.commit()
    assert consuming.result(20) == {"batchItemFailures": []}
    assert fns.balance() == 500


def test_what_is_refused_is_parked_before_anybody_is_waited_for(
    fns: Functions, other: SecondConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timing, "LOCKED_USERS", 20)
    fns.add_users(2)
    fns.application("ALTER TABLE users ADD CONSTRAINT closed CHECK (id <> 2 OR balance = 0)")
    try:
        hold(other, 1)
        batch = [finished(user_id=1), finished(user_id=2)]
        consuming = waiting(fns.settings["DATABASE_URL"], lambda: fns.consume(*batch))
        assert fns.application("SELECT user_id FROM parked_events") == [{"user_id": 2}]
        other.commit()
        assert consuming.result(20) == {"batchItemFailures": []}
    finally:
        other.commit()
        fns.application("ALTER TABLE users DROP CONSTRAINT closed")
    assert fns.balance(1) == 500


@pytest.mark.usefixtures("impatient")
def test_all_records_of_a_user_wait_together(fns: Functions, other: SecondConnection) -> None:
    """Else a refund could be entered before its payment, and be refused."""
    fns.add_users(2)
    hold(other, 1)
    batch = [
        finished("r1"),
        finished("r1", status="refunded", source_id="re_1", amount_cents=200),
        finished("r1", currency="usd"),
        finished(user_id=2),
    ]
    assert offsets(fns.consume(*batch)) == {"0": 0}
    assert fns.application("SELECT user_id FROM ledger_entries") == [{"user_id": 2}]
    assert fns.application("SELECT 1 FROM parked_events") == []


def test_nobody_moves_a_balance_while_it_is_credited(
    fns: Functions, other: SecondConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It must have moved by exactly the amount, so it is compared with what it was under the lock."""
    unapplied = parked.unapplied

    def then_an_application(*arguments: Any) -> Any:
        with pytest.raises(errors.LockNotAvailable):
            other.execute("SELECT ledger_move('order:1', 1, 100, 'eur', 'order')")
        return unapplied(*arguments)

    other.execute("SET lock_timeout = '50ms'")
    other.commit()
    monkeypatch.setattr(parked, "unapplied", then_an_application)
    assert fns.consume(finished()) == {"batchItemFailures": []}
    assert fns.balance() == 500


@pytest.fixture
def company(fns: Functions) -> Iterator[None]:
    """An application's trigger that counts in one row for the users 2 to 5."""
    fns.add_users(2, 3, 4, 5, 6)
    fns.application(
        "CREATE TABLE company (id INT PRIMARY KEY, credits INT NOT NULL); INSERT INTO company VALUES (1, 0);"
        "CREATE FUNCTION counted() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS"
        " $$ BEGIN UPDATE company SET credits = credits + 1; RETURN NEW; END $$;"
        "CREATE TRIGGER counted BEFORE UPDATE ON users FOR EACH ROW WHEN (OLD.id BETWEEN 2 AND 5)"
        " EXECUTE FUNCTION counted()"
    )
    yield
    fns.application("DROP FUNCTION counted CASCADE; DROP TABLE company")


@pytest.mark.usefixtures("company", "impatient")
def test_a_lock_that_a_trigger_waits_for_makes_only_its_users_wait(
    fns: Functions, other: SecondConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    from checkout.base import postgres

    monkeypatch.setitem(postgres.SESSION, "lock_timeout", "200ms")
    functions.forget_wiring()
    other.execute("SELECT 1 FROM company FOR UPDATE")
    batch = [finished(user_id=user_id) for user_id in (6, 2, 3, 1, 4, 5)]

    assert offsets(fns.consume(*batch)) == {"0": 1}
    assert [fns.balance(user_id) for user_id in (1, 2, 3, 4, 5, 6)] == [500, 0, 0, 0, 0, 500]

    later = finished(user_id=6)
    assert offsets(fns.consume(*batch, later)) == {"0": 1}
    assert fns.balance(6) == 1000, "those who had to wait do not hold up the next batch"

    other.commit()
    assert fns.consume(*batch, later) == {"batchItemFailures": []}
    assert [fns.balance(user_id) for user_id in (1, 2, 3, 4, 5, 6)] == [500, 500, 500, 500, 500, 1000]


@pytest.mark.usefixtures("company")
def test_a_deadlock_with_an_application_is_tried_again_apart(fns: Functions, other: SecondConnection) -> None:
    """It holds what our trigger waits for, and wants a user whom we have locked: one of the two must go."""
    other.execute("SET lock_timeout = '20s'; SET deadlock_timeout = '1min'")
    other.execute("SELECT 1 FROM company FOR UPDATE")
    batch = [finished(user_id=user_id) for user_id in (1, 2, 6)]
    consuming = waiting(fns.settings["DATABASE_URL"], lambda: fns.consume(*batch))
    other.execute("SELECT 1 FROM users WHERE id = 6 FOR UPDATE")
    other.commit()

    answer = consuming.result(60)
    if answer["batchItemFailures"]:
        answer = fns.consume(*batch)
    assert answer == {"batchItemFailures": []}
    assert [fns.balance(user_id) for user_id in (1, 2, 6)] == [500, 500, 500]


def test_when_the_time_is_up_the_rest_comes_again_but_something_is_always_done(fns: Functions) -> None:
    fns.add_users(2)
    fns.application("ALTER TABLE users ADD CONSTRAINT rule CHECK (id <> 2 OR balance = 0)")
    crediting = CreditBalances(Database(lambda: fns.settings["DATABASE_URL"]), "eur")
    batch = [record(0, offset, user_id=1 + offset % 2) for offset in range(4)]
    try:
        assert crediting(batch[::2], deadline=0).credited == 2
        assert crediting(batch, deadline=0).again == batch, "divided, and there is no time for the parts"
        assert crediting(batch).again == []
    finally:
        fns.application("ALTER TABLE users DROP CONSTRAINT rule")
    assert (fns.balance(1), fns.balance(2)) == (1000, 0)
    assert len(fns.application("SELECT 1 FROM parked_events")) == 2


class Delivered:
    """Invokes the consumer as Lambda does, and knows when it was first given a whole batch."""

    def __init__(self) -> None:
        self.began_at = 0.0
        self.sizes: list[int] = []
        self._pool = ThreadPoolExecutor(1)

    def invoke(self, event: dict[str, Any]) -> "Future[Result]":
        return self._pool.submit(self._answer, event)

    def _answer(self, event: dict[str, Any]) -> Result:
        self.began_at = self.began_at or time.monotonic()
        self.sizes.append(sum(map(len, event["records"].values())))
        try:
            consume = functions.handler("checkout_finished_consumer")
            return Result(json.dumps(consume(event, LambdaContext())).encode())
        except Exception as error:  # noqa: BLE001 - as a function's error is
            return Result(json.dumps({"errorMessage": repr(error)}).encode(), is_error=True)


HELD_SECONDS = 20
WITHIN_SECONDS = 3


@pytest.mark.timeout(180)
@pytest.mark.parametrize("partial_responses", [True, False], ids=["from the first offset", "as a whole"])
def test_one_of_a_thousand_is_held_for_20_s_and_the_others_are_credited_within_3(
    fns: Functions,
    other: SecondConnection,
    own_broker: AnyBroker,
    partial_responses: bool,
) -> None:
    fns.set(KAFKA_PARTIAL_RESPONSES=str(partial_responses).lower())
    functions.forget_wiring()
    fns.application("INSERT INTO users (id) SELECT generate_series(2, 1000)")
    hold(other, 500)
    producer = Producer({"bootstrap.servers": own_broker.address, "log_level": 2})
    for user_id in range(1, 1001):
        value = json.dumps(finished(user_id=user_id)).encode()
        producer.produce("checkout.finished", value, key=b"%d" % user_id, partition=0)
    assert producer.flush(20) == 0
    delivered = Delivered()
    trigger = KafkaTrigger(
        "consumer",
        "checkout.finished",
        f"group-{partial_responses}",  # A group's last commit may come after the next test began.
        "arn",
        batch_size=1000,
        window_seconds=1,
        partial_responses=partial_responses,
    )
    poller = Poller(trigger, own_broker.address, delivered.invoke, lambda _: None, forgetful=not IS_APACHE)
    poller.start()
    try:
        eventually(lambda: credited(fns) == 999, 60)
        assert delivered.sizes[0] == 1000
        assert time.monotonic() - delivered.began_at < WITHIN_SECONDS

        eventually(lambda: time.monotonic() - delivered.began_at > HELD_SECONDS, HELD_SECONDS + 10)
        assert credited(fns) == 999
        other.commit()
        eventually(lambda: credited(fns) == 1000, WITHIN_SECONDS)
    finally:
        poller.stop()
    assert fns.application("SELECT count(*) AS users, sum(balance) AS cents FROM users") == [
        {"users": 1000, "cents": 500_000}
    ]


def credited(fns: Functions) -> int:
    [found] = fns.application("SELECT count(*) AS entries FROM ledger_entries")
    return int(found["entries"])
