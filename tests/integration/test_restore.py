"""The drill: a database is restored to a point in time, while Kafka's offsets and Stripe go on from now.

What was consumed since then does not come again by itself; `reconcile --since` finds it, to the cent.
"""

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg2
import pytest
from confluent_kafka import Producer

from tests.support import functions
from tests.support.brokers import AnyBroker
from tests.support.functions import Functions, finished
from tests.support.stripe_simulator import Simulator
from tests.support.tail import Tail

OPERATIONS = (Path(__file__).parents[2] / "docs" / "operations.md").read_text()
DATABASES = ("CHECKOUT_DATABASE_URL", "DATABASE_URL")


class Drill:
    """A system without webhooks: the reconciler does their work, and the test hands over Kafka's records."""

    def __init__(self, fns: Functions, simulator: Simulator, tail: Tail, patch: pytest.MonkeyPatch) -> None:
        self.fns = fns
        self.stripe = simulator
        self._tail = tail
        self._patch = patch
        self._admin = psycopg2.connect(fns.settings["DATABASE_URL"].rpartition("/")[0] + "/postgres")
        self._admin.autocommit = True
        self._position: list[int] = []
        self.backups: dict[str, str] = {}

    def create(self, amount: int) -> str:
        answer = self.fns.create({"amount_cents": amount})
        assert answer.status == 201, answer.json
        return str(answer.json["request_id"])

    def pay(self, request_id: str) -> None:
        session_id = self.fns.row(request_id)["stripe_session_id"]
        session = self.stripe.client.v1.checkout.sessions.retrieve(session_id)
        assert self.stripe.pay(session).status_code == 303

    def refund(self, request_id: str, amount: int) -> None:
        intent = self.fns.row(request_id)["payment_intent_id"]
        self.stripe.client.v1.refunds.create({"payment_intent": intent, "amount": amount})

    def flow(self) -> None:
        """All that Stripe has told reaches the ledger."""
        self.fns.invoke("reconciler", {})
        self.consume()

    def consume(self) -> None:
        if records := self._tail.read():
            self.fns.consume(*records)

    def rewind(self) -> None:
        """The consumer group's offsets are reset to the point in time."""
        self._tail.rewind(self._position)

    def another_producer_says(self, **fields: Any) -> None:
        """On the topic, of a payment that was not made here."""
        said = finished(**fields)
        producer = Producer({"bootstrap.servers": self.fns.settings["KAFKA_BROKERS"]})
        producer.produce("checkout.finished", json.dumps(said).encode(), str(said["user_id"]).encode())
        assert producer.flush(10) == 0

    def lose_records(self) -> int:
        """What is on Kafka now was consumed before the restore, and does not come again."""
        return len(self._tail.read())

    def a_minute_passes(self) -> None:
        """So that what was emitted is due to be looked for."""
        for table, column in (("checkout_transactions", "completed_at"), ("reversals", "emitted_at")):
            self.fns.checkout(f"UPDATE {table} SET {column} = {column} - interval '1 minute'")

    def back_up(self) -> str:
        """Returns the point in time, as an operator writes it."""
        at = datetime.fromtimestamp(int(time.time()), UTC).isoformat()
        self._position = self._tail.position()
        for setting in DATABASES:
            source = urlsplit(self.fns.settings[setting]).path[1:]
            self._without_clients(source, f'CREATE DATABASE "{source}_backup" TEMPLATE "{source}"')
            self.backups[setting] = self.fns.settings[setting] + "_backup"
        return at

    def restore(self, *settings: str) -> None:
        for setting in settings:
            self.fns.settings[setting] = self.backups[setting]
            self.fns.set(**{setting: self.backups[setting]})
        functions.forget_wiring()
        assert self.operate("restored", "--operator", "ada", "--yes")["clean"]

    def operate(self, verb: str, *arguments: str) -> Any:
        return self.fns.invoke("operations", {"verb": verb, "arguments": list(arguments)})

    def make_whole(self, since: str) -> Any:
        """What an operator does while the consumers work: again until it says that it is complete."""
        for _ in range(5):
            answer = self.operate("reconcile", "--since", since)
            if answer["result"]["complete"]:
                return answer
            self.consume()
        raise AssertionError(answer)

    def entries(self) -> dict[str, int]:
        rows = self.fns.application("SELECT effect_key, amount_cents FROM ledger_entries")
        return {row["effect_key"]: row["amount_cents"] for row in rows}

    def numbered(self) -> set[tuple[str, int, str]]:
        """Each row's table, number and name."""
        parts = (
            (self.fns.application, "ledger_entries", "effect_key"),
            (self.fns.checkout, "checkout_transactions", "request_id"),
        )
        return {
            (table, row["id"], row["name"])
            for database, table, name in parts
            for row in database(f"SELECT id, {name} AS name FROM {table}")
        }

    def close(self) -> None:
        for url in self.backups.values():
            name = urlsplit(url).path[1:]
            self._without_clients(name, f'DROP DATABASE "{name}"')
        self._admin.close()

    def _without_clients(self, database: str, statement: str) -> None:
        functions.forget_wiring()
        functions.disconnect()
        with self._admin.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = %s",
                (database,),
            )
            cursor.execute(statement)


