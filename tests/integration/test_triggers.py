"""`triggers`: a record without effect on each topic, which its consumer group must commit."""

import json
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from typing import Any

import pytest

from checkout.base import timing
from checkout.base.config import Config
from checkout.base.errors import Unavailable
from checkout.base.user_ids import BIGINT
from checkout.outbox import finished_event, request_event, triggers
from checkout.outbox.probes import CURRENCY, PURPOSE, REQUEST_ID, Probe, probes
from checkout.outbox.record import Record
from deployment.smoke import Smoke
from deployment.smoke_client import SmokeFailed, result_of
from local.kafka.embedded import Broker
from local.kafka.trigger import Poller
from local.lambda_runtime.environments import Result
from local.lambda_runtime.template import KafkaTrigger
from tests.support.functions import Functions
from tests.support.stripe_simulator import Simulator
from tests.support.topic import Topic

USER_ID = BIGINT.probe
GROUPS = {event.TOPIC: event.CONSUMER_GROUP for event in (finished_event, request_event)}


def poller(broker: Broker, topic: str) -> Poller:
    """A trigger whose function takes everything."""

    def invoke(_: Mapping[str, Any]) -> "Future[Result]":
        done: Future[Result] = Future()
        done.set_result(Result(b'{"batchItemFailures": []}'))
        return done

    trigger = KafkaTrigger("consumer", topic, GROUPS[topic], "arn", window_seconds=0)
    return Poller(trigger, broker.address, invoke, lambda _: None)


@pytest.fixture
def pollers(fns: Functions, broker: Broker) -> Iterator[dict[str, Poller]]:
    """Those that read both topics, by topic."""
    running = {topic: poller(broker, topic) for topic in GROUPS}
    for one in running.values():
        one.start()
    yield running
    for one in running.values():
        one.stop()


class System:
    """What smoke asks of a system, as far as it is about triggers."""

    def __init__(self, fns: Functions) -> None:
        self._fns = fns

    config = Config({})

    def operate(self, verb: str, *arguments: str) -> dict[str, Any]:
        return result_of(verb, self._fns.invoke("operations", {"verb": verb, "arguments": list(arguments)}))


@pytest.mark.parametrize("dead", GROUPS)
def test_smoke_fails_unless_both_topics_are_read(
    fns: Functions, broker: Broker, pollers: dict[str, Poller], monkeypatch: pytest.MonkeyPatch, dead: str
) -> None:
    said: list[str] = []
    smoke = Smoke(System(fns), said.append)  # type: ignore[arg-type]
    smoke.triggers()
    assert said == ["a record without effect was read from checkout.finished and from checkout.requests"]

    pollers[dead].stop()
    with monkeypatch.context() as patch:
        patch.setattr(timing, "TRIGGER_COMMIT", 5)
        with pytest.raises(SmokeFailed) as failed:
            smoke.triggers()
    assert str(failed.value).startswith(f"{dead} is not read: {GROUPS[dead]} has not committed offset ")
    assert str(failed.value).count("is not read") == 1

    pollers[dead] = poller(broker, dead)
    pollers[dead].start()
    smoke.triggers()


def test_brokers_that_are_away_are_told() -> None:
    with pytest.raises(Unavailable, match="Kafka does not answer"):
        triggers.read({"bootstrap_servers": ["127.0.0.1:1"], "bootstrap_timeout_ms": 200}, "", 1, 1)


# What the consumers do with it


def records(partition: int = 0) -> list[Record]:
    return [Record(one.topic, partition, 0, one.key, one.value) for one in probes(USER_ID)]


@pytest.mark.parametrize("users", [(), (int(USER_ID),)], ids=["a stranger", "somebody's number"])
def test_its_records_have_no_effect_however_often_they_come(
    fns: Functions, broker: Broker, silent: Simulator, users: tuple[int, ...]
) -> None:
    fns.add_users(*users)
    finished, requested = records()
    for _ in range(3):
        assert fns.consume(finished) == {"batchItemFailures": []}
        assert fns.ask(requested) == []
    answers = [one for one in Topic(broker.address).records() if REQUEST_ID.encode() in one.value]
    assert {json.loads(one.value)["status"] for one in answers} == {"failed"}
    fns.consume(*answers)

    assert fns.application("SELECT * FROM ledger_entries UNION ALL SELECT * FROM ledger_entries") == []
    assert fns.application("SELECT id FROM parked_events") == []
    assert fns.application("SELECT id FROM users WHERE balance <> 0") == []
    row = fns.row(REQUEST_ID)
    assert (row["status"], row["stripe_session_id"]) == ("session_failed", None)
    assert row["completed_at"] is not None  # Refused for good.
    assert silent.client.v1.checkout.sessions.list().data == []
    assert fns.checkout("SELECT effect_key FROM outbox") == []
    assert fns.invoke("operations", {"verb": "verify"})["clean"] is True
    brief = {"verb": "overview", "arguments": ["--brief"]}
    assert fns.invoke("operations", brief)["result"]["newest"] == []


@pytest.mark.parametrize(
    "changed",
    [
        {"status": "success", "purpose": PURPOSE, "currency": "eur"},
        {"status": "success", "purpose": "balance_topup", "currency": CURRENCY},
        {"status": "failed", "purpose": "balance_topup", "currency": "eur"},
    ],
    ids=["by its purpose", "by its currency", "by its status"],
)
def test_each_of_three_reasons_alone_keeps_a_record_from_crediting(
    fns: Functions, changed: Mapping[str, str]
) -> None:
    fns.add_users(int(USER_ID))
    [probe] = [one for one in probes(USER_ID) if one.topic == finished_event.TOPIC]

    fns.consume({**json.loads(probe.value), **changed})

    assert fns.application("SELECT effect_key FROM ledger_entries") == []
    assert fns.balance(int(USER_ID)) == 0


def test_there_is_one_for_each_topic() -> None:
    assert {one.topic: one.group for one in probes(USER_ID)} == GROUPS
    assert all(isinstance(one, Probe) and one.key == str(USER_ID).encode() for one in probes(USER_ID))
