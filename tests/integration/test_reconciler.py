"""Without any webhook the reconciler alone credits everything; what nobody finished, it finishes."""

import json
import time
from functools import partial
from typing import Any
from uuid import uuid4

import pytest

from checkout.base import timing
from checkout.payments import reversal_event, stripe_api
from checkout.reconciliation import missed_events, unfinished
from checkout.reconciliation import uncredited as reemission
from checkout.reconciliation.failures import Failures
from tests.support import functions
from tests.support.functions import Functions, system
from tests.support.reconciler import create, pay, reconcile
from tests.support.stripe_events import event, session_object
from tests.support.stripe_simulator import Simulator
from tests.support.tail import Tail
from tests.support.waiting import eventually

NEVER = 10**9


def many_payments(fns: Functions, simulator: Simulator, count: int) -> int:
    """Their sum, for user 1."""
    fns.set(MAX_OPEN_SESSIONS_PER_HOUR=str(NEVER))
    amounts = [100 + number for number in range(count)]
    for amount in amounts:
        pay(fns, simulator, amount)
    return sum(amounts)


def test_two_hundred_payments_without_a_webhook_are_credited_to_the_cent(
    fns: Functions, silent: Simulator, tail: Tail
) -> None:
    total = many_payments(fns, silent, 200)
    assert fns.checkout("SELECT 1 FROM stripe_events") == []

    found = reconcile()
    assert (found["missed_events"] >= 200, found["complete"]) == (True, True)
    records = tail.read()
    fns.consume(*records)
    assert fns.balance() == total
    assert len(fns.application("SELECT 1 FROM ledger_entries")) == 200

    again = reconcile()
    assert (again["missed_events"], again["settled_events"], again["emitted"]) == (0, 0, 0)
    assert tail.read() == []
    fns.consume(*records)
    assert fns.balance() == total


def test_two_hundred_records_that_kafka_lost_are_emitted_again(
    fns: Functions, silent: Simulator, tail: Tail
) -> None:
    request_ids = [str(uuid4()) for _ in range(200)]
    for amount, request_id in enumerate(request_ids, start=1):
        fns.webhook(event(session_object(request_id, amount=amount)))
    assert len(tail.read()) == 200
    fns.checkout("UPDATE checkout_transactions SET completed_at = completed_at - interval '1 hour'")

    assert reconcile()["emitted"] == 200
    fns.consume(*tail.read())
    assert fns.balance() == sum(range(1, 201))
    fns.checkout("UPDATE checkout_transactions SET recheck_at = now()")
    assert (reconcile()["credited"], reconcile()["emitted"]) == (200, 0)
    assert tail.read() == []


def test_all_that_was_credited_is_seen_in_one_run_and_what_was_lost_comes_in_portions(
    fns: Functions, silent: Simulator, tail: Tail, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reemission, "MOST_AT_ONCE", 3)
    monkeypatch.setattr(reemission, "MOST_EMITTED", 4)
    for amount in range(1, 21):
        fns.webhook(event(session_object(str(uuid4()), amount=amount)))
    fns.consume(*tail.read()[:10])
    fns.checkout("UPDATE checkout_transactions SET completed_at = completed_at - interval '1 hour'")

    emitted = 0
    while (found := reconcile())["emitted"]:
        assert 4 <= found["emitted"] <= 6
        emitted += found["emitted"]
    assert emitted == 10
    assert len(fns.checkout("SELECT 1 FROM checkout_transactions WHERE credited_at IS NOT NULL")) == 10


def test_the_age_of_the_oldest_uncredited_payment_is_measured_by_every_run(
    fns: Functions, silent: Simulator, tail: Tail, capsys: pytest.CaptureFixture[str]
) -> None:
    request_id, parked = str(uuid4()), str(uuid4())
    fns.webhook(event(session_object(request_id)))
    fns.webhook(event(session_object(parked, user_id=404)))
    credit, unknown_user = sorted(tail.read(), key=lambda record: request_id.encode() not in record.value)
    fns.checkout("UPDATE checkout_transactions SET completed_at = completed_at - interval '1 hour'")
    capsys.readouterr()

    def measured() -> int:
        fns.invoke("reconciler", {})
        lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if "_aws" in line]
        [found] = [line["OldestUncreditedPayment"] for line in lines if "OldestUncreditedPayment" in line]
        return int(found[0])

    assert 3600 <= measured() < 3700
    fns.consume(credit)
    assert 3600 <= measured() < 3700, "the other one is still on its way"
    fns.consume(unknown_user)
    assert measured() == 0, "a parked one is for a person, and has an alarm of its own"