@pytest.fixture
def drill(
    fns: Functions, broker: AnyBroker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Drill]:
    tail = Tail(broker.address)
    with Simulator(tmp_path / "stripe", refund_seconds=0.1) as simulator:
        fns.set(STRIPE_API_BASE=simulator.url, REEMIT_AFTER_SECONDS="1")
        made = Drill(fns, simulator, tail, monkeypatch)
        yield made
        made.close()
    tail.close()


@pytest.mark.parametrize(
    "restored", [DATABASES, DATABASES[:1], DATABASES[1:]], ids=["both", "checkout", "application"]
)
def test_what_was_restored_is_made_whole_from_stripe_and_from_what_the_other_has(
    drill: Drill, restored: tuple[str, ...]
) -> None:
    fns = drill.fns
    early, late, abandoned = drill.create(500), drill.create(700), drill.create(900)
    drill.pay(early)
    drill.flow()
    assert fns.balance() == 500

    since = drill.back_up()

    drill.pay(late)
    unknown = drill.create(1100)
    drill.pay(unknown)
    drill.refund(early, 200)
    drill.flow()
    drill.flow()  # The refund was pending at first.
    before, balance, numbered = drill.entries(), fns.balance(), drill.numbered()
    assert balance == 500 + 700 + 1100 - 200
    drill.a_minute_passes()
    drill.flow()
    for table, count in (("checkout_transactions", 3), ("reversals", 1)):
        seen = fns.checkout(f"SELECT 1 FROM {table} WHERE credited_at IS NOT NULL")
        assert len(seen) == count, "in the ledger, and looked for no more"

    drill.restore(*restored)
    drill.consume()
    assert DATABASES[1] not in restored or fns.balance() == 500

    answer = drill.make_whole(since)

    assert answer["clean"], answer
    assert drill.entries() == before
    assert fns.balance() == balance
    given_out = numbered | drill.numbered()
    assert len({(table, number) for table, number, _ in given_out}) == len(given_out), "a number twice"
    assert fns.row(abandoned)["status"] == "session_created"
    assert {fns.row(one)["status"] for one in (early, late, unknown)} == {"payment_succeeded"}
    assert fns.row(early)["refunded_cents"] == 200
    drill.flow()
    assert drill.entries() == before
    assert drill.operate("verify")["clean"]


def test_a_record_that_was_consumed_and_forgotten_is_emitted_again(drill: Drill) -> None:
    request_id = drill.create(500)
    drill.pay(request_id)
    drill.fns.invoke("reconciler", {})
    assert drill.lose_records() == 1
    since = drill.back_up()
    drill.restore(*DATABASES)
    drill.a_minute_passes()

    drill.operate("reconcile", "--since", since)
    drill.consume()

    assert drill.entries() == {f"success:{request_id}": 500}


@pytest.mark.parametrize("replays", [1, 2])
def test_a_rewound_topic_gives_back_what_other_producers_had_credited_and_nothing_twice(
    drill: Drill, replays: int
) -> None:
    fns = drill.fns
    drill.pay(early := drill.create(500))
    drill.another_producer_says(request_id="theirs before", amount_cents=30)
    drill.flow()

    since = drill.back_up()

    drill.pay(drill.create(700))
    drill.another_producer_says(request_id="theirs", amount_cents=40)
    drill.refund(early, 200)
    drill.flow()
    drill.another_producer_says(
        request_id="theirs", amount_cents=10, status="refunded", source_id="re_theirs"
    )
    drill.flow()
    before, balance = drill.entries(), fns.balance()
    assert balance == 500 + 30 + 700 + 40 - 200 - 10

    drill.restore(DATABASES[1])
    assert fns.balance() == 530
    for _ in range(replays):
        drill.rewind()
        drill.consume()

    assert drill.entries() == before
    assert fns.balance() == balance
    answer = drill.make_whole(since)
    assert (answer["result"]["lost_entries"]["missing"], answer["result"]["emitted"]) == (0, 0)
    assert drill.entries() == before


def test_what_operators_had_adjusted_is_in_the_other_journal_and_is_entered_again_once(drill: Drill) -> None:
    """Neither Stripe nor `verify` knows of it, so the page must say where it is."""
    fns = drill.fns
    drill.pay(drill.create(500))
    drill.flow()
    since = drill.back_up()
    given = ("--key", "T-1", "--user", "1", "--amount-cents", "-200", "--reason", "credited twice")
    adjust = (*given, "--operator", "ada", "--yes")
    assert drill.operate("adjust", *adjust)["clean"]

    drill.restore(DATABASES[1])
    assert drill.make_whole(since)["clean"]
    assert drill.operate("verify")["clean"]
    assert fns.balance() == 500

    assert "`operations journal --of adjust --since" in OPERATIONS
    [act] = drill.operate("journal", "--of", "adjust", "--since", since)["result"]["acts"]
    assert (act["end"], act["operator"]) == ("done", "ada")
    assert act["arguments"] == {
        "key": "T-1",
        "user": 1,
        "amount_cents": -200,
        "reason": "credited twice",
    }
    assert drill.operate("adjust", *adjust)["result"]["adjusted"]
    assert not drill.operate("adjust", *adjust)["result"]["adjusted"]
    assert fns.balance() == 300