def test_the_oldest_uncredited_payment_is_found_behind_those_that_are_parked(
    fns: Functions, silent: Simulator, tail: Tail, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reemission, "MOST_AT_ONCE", 2)
    for _ in range(4):
        fns.webhook(event(session_object(str(uuid4()), user_id=404)))
    fns.consume(*tail.read())
    fns.checkout("UPDATE checkout_transactions SET completed_at = completed_at - interval '2 hours'")
    fns.webhook(event(session_object(str(uuid4()))))
    fns.checkout("UPDATE checkout_transactions SET completed_at = completed_at - interval '1 hour'")

    assert 3600 <= reconcile(dry_run=True)["oldest_uncredited_seconds"] < 3700


def test_what_kafka_lost_is_emitted_again_credits_first(
    fns: Functions, silent: Simulator, tail: Tail
) -> None:
    request_id = pay(fns, silent)
    intent = silent.client.v1.payment_intents.list().data[0].id
    silent.client.v1.refunds.create({"payment_intent": intent})
    reconcile()
    tail.read()
    fns.checkout("UPDATE checkout_transactions SET completed_at = completed_at - interval '1 hour'")
    fns.checkout("UPDATE reversals SET emitted_at = emitted_at - interval '1 hour'")

    assert reconcile()["emitted"] == 2
    told = [json.loads(record.value) for record in tail.read()]
    assert [(one["status"], one["request_id"]) for one in told] == [
        ("success", request_id),
        ("refunded", request_id),
    ]


def test_an_entry_of_another_user_does_not_stand_for_the_payment(
    fns: Functions, silent: Simulator, tail: Tail, capsys: pytest.CaptureFixture[str]
) -> None:
    fns.add_users(2)
    request_id = str(uuid4())
    fns.webhook(event(session_object(request_id)))
    tail.read()
    fns.consume(functions.finished(request_id, user_id=2))
    fns.checkout("UPDATE checkout_transactions SET completed_at = completed_at - interval '1 hour'")

    assert reconcile()["emitted"] == 1
    fns.consume(*tail.read())
    assert "RecordParked" in capsys.readouterr().out
    fns.checkout("UPDATE checkout_transactions SET recheck_at = now()")
    assert (reconcile()["parked"], reconcile()["emitted"]) == (1, 0)


def test_a_run_that_is_out_of_time_goes_on_where_it_was(
    fns: Functions, silent: Simulator, tail: Tail, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stripe_api, "PAGE", 3)
    total = many_payments(fns, silent, 7)
    runs = 0
    while not reconcile(deadline=time.monotonic())["complete"]:
        runs += 1
        assert runs < 50
    assert runs >= 2
    fns.consume(*tail.read())
    assert fns.balance() == total


def test_going_through_the_events_anew_goes_on_where_it_was_and_leaves_the_usual_pass_alone(
    fns: Functions, silent: Simulator, tail: Tail, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stripe_api, "PAGE", 3)
    total = many_payments(fns, silent, 7)
    assert reconcile()["complete"]
    usual = fns.checkout("SELECT value FROM reconciler_state WHERE name = 'stripe_events'")
    for table in ("stripe_events", "checkout_transactions"):
        fns.checkout(f"DELETE FROM {table}")

    since, runs = int(time.time()) - 3600, 0
    catch_up = partial(system().reconcile._missed.catch_up, deadline=0.0, since=since, failures=Failures())
    while not catch_up()[1]:
        runs += 1
        assert runs < 50
    assert runs >= 2
    assert fns.checkout("SELECT value FROM reconciler_state WHERE name = 'stripe_events'") == usual
    fns.consume(*tail.read())
    assert fns.balance() == total
    assert catch_up() == (0, False), "a new pass"


def test_a_run_that_is_out_of_time_leaves_unfinished_sessions_to_the_next(
    fns: Functions, silent: Simulator
) -> None:
    create(fns)
    fns.checkout("UPDATE checkout_transactions SET expires_at = now() - interval '1 day'")
    assert reconcile(deadline=time.monotonic() - 1)["unfinished"] == 0
    assert reconcile()["unfinished"] == 1


def test_a_pass_begins_an_hour_before_the_last_and_never_before_what_stripe_keeps(
    fns: Functions, silent: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def events(_: object, *, since: int, **_more: Any) -> tuple[list[Any], bool]:
        asked.append(since)
        return [], False

    monkeypatch.setattr(stripe_api.StripeApi, "events", events)
    now = int(time.time())
    reconcile()
    reconcile()
    fns.checkout(
        "UPDATE reconciler_state SET value = jsonb_set(value, '{began}', '1') WHERE name = 'stripe_events'"
    )
    reconcile()
    days = 24 * 3600
    assert [round((one - now) / 100) * 100 for one in asked] == [-30 * days, -3600, -30 * days]


def test_a_dry_run_counts_and_changes_nothing(fns: Functions, silent: Simulator, tail: Tail) -> None:
    request_id = pay(fns, silent)
    abandoned = create(fns)
    fns.checkout(
        "UPDATE checkout_transactions SET expires_at = now() - interval '1 day' WHERE request_id = %s",
        (abandoned,),
    )
    for _ in range(2):
        found = reconcile(dry_run=True)
        assert (found["missed_events"], found["unfinished"]) == (1, 1)
    assert fns.row(request_id)["status"] == "session_created"
    assert fns.row(abandoned)["reread_at"] is None
    assert fns.checkout("SELECT 1 FROM stripe_events UNION ALL SELECT 1 FROM reconciler_state") == []
    assert tail.read() == []


def test_since_goes_through_stripes_events_anew(fns: Functions, silent: Simulator) -> None:
    request_id = pay(fns, silent)
    reconcile()
    fns.checkout("DELETE FROM stripe_events")
    fns.checkout(
        "UPDATE reconciler_state SET value = jsonb_set(value, '{began}', to_jsonb(%s::bigint))", (NEVER * 4,)
    )
    assert reconcile()["missed_events"] == 0
    assert reconcile(since=0)["missed_events"] == 1
    assert fns.row(request_id)["status"] == "payment_succeeded"


def test_the_outcome_of_reversals_without_a_webhook(fns: Functions, silent: Simulator, tail: Tail) -> None:
    pay(fns, silent, 700)
    refund = silent.client.v1.refunds.create(
        {"payment_intent": silent.client.v1.payment_intents.list().data[0].id, "amount": 200}
    )
    assert refund.status == "succeeded"
    reconcile()
    fns.consume(*tail.read())
    assert fns.balance() == 500
    fns.checkout("UPDATE reversals SET emitted_at = now() - interval '1 day'")
    fns.application(
        "SET LOCAL session_replication_role = replica; DELETE FROM ledger_entries WHERE kind = 'refunded'"
    )
    assert reconcile()["emitted"] == 1, "a reversal that Kafka lost"
    [record] = tail.read()
    assert b'"refunded"' in record.value
    fns.consume(record)
    fns.checkout("UPDATE reversals SET recheck_at = now()")
    assert reconcile()["credited"] == 1


def test_an_abandoned_session_is_read_again(
    fns: Functions, silent: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(missed_events.MissedEvents, "catch_up", lambda *_, **__: (0, True))
    expired, still_open, paid = create(fns), create(fns), pay(fns, silent)
    silent.client.v1.checkout.sessions.expire(fns.row(expired)["stripe_session_id"])
    assert reconcile()["unfinished"] == 0
    fns.checkout("UPDATE checkout_transactions SET expires_at = now() - interval '6 minutes'")
    assert reconcile()["unfinished"] == 3
    assert fns.row(expired)["status"] == "session_expired"
    assert fns.row(still_open)["status"] == "session_created"
    assert fns.row(paid)["status"] == "payment_succeeded"
    assert reconcile()["unfinished"] == 0, "claimed for a while"


@pytest.mark.parametrize(
    ("method", "status"),
    [("bank_debit_succeeds", "payment_succeeded"), ("bank_debit_fails", "payment_failed")],
)
def test_a_payment_that_processes_for_long_is_read_again(
    fns: Functions, silent: Simulator, monkeypatch: pytest.MonkeyPatch, method: str, status: str
) -> None:
    monkeypatch.setattr(missed_events.MissedEvents, "catch_up", lambda *_, **__: (0, True))
    request_id = pay(fns, silent, payment_method=method)
    fns.webhook(
        event(
            session_object(
                request_id, session_id=fns.row(request_id)["stripe_session_id"], payment_status="unpaid"
            ),
            is_known=False,
        )
    )

    def finished() -> bool:
        fns.checkout(
            "UPDATE checkout_transactions SET updated_at = now() - interval '1 day', reread_at = NULL"
        )
        reconcile()
        return bool(fns.row(request_id)["status"] == status)

    eventually(finished, 10, lambda: fns.row(request_id))


def test_a_row_for_which_stripe_never_answered_is_completed(
    fns: Functions, silent: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as slow:
        slow.setattr(timing, "STRIPE_READ", 0.3)
        silent.control("faults", {"path_prefix": "/v1/checkout", "drop_after_effect": True, "times": 2})
        fns.create({"amount_cents": 500})
    functions.forget_wiring()
    [row] = fns.checkout("SELECT * FROM checkout_transactions")
    assert row["status"] == "session_pending"
    fns.checkout("UPDATE checkout_transactions SET updated_at = now() - interval '11 minutes'")
    assert reconcile()["unfinished"] == 1
    assert fns.row(row["request_id"])["status"] == "session_created"
    [session] = silent.client.v1.checkout.sessions.list().data
    assert fns.row(row["request_id"])["stripe_session_id"] == session.id


def test_what_cannot_be_finished_does_not_stop_the_others(
    fns: Functions, silent: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(missed_events.MissedEvents, "catch_up", lambda *_, **__: (0, True))
    lost, good = create(fns), create(fns)
    silent.client.v1.checkout.sessions.expire(fns.row(good)["stripe_session_id"])
    fns.checkout("UPDATE checkout_transactions SET expires_at = now() - interval '1 day'")
    fns.checkout(
        "UPDATE checkout_transactions SET stripe_session_id = 'cs_test_gone' WHERE request_id = %s", (lost,)
    )
    assert reconcile()["unfinished"] == 2
    assert fns.row(good)["status"] == "session_expired"
    assert unfinished.MOST_PER_RUN >= 2


def test_an_event_for_which_stripe_could_not_be_asked_is_kept_and_tried_again(
    fns: Functions, silent: Simulator, tail: Tail
) -> None:
    pay(fns, silent)
    silent.client.v1.refunds.create({"payment_intent": silent.client.v1.payment_intents.list().data[0].id})
    silent.control("faults", {"path_prefix": "/v1/refunds", "method": "GET", "status": 500, "times": 20})
    reconcile()
    waiting = fns.checkout("SELECT 1 FROM stripe_events WHERE outcome = 'waiting'")
    assert len(waiting) >= 1
    fns.consume(*tail.read())
    assert fns.balance() == 500

    import requests

    requests.delete(f"{silent.url}/_simulator/faults", timeout=5)
    assert reconcile()["settled_events"] == len(waiting)
    fns.consume(*tail.read())
    assert fns.balance() == 0


def test_a_release_that_handles_a_new_type_runs_what_the_old_one_ignored(
    fns: Functions, silent: Simulator, tail: Tail, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The previous release knew no refunds: it stored their events and acknowledged them."""
    pay(fns, silent)
    silent.client.v1.refunds.create({"payment_intent": silent.client.v1.payment_intents.list().data[0].id})
    with monkeypatch.context() as previous:
        previous.setattr(reversal_event, "HANDLED", frozenset())
        for sent in reversed(silent.client.v1.events.list({"limit": 100}).data):
            fns.webhook(sent.to_dict())
    fns.consume(*tail.read())
    assert fns.balance() == 500
    assert fns.checkout("SELECT 1 FROM stripe_events WHERE type LIKE 'refund%%' AND outcome = 'ignored'")

    assert reconcile()["settled_events"] >= 1
    fns.consume(*tail.read())
    assert fns.balance() == 0


def test_stripe_away_does_not_keep_lost_records_from_being_emitted_again(
    fns: Functions, silent: Simulator, tail: Tail
) -> None:
    fns.webhook(event(session_object(str(uuid4()))))
    tail.read()
    fns.checkout("UPDATE checkout_transactions SET completed_at = completed_at - interval '1 hour'")
    silent.stop()
    with pytest.raises(Exception, match="Stripe"):
        fns.invoke("reconciler", {}, remaining_millis=300_000)
    assert len(tail.read()) == 1
