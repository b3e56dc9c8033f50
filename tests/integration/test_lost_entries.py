"""`reconcile --since` after a restore: it is complete when it says so, and then the ledger is as it was."""

import json
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from checkout.base.errors import StripeNotReached, Unavailable
from checkout.base.postgres import Database
from checkout.ledger import whereabouts
from checkout.ledger.crediting import CreditBalances
from checkout.outbox.record import Record
from checkout.reconciliation import lost_entries, lost_entries_page
from checkout.reconciliation import lost_entries_table as sql
from checkout.reconciliation import uncredited as reemission
from checkout.reconciliation.failures import Failures
from checkout.reconciliation.lost_entries_position import Progress
from tests.support.functions import Functions, finished, forget_wiring, system
from tests.support.inbox import parsed
from tests.support.second_connection import second_connection, waiting, waiting_or_done
from tests.support.stripe_events import event, session_object
from tests.support.stripe_reversals import KnownStripe, dispute, payment_intent, refund
from tests.support.stripe_simulator import Simulator
from tests.support.tail import Tail

DAY = 86_400


@pytest.fixture(autouse=True)
def silent(fns: Functions, tmp_path: Path) -> Iterator[Simulator]:
    """A Stripe of its own, which has no events."""
    with Simulator(tmp_path / "stripe") as simulator:
        fns.set(STRIPE_API_BASE=simulator.url)
        yield simulator


def operate(fns: Functions, verb: str, *arguments: str) -> Any:
    return fns.invoke("operations", {"verb": verb, "arguments": list(arguments)})


def ago(seconds: float) -> str:
    return datetime.fromtimestamp(time.time() - seconds, UTC).isoformat()


def pay(fns: Functions, user_id: int = 1, **session: Any) -> str:
    request_id = str(uuid4())
    told = event(session_object(request_id, user_id=user_id, **session))
    assert fns.webhook(told).json["outcome"] == "applied"
    return request_id


def age(fns: Functions, hours: float = 2) -> None:
    """What there is was made so long ago: before the restore point of these tests, 1.5 hours ago."""
    fns.checkout(
        "UPDATE checkout_transactions SET stripe_session_id = COALESCE(stripe_session_id, request_id),"
        " created_at = created_at - make_interval(mins => %(minutes)s),"
        " completed_at = completed_at - make_interval(mins => %(minutes)s)",
        {"minutes": int(hours * 60)},
    )
    fns.checkout(
        "UPDATE reversals SET emitted_at = emitted_at - make_interval(mins => %s)", (int(hours * 60),)
    )


def see(fns: Functions, hours_ago: float = 1) -> None:
    """The reconciler has seen the ledger entries of all."""
    for table in ("checkout_transactions", "reversals"):
        fns.checkout(
            f"UPDATE {table} SET credited_at = now() - make_interval(mins => %s)", (int(hours_ago * 60),)
        )


def consume(fns: Functions, tail: Tail) -> int:
    records = tail.read()
    if records:
        fns.consume(*records)
    return len(records)


def until_complete(fns: Functions, tail: Tail, since: str, rounds: int = 12) -> list[Any]:
    """What each run answered, the consumers working in between."""
    answers = []
    for _ in range(rounds):
        answer = operate(fns, "reconcile", "--since", since)
        answers.append(answer["result"] | {"clean": answer["clean"]})
        if answers[-1]["complete"]:
            return answers
        consume(fns, tail)
    raise AssertionError(answers)


def broken(fns: Functions) -> list[Any]:
    """What `verify` finds, but for Stripe's books, which have nothing of what is made up here."""
    findings = operate(fns, "verify")["result"]["findings"]
    return [one for one in findings if one["count"] and "Stripe" not in one["name"]]


def generated(fns: Functions, count: int) -> None:
    """Payments of user 1 of two hours ago, each with the event that says so, and seen in the ledger."""
    fns.checkout(
        "INSERT INTO stripe_events (event_id, type, payload, payment_intent_id, request_id, outcome)"
        " SELECT 'evt_' || n, 'checkout.session.completed', '{}', 'pi_' || n, 'r' || n, 'applied'"
        " FROM generate_series(1, %s) AS n",
        (count,),
    )
    fns.checkout(
        "INSERT INTO checkout_transactions (request_id, user_id, amount_cents, currency, purpose, status,"
        "  stripe_session_id, payment_intent_id, paid_cents, paid_currency, paid_event_id, created_at,"
        "  completed_at, credited_at)"
        " SELECT 'r' || n, 1, 500, 'eur', 'balance_topup', 'payment_succeeded', 'cs_' || n, 'pi_' || n, 500,"
        "  'eur', 'evt_' || n, now() - interval '2 h', now() - interval '2 h', now() - interval '1 h'"
        " FROM generate_series(1, %s) AS n",
        (count,),
    )


def test_however_many_are_lost_all_are_entered_before_it_is_complete(
    fns: Functions, tail: Tail, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lost_entries_page, "ROWS_A_PAGE", 100)
    monkeypatch.setattr(lost_entries, "MOST_UNCREDITED", 400)
    generated(fns, 1300)

    answers = until_complete(fns, tail, ago(5400))

    assert fns.balance() == 1300 * 500
    steps = [(one["lost_entries"]["looked_at"], one["lost_entries"]["of"]) for one in answers]
    assert steps == [(400, 1300), (800, 1300), (1200, 1300), (1300, 1300), (1300, 1300)]
    assert all(one["emitted"] <= 500 for one in answers), (
        "as much as the consumers are asked to enter at once"
    )
    assert [one["complete"] for one in answers] == [False] * 4 + [True]
    assert consume(fns, tail) == 0
    assert broken(fns) == []


def test_nothing_lost_is_complete_at_once_and_emits_nothing(fns: Functions, tail: Tail) -> None:
    for _ in range(3):
        pay(fns)
    consume(fns, tail)
    age(fns)
    see(fns)

    [answer] = until_complete(fns, tail, ago(5400))

    found = answer["lost_entries"]
    assert (found["looked_at"], found["of"], found["missing"], answer["emitted"]) == (3, 3, 0, 0)
    assert tail.read() == []


def test_what_was_never_seen_is_looked_for_however_late_its_next_look_is(fns: Functions, tail: Tail) -> None:
    """Its user was unknown for days, so the next look is a day away; the user was made, it was replayed, and
    then the application's database was restored to before it was parked."""
    fns.add_users(77)
    pay(fns, user_id=77)
    tail.read()
    age(fns, hours=72)
    fns.checkout("UPDATE checkout_transactions SET rechecks = 9, recheck_at = now() + interval '23 hours'")

    until_complete(fns, tail, ago(4 * DAY))

    assert fns.balance(77) == 500


@pytest.mark.parametrize("before", [1, 900])
def test_an_entry_can_be_younger_than_the_moment_at_which_it_was_seen(
    fns: Functions, tail: Tail, before: int
) -> None:
    """The release before noted when the transaction that saw it had begun. And two servers, two clocks."""
    pay(fns)
    tail.read()
    age(fns)
    fns.checkout(
        "UPDATE checkout_transactions SET credited_at = now() - make_interval(secs => 5400 + %s)", (before,)
    )

    until_complete(fns, tail, ago(5400))

    assert fns.balance() == 500


def test_an_entry_is_seen_after_it_was_committed(
    fns: Functions, tail: Tail, monkeypatch: pytest.MonkeyPatch
) -> None:
    pay(fns)
    age(fns)
    look = reemission.Reemission._found

    def consumed_meanwhile(self: Any, cursor: Any, due: Any) -> Any:
        consume(fns, tail)
        return look(self, cursor, due)

    monkeypatch.setattr(reemission.Reemission, "_found", consumed_meanwhile)
    fns.invoke("reconciler", {})

    [entry] = fns.application("SELECT created_at FROM ledger_entries")
    [row] = fns.checkout("SELECT credited_at FROM checkout_transactions")
    assert row["credited_at"] > entry["created_at"]


def test_reversals_are_entered_after_their_credits(fns: Functions, tail: Tail, known: KnownStripe) -> None:
    taken_back = refund("pi_1", amount=200)
    known.knows(taken_back["id"], taken_back)
    pay(fns, payment_intent="pi_1")
    assert fns.webhook(event(taken_back, "refund.created")).json["outcome"] == "applied"
    tail.read()
    age(fns)
    see(fns)

    emitted = []
    for _ in range(5):
        answer = run(since=int(time.time()) - 5400)
        records = tail.read()
        emitted.append([json.loads(record.value)["status"] for record in records])
        if records:
            fns.consume(*records)
        if answer.complete:
            break

    assert emitted == [["success"], ["refunded"], []]
    assert fns.balance() == 300


def run(since: int) -> Progress:
    """The search alone, as one whose events are read."""
    search = system().reconcile._lost_entries
    search.begin(since)
    search.events_are_read(since)
    progress, _ = search(since, deadline=time.monotonic() + 60, failures=Failures())
    return progress


def test_a_lost_payment_that_somebody_holds_is_left_for_another_pass(fns: Functions, tail: Tail) -> None:
    locked, free = pay(fns), pay(fns)
    tail.read()
    age(fns)
    see(fns)
    since = ago(5400)

    with second_connection(fns.settings["CHECKOUT_DATABASE_URL"]) as somebody:
        somebody.execute("SELECT FROM checkout_transactions WHERE request_id = %s FOR UPDATE", (locked,))
        answer = operate(fns, "reconcile", "--since", since)["result"]
        assert (answer["emitted"], answer["complete"], answer["skipped_count"]) == (1, False, 1)
        consume(fns, tail)
        answer = operate(fns, "reconcile", "--since", since)["result"]
        assert (answer["emitted"], answer["complete"]) == (0, False)

    until_complete(fns, tail, since)
    assert fns.balance() == 1000
    assert fns.row(free)["status"] == "payment_succeeded"


def test_two_runs_at_once_share_the_pages(
    fns: Functions, tail: Tail, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lost_entries_page, "ROWS_A_PAGE", 10)
    generated(fns, 200)
    since = int(time.time()) - 5400
    system().reconcile._lost_entries.begin(since)
    pages: list[int] = []
    page = sql.payments

    def counted(cursor: Any, scope: Any, *, after_id: int, rows: int) -> Any:
        pages.append(after_id)
        return page(cursor, scope, after_id=after_id, rows=rows)

    monkeypatch.setattr(sql, "payments", counted)
    others = [own_search(fns) for _ in range(2)]
    threads = [
        threading.Thread(
            target=search, args=(since,), kwargs={"deadline": time.monotonic() + 60, "failures": Failures()}
        )
        for search in others
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(pages) == len(set(pages)) == 21
    run(since)
    consume(fns, tail)
    assert fns.balance() == 200 * 500


def own_search(fns: Functions) -> lost_entries.LostEntries:
    """As another process has it."""
    from checkout.base.postgres import Database
    from checkout.outbox.delivery import Delivery
    from checkout.reconciliation.decisions import Decisions
    from checkout.reconciliation.evidence import FindEvidence
    from checkout.system import System

    checkout = Database(lambda: fns.settings["CHECKOUT_DATABASE_URL"])
    application = Database(lambda: fns.settings["DATABASE_URL"])
    delivery = Delivery(checkout, System(system().config).kafka_publisher)
    again = reemission.Reemission(checkout, application, delivery, system().config)
    decisions = Decisions(checkout, application)
    evidence = FindEvidence(checkout, system().stripe_api, system().config)
    return lost_entries.LostEntries(checkout, application, delivery, evidence, again, decisions)


@pytest.mark.parametrize("was_seen", [True, False])
def test_a_number_that_the_application_may_have_given_to_somebody_else_is_decided_by_a_person(
    fns: Functions, tail: Tail, was_seen: bool
) -> None:
    """Ada signed up after the restore point, and is gone with the restore. Then Bob gets her number."""
    pay(fns)
    consume(fns, tail)
    age(fns)
    since = ago(60)
    fns.add_users(77)
    pay(fns, user_id=77)
    pay(fns)
    records = tail.read()
    fns.consume(*records)
    see(fns, hours_ago=0)
    if not was_seen:
        fns.checkout("UPDATE checkout_transactions SET credited_at = NULL WHERE user_id = 77")
    fns.application(
        "SET LOCAL session_replication_role = replica;"
        " DELETE FROM ledger_entries WHERE created_at > now() - interval '1 minute' AND id >"
        " (SELECT min(id) FROM ledger_entries); UPDATE users SET balance = 500 WHERE id = 1;"
        " DELETE FROM users WHERE id = 77"
    )
    fns.application("INSERT INTO users (id, email) VALUES (77, 'bob@example.com')")
    fns.checkout("UPDATE checkout_transactions SET completed_at = completed_at - interval '1 hour'")
    assert operate(fns, "restored", "--operator", "ada", "--yes")["clean"]

    answers = until_complete(fns, tail, since)

    assert (fns.balance(1), fns.balance(77)) == (1000, 0)
    assert answers[-1]["lost_entries"]["to_decide"] == 1
    assert not answers[-1]["clean"], "it is left for a person"
    [parked] = operate(fns, "parked", "list")["result"]["parked"]
    assert parked["user_id"] == 77
    assert "number" in parked["reason"]
    fns.consume(*records)
    assert fns.balance(77) == 0, "Kafka's own record decides nothing, if the consumers are reset"
    operate(fns, "parked", "replay", str(parked["id"]), "--operator", "ada", "--yes")
    assert fns.balance(77) == 500, "an operator found that it is the same person"


def test_after_another_restore_to_the_same_time_the_search_begins_anew(fns: Functions, tail: Tail) -> None:
    """What the first search has seen entered is gone again."""
    pay(fns)
    consume(fns, tail)
    age(fns, 1)
    lost = [pay(fns), pay(fns)]
    consume(fns, tail)
    age(fns, 1)
    see(fns, 0.5)
    since = ago(1.5 * 3600)
    fns.set(REEMIT_AFTER_SECONDS="1")
    take_away(fns, lost)
    operate(fns, "reconcile", "--since", since)
    records = tail.read()
    fns.consume(*[record for record in records if lost[0].encode() in record.value])
    assert not operate(fns, "reconcile", "--since", since)["result"]["lost_entries"]["complete"]

    take_away(fns, lost)
    assert operate(fns, "restored", "--operator", "ada", "--yes")["clean"]
    fns.consume(*[record for record in records if lost[1].encode() in record.value])
    until_complete(fns, tail, since)
    assert (fns.balance(), broken(fns)) == (1500, [])


def take_away(fns: Functions, request_ids: list[str]) -> None:
    """As a restore of the application's database does."""
    keys = [f"success:{request_id}" for request_id in request_ids]
    fns.application(
        "SET LOCAL session_replication_role = replica;"
        " DELETE FROM ledger_entries WHERE effect_key = ANY(%s);"
        " UPDATE users SET balance = (SELECT COALESCE(sum(amount_cents), 0) FROM ledger_entries"
        "   WHERE user_id = users.id)",
        (keys,),
    )


def test_more_than_stripe_keeps_is_said_to_be_out_of_reach(fns: Functions, tail: Tail) -> None:
    pay(fns)
    tail.read()
    age(fns, hours=41 * 24)
    see(fns, hours_ago=39 * 24)

    answers = until_complete(fns, tail, ago(40 * DAY))

    assert fns.balance() == 500, "entries are looked for all the same"
    reachable = datetime.fromisoformat(answers[-1]["lost_entries"]["events_before"])
    assert abs((datetime.now(UTC) - reachable).total_seconds() - 30 * DAY) < 60
    assert not answers[-1]["clean"], "what Stripe does not list any more is left for a person"
    assert until_complete(fns, tail, ago(5 * DAY))[-1]["lost_entries"]["events_before"] is None


def test_events_are_read_from_where_every_earlier_one_was_stored(fns: Functions) -> None:
    """A webhook can come days after its event, and a restore takes away what it stored."""
    now = time.time()

    before_any_run = system().reconcile._lost_entries.begin(int(now))
    assert abs(before_any_run.events_from - (now - 30 * DAY)) < 60
    assert before_any_run.progress(0).events_before is None, "that is all there can be"

    fns.invoke("reconciler", {})
    after_one = system().reconcile._lost_entries.begin(int(now) + 1)
    assert abs(after_one.events_from - (now - 3600)) < 60


def test_it_is_not_complete_before_stripes_events_are_read(
    fns: Functions, silent: Simulator, tail: Tail
) -> None:
    silent.control("faults", {"path_prefix": "/v1/events", "status": 500, "times": 50})
    pay(fns)
    tail.read()
    age(fns)
    see(fns)
    since = ago(5400)

    answer = operate(fns, "reconcile", "--since", since)["result"]
    assert (answer["emitted"], answer["complete"]) == (1, False)
    consume(fns, tail)
    answer = operate(fns, "reconcile", "--since", since)["result"]
    assert (answer["complete"], answer["lost_entries"]["complete"]) == (False, False)

    silent.clear_faults()
    until_complete(fns, tail, since)


def test_a_dry_run_counts_what_is_lost_and_changes_nothing(fns: Functions, tail: Tail) -> None:
    generated(fns, 7)
    for _ in range(2):
        found = operate(fns, "reconcile", "--since", ago(5400), "--dry-run")["result"]
        assert (found["lost_entries"]["missing"], found["emitted"]) == (7, 7)
    assert fns.checkout("SELECT 1 FROM reconciler_state") == []
    assert tail.read() == []


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [(["--since", ago(-3600)], "future"), (["--wait"], "--since")],
    ids=["a time to come", "nothing to wait for"],
)
def test_what_makes_no_sense_is_refused(fns: Functions, arguments: list[str], reason: str) -> None:
    assert reason in operate(fns, "reconcile", *arguments)["error"]


def test_waiting_ends_when_the_consumers_have_entered_all(fns: Functions, tail: Tail) -> None:
    generated(fns, 20)
    ended = threading.Event()

    def consumers() -> None:
        while not ended.is_set():
            consume(fns, tail)

    consuming = threading.Thread(target=consumers)
    consuming.start()
    try:
        answer = operate(fns, "reconcile", "--since", ago(5400), "--wait")
    finally:
        ended.set()
        consuming.join()

    assert answer["clean"], answer
    assert fns.balance() == 20 * 500


def test_what_was_discarded_stays_so_though_the_restore_took_the_decision_along(
    fns: Functions, tail: Tail
) -> None:
    """The user was unknown, so the payment was parked, discarded and refunded at Stripe. The application's
    database is restored to before all of it, and by now there is such a user."""
    age(fns)
    discarded, replayed = pay(fns, user_id=77), pay(fns, user_id=78)
    consume(fns, tail)
    parked = {one["user_id"]: str(one["id"]) for one in operate(fns, "parked", "list")["result"]["parked"]}
    for user_id in (77, 78):
        assert operate(
            fns, "parked", "discard", parked[user_id], "--reason", "refunded", "--operator", "ada", "--yes"
        )["clean"]
    fns.add_users(77, 78)
    assert operate(fns, "parked", "replay", parked[78], "--operator", "ada", "--yes")["clean"]
    assert fns.balance(78) == 500
    age(fns)
    since = ago(5400)
    lose_the_ledger(fns)

    fns.invoke("reconciler", {})
    records = tail.read()
    assert [json.loads(record.value)["request_id"] for record in records] == [replayed]
    fns.consume(*records)
    until_complete(fns, tail, since)

    assert (fns.balance(77), fns.balance(78)) == (0, 500)
    [again] = operate(fns, "parked", "list", "--all")["result"]["parked"]
    assert (again["resolution"], again["resolution_reason"], again["operator"]) == (
        "discarded",
        "refunded",
        "ada",
    )
    # Kafka's records of then come once more, and the refund that belongs to it comes, under another request.
    intent = row_intent(fns, discarded)
    taken_back = {"status": "refunded", "source_id": "re_77", "amount_cents": 200}
    fns.consume(
        finished(discarded, user_id=77, payment_intent_id=intent),
        finished("r", user_id=77, payment_intent_id=intent, **taken_back),
    )
    assert fns.balance(77) == 0
    assert operate(fns, "parked", "replay", str(again["id"]), "--operator", "ada", "--yes")["clean"]
    assert fns.balance(77) == 500 - 200, "the decision can be taken back as before, with what belongs to it"


def test_a_discard_that_is_refused_is_not_kept(fns: Functions, tail: Tail) -> None:
    pay(fns, user_id=77)
    records = tail.read()
    fns.consume(*records)
    fns.add_users(77)
    [parked] = operate(fns, "parked", "list")["result"]["parked"]
    fns.consume(*records)
    assert fns.balance(77) == 500

    refused = operate(
        fns, "parked", "discard", str(parked["id"]), "--reason", "no", "--operator", "ada", "--yes"
    )
    assert "in the ledger" in refused["error"]
    assert fns.checkout("SELECT 1 FROM discarded_effects") == []


def row_intent(fns: Functions, request_id: str) -> str:
    return str(fns.row(request_id)["payment_intent_id"])


def test_what_was_parked_before_the_restored_time_and_discarded_after_it_is_discarded_again(
    fns: Functions, tail: Tail
) -> None:
    """A payment and its refund. Nobody has decided about another user's, nor about what somebody claims of
    the same payment."""
    age(fns)
    discarded, left = pay(fns, user_id=77), pay(fns, user_id=78)
    consume(fns, tail)
    fns.consume(finished(discarded, user_id=77, status="refunded", source_id="re_77", amount_cents=200))
    fns.consume(finished(discarded, user_id=79, payment_intent_id=row_intent(fns, discarded)))
    parked = [one for one in operate(fns, "parked", "list")["result"]["parked"] if one["user_id"] == 77]
    decision = ("--reason", "paid twice", "--operator", "ada", "--yes")
    assert operate(fns, "parked", "discard", str(parked[0]["id"]), *decision)["clean"]
    fns.add_users(77, 78)
    since = ago(5400)
    lose_decisions(fns)

    until_complete(fns, tail, since)

    records = operate(fns, "parked", "list", "--all")["result"]["parked"]
    decided = {
        (one["user_id"], one["resolution"], one["resolution_reason"], one["operator"]) for one in records
    }
    nothing = (None, None, None)
    assert decided == {(77, "discarded", "paid twice", "ada"), (78, *nothing), (79, *nothing)}
    # The topic is read once more.
    fns.consume(finished(discarded, user_id=77), finished(left, user_id=78))
    assert (fns.balance(77), fns.balance(78)) == (0, 500)


def test_a_decision_about_bytes_that_nobody_can_read_any_more_is_restored(fns: Functions, tail: Tail) -> None:
    request_id = discarded(fns, tail)
    fns.checkout("UPDATE discarded_effects SET value = NULL")
    since = ago(5400)
    lose_the_ledger(fns)

    until_complete(fns, tail, since)

    [again] = operate(fns, "parked", "list", "--all")["result"]["parked"]
    assert (again["effect_key"], again["resolution"]) == (f"success:{request_id}", "discarded")


@pytest.mark.parametrize("lost", [77, 79])
def test_of_two_claims_of_a_payment_the_one_whose_decision_was_lost_is_discarded_again(
    fns: Functions, tail: Tail, lost: int
) -> None:
    age(fns)
    request_id = pay(fns, user_id=77)
    consume(fns, tail)
    fns.consume(finished(request_id, user_id=79, payment_intent_id=row_intent(fns, request_id)))
    for parked in operate(fns, "parked", "list")["result"]["parked"]:
        decision = ("--reason", "paid twice", "--operator", "ada", "--yes")
        assert operate(fns, "parked", "discard", str(parked["id"]), *decision)["clean"]
    since = ago(5400)
    lose_decisions(fns, "WHERE user_id = %s", lost)

    until_complete(fns, tail, since)

    assert operate(fns, "parked", "list")["result"]["parked"] == []


def discarded(fns: Functions, tail: Tail) -> str:
    """The request_id of a payment of user 77, who was not there."""
    age(fns)
    request_id = pay(fns, user_id=77)
    consume(fns, tail)
    [parked] = operate(fns, "parked", "list")["result"]["parked"]
    decision = ("--reason", "paid twice", "--operator", "ada", "--yes")
    assert operate(fns, "parked", "discard", str(parked["id"]), *decision)["clean"]
    return request_id


def discarded_and_lost(fns: Functions, tail: Tail) -> str:
    request_id = discarded(fns, tail)
    lose_decisions(fns)
    return request_id


def test_what_is_entered_at_this_moment_is_not_discarded_again(fns: Functions, tail: Tail) -> None:
    request_id = discarded_and_lost(fns, tail)
    fns.add_users(77)
    url = fns.settings["DATABASE_URL"]

    with second_connection(url) as consumer:
        consumer.execute("SELECT FROM users WHERE id = 77 FOR NO KEY UPDATE")
        consumer.execute(
            "INSERT INTO ledger_entries (effect_key, user_id, amount_cents, currency, kind, request_id,"
            " payment_intent_id) VALUES (%s, 77, 500, 'eur', 'success', %s, %s)",
            (f"success:{request_id}", request_id, row_intent(fns, request_id)),
        )
        restoring = waiting(url, lambda: system().decisions.restore(time.time()))
        consumer.commit()
    restoring.result()

    [parked] = operate(fns, "parked", "list", "--all")["result"]["parked"]
    assert parked["resolution"] is None, "a replay settles it"


def test_who_signs_up_at_this_moment_does_not_get_what_is_discarded_again(
    fns: Functions, tail: Tail, monkeypatch: pytest.MonkeyPatch
) -> None:
    request_id = discarded_and_lost(fns, tail)
    url = fns.settings["DATABASE_URL"]
    crediting = CreditBalances(Database(lambda: url), "eur")
    find, consuming = whereabouts.find, []

    def then_somebody_signs_up(*given: Any) -> Any:
        found = find(*given)
        fns.add_users(77)
        value = finished(request_id, user_id=77, payment_intent_id=row_intent(fns, request_id))
        record = Record("checkout.finished", 1, 0, b"77", json.dumps(value).encode())
        consuming.append(waiting_or_done(url, lambda: crediting([record])))
        return found

    monkeypatch.setattr(whereabouts, "find", then_somebody_signs_up)
    system().decisions.restore(time.time())
    [one] = consuming
    one.result()

    [parked] = operate(fns, "parked", "list", "--all")["result"]["parked"]
    assert (parked["resolution"], fns.balance(77)) == ("discarded", 0)


def lose_decisions(fns: Functions, which: str = "", *given: int) -> None:
    """The application's database, restored to before what operators decided about parked records."""
    fns.application(
        "UPDATE parked_events"
        f" SET resolution = NULL, resolution_reason = NULL, operator = NULL, resolved_at = NULL {which}",
        given,
    )


def lose_the_ledger(fns: Functions) -> None:
    """The application's database, restored to before all of it; its users are there."""
    fns.application(
        "SET LOCAL session_replication_role = replica; TRUNCATE ledger_entries, parked_events;"
        " UPDATE users SET balance = 0"
    )


def test_many_that_were_never_seen_do_not_keep_the_others_waiting(
    fns: Functions, tail: Tail, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More than the consumers are asked to enter at once, and the next look at each is a day away."""
    monkeypatch.setattr(lost_entries, "MOST_UNCREDITED", 3)
    generated(fns, 20)
    fns.checkout(
        "UPDATE checkout_transactions SET credited_at = NULL, rechecks = 9,"
        " recheck_at = now() + interval '1 day' WHERE id <= (SELECT min(id) + 9 FROM checkout_transactions)"
    )

    answers = until_complete(fns, tail, ago(5400))

    assert fns.balance() == 20 * 500
    assert answers[-1]["lost_entries"]["missing"] == 10


def test_a_time_that_is_too_early_makes_nobody_doubtful(fns: Functions, tail: Tail) -> None:
    """Whose entries are there from before the lost payment was there at the moment of the restore."""
    fns.add_users(77)
    pay(fns, user_id=77)
    consume(fns, tail)
    fns.application(
        "SET LOCAL session_replication_role = replica;"
        " UPDATE ledger_entries SET created_at = now() - interval '3 hours'"
    )
    age(fns, hours=3)
    pay(fns, user_id=77)
    tail.read()
    age(fns, hours=2)
    see(fns)

    answers = until_complete(fns, tail, ago(30 * DAY))

    assert answers[-1]["lost_entries"]["to_decide"] == 0
    assert fns.balance(77) == 1000


def test_stripe_is_asked_about_a_lost_payment_that_only_its_row_reports(
    fns: Functions, silent: Simulator, tail: Tail
) -> None:
    """An earlier release had read its session, and kept no event."""
    request_id = fns.create({"amount_cents": 500}).json["request_id"]
    session_id = fns.row(request_id)["stripe_session_id"]
    assert silent.pay(silent.client.v1.checkout.sessions.retrieve(session_id)).status_code == 303
    fns.invoke("reconciler", {})
    tail.read()
    fns.checkout("UPDATE checkout_transactions SET paid_event_id = NULL, paid_read_at = NULL")
    age(fns)
    see(fns)

    answers = until_complete(fns, tail, ago(5400))

    assert [answer["emitted"] for answer in answers] == [1, 0]
    assert fns.balance() == 500


def discard_event(fns: Functions, early: dict[str, Any]) -> None:
    decide = ("--operator", "ada", "--yes")
    assert operate(fns, "held", "discard", early["id"], "--reason", "a gift", *decide)["clean"]


def replay_event(fns: Functions, early: dict[str, Any]) -> None:
    operate(fns, "held", "replay", early["id"], "--operator", "ada", "--yes")


def lose_the_decisions(fns: Functions) -> None:
    """The checkout database is restored to before them."""
    fns.checkout(
        "SET LOCAL session_replication_role = replica;"
        " TRUNCATE stripe_events, reversals, discarded_reversals, operator_journal"
    )


def restore_and_pay(fns: Functions, tail: Tail, since: int, *told: dict[str, Any]) -> None:
    """The checkout database is restored, and the search begins. What Stripe had told comes again, and then
    its payment."""
    lose_the_decisions(fns)
    system().reconcile._lost_entries.begin(since)
    for one in told:
        fns.webhook(one)
    pay(fns, payment_intent="pi_1")
    fns.consume(*tail.read())


def lose_the_replay(fns: Functions) -> None:
    """The application's database is restored to before it."""
    fns.application(
        "SET LOCAL session_replication_role = replica;"
        " DELETE FROM operator_journal WHERE verb = 'held replay'"
    )


@pytest.mark.parametrize("taken_back", [False, True], ids=["discarded", "and replayed after all"])
def test_a_discarded_refund_stays_so_though_the_checkout_database_was_restored(
    fns: Functions, tail: Tail, known: KnownStripe, taken_back: bool
) -> None:
    refunded = refund("pi_1", amount=200)
    known.knows("pi_1", payment_intent("pi_1"))
    known.knows(refunded["id"], refunded)
    early = event(refunded, "refund.created")
    assert fns.webhook(early).json["outcome"] == "waiting"
    discard_event(fns, early)
    if taken_back:
        replay_event(fns, early)
    since = int(time.time()) - 60

    restore_and_pay(fns, tail, since, early)

    assert fns.balance() == (300 if taken_back else 500)
    if not taken_back:
        [kept] = fns.checkout("SELECT * FROM discarded_reversals")
        assert (kept["object_id"], kept["reason"]) == (refunded["id"], "discarded by ada: a gift")


def test_a_payment_that_stripe_contradicts_does_not_keep_the_search_from_its_end(
    fns: Functions, tail: Tail, known: KnownStripe
) -> None:
    """Somebody has written its row. Nobody will ever enter it."""
    refunded = refund("pi_1", amount=200)
    known.knows("pi_1", payment_intent("pi_1"))
    known.knows(refunded["id"], refunded)
    pay(fns, payment_intent="pi_1")
    assert fns.webhook(event(refunded, "refund.created")).json["outcome"] == "applied"
    consume(fns, tail)
    age(fns)
    see(fns)
    lose_the_ledger(fns)
    fns.checkout(
        "INSERT INTO checkout_transactions (request_id, user_id, amount_cents, currency, purpose, status,"
        "  payment_intent_id, paid_cents, paid_currency, created_at, completed_at)"
        " VALUES ('made-up', 1, 500, 'eur', 'balance_topup', 'payment_succeeded', 'pi_x', 500, 'eur',"
        "  now() - interval '2 hours', now() - interval '2 hours')"
    )
    since = int(time.time()) - 5400
    search = system().reconcile._lost_entries
    search.begin(since)
    search.events_are_read(since)

    for _ in range(8):
        progress, _ = search(since, deadline=time.monotonic() + 5, failures=Failures())
        consume(fns, tail)
        if progress.complete:
            break

    assert (progress.complete, progress.uncredited) == (True, 0)
    assert fns.balance() == 300


def test_what_was_discarded_of_another_payment_of_the_request_keeps_nothing_from_being_emitted(
    fns: Functions, tail: Tail
) -> None:
    """Since a restore this one has the other one's request_id."""
    request_id = pay(fns, payment_intent="pi_b")
    tail.read()
    age(fns)
    fns.checkout(
        "INSERT INTO discarded_effects (effect_key, user_id, amount_cents, currency, request_id,"
        "  payment_intent_id, topic, partition, kafka_offset, parked_for, reason)"
        " VALUES (%s, 1, 500, 'eur', %s, 'pi_a', 'checkout.finished', 0, 1, 'paid twice', 'refunded')",
        (f"success:{request_id}", request_id),
    )

    fns.invoke("reconciler", {})
    consume(fns, tail)

    assert fns.balance() == 500


def test_a_discard_that_died_before_its_end_was_noted_is_noted_when_it_is_repeated(
    fns: Functions, tail: Tail, known: KnownStripe
) -> None:
    discarded, _ = two_refunds(fns, known)
    discard_event(fns, discarded)
    for database in (fns.checkout, fns.application):
        database(
            "SET LOCAL session_replication_role = replica; DELETE FROM operator_journal WHERE step = 'done'"
        )
    since = int(time.time()) - 60
    discard_event(fns, discarded)

    restore_and_pay(fns, tail, since, discarded)

    assert fns.balance() == 500


def test_a_replay_of_another_refund_leaves_the_decision_about_this_one(
    fns: Functions, tail: Tail, known: KnownStripe
) -> None:
    discarded, other = two_refunds(fns, known)
    discard_event(fns, discarded)
    replay_event(fns, other)
    since = int(time.time()) - 60

    restore_and_pay(fns, tail, since, discarded, other)

    assert fns.balance() == 400


def test_a_replay_by_the_release_before_may_have_taken_back_all_of_its_payment(
    fns: Functions, tail: Tail, known: KnownStripe
) -> None:
    """It did not note what it had taken back."""
    discarded, other = two_refunds(fns, known)
    discard_event(fns, discarded)
    replay_event(fns, other)
    fns.application(
        "SET LOCAL session_replication_role = replica;"
        " UPDATE operator_journal SET details = jsonb_set(details::jsonb, '{replayed,0}',"
        "   (details::jsonb #> '{replayed,0}') - 'revived')"
        " WHERE verb = 'held replay' AND step = 'done'"
    )
    since = int(time.time()) - 60

    restore_and_pay(fns, tail, since, discarded, other)

    assert fns.balance() == 200


def two_refunds(fns: Functions, known: KnownStripe) -> list[dict[str, Any]]:
    """Of 200 and of 100: their events, which wait for the payment."""
    known.knows("pi_1", payment_intent("pi_1"))
    told = []
    for amount in (200, 100):
        refunded = refund("pi_1", amount=amount)
        known.knows(refunded["id"], refunded)
        told.append(event(refunded, "refund.created"))
        assert fns.webhook(told[-1]).json["outcome"] == "waiting"
    return told


@pytest.mark.parametrize("end", ["noted", "not noted"])
def test_what_was_replayed_stays_so_though_the_application_lost_the_replay(
    fns: Functions, tail: Tail, known: KnownStripe, end: str
) -> None:
    """The checkout database was not restored, so what holds there holds, also if the process died before it
    could note the replay's end."""
    taken_back, early = a_dispute(fns, known)
    discard_event(fns, early)
    replay_event(fns, early)
    pay_and_lose(fns, tail)
    if end == "not noted":
        fns.checkout(
            "SET LOCAL session_replication_role = replica;"
            " DELETE FROM operator_journal WHERE verb = 'held replay' AND step = 'done'"
        )

    lose_the_replay(fns)
    system().reconcile._lost_entries.begin(int(time.time()) - 60)

    win(fns, tail, known, taken_back)
    assert fns.balance() == 500


def test_what_was_replayed_stays_so_though_each_database_was_restored_once(
    fns: Functions, tail: Tail, known: KnownStripe
) -> None:
    """Only the application's journal has the discard, and only that of the checkout database the replay."""
    taken_back, early = a_dispute(fns, known)
    discard_event(fns, early)
    since = int(time.time()) - 60
    lose_the_decisions(fns)
    system().reconcile._lost_entries.begin(since)
    assert fns.webhook(early).json["outcome"] == "ignored"
    replay_event(fns, early)
    pay_and_lose(fns, tail)

    lose_the_replay(fns)
    system().reconcile._lost_entries.begin(since + 1)

    win(fns, tail, known, taken_back)
    assert fns.balance() == 500


def a_dispute(fns: Functions, known: KnownStripe) -> tuple[dict[str, Any], dict[str, Any]]:
    """And its event, which waits for the payment."""
    taken_back = dispute("pi_1", -500)
    known.knows("pi_1", payment_intent("pi_1"))
    known.knows(taken_back["id"], taken_back)
    early = event(taken_back, "charge.dispute.funds_withdrawn")
    assert fns.webhook(early).json["outcome"] == "waiting"
    return taken_back, early


def pay_and_lose(fns: Functions, tail: Tail) -> None:
    """The payment, and with it the dispute that waited for it."""
    pay(fns, payment_intent="pi_1")
    consume(fns, tail)
    assert fns.balance() == 0


def win(fns: Functions, tail: Tail, known: KnownStripe, taken_back: dict[str, Any]) -> None:
    reinstated = {"id": "txn_reinstated", "amount": 500, "currency": "eur"}
    won = {**taken_back, "balance_transactions": [*taken_back["balance_transactions"], reinstated]}
    known.knows(taken_back["id"], won)
    fns.webhook(event(won, "charge.dispute.funds_reinstated"))
    consume(fns, tail)


def test_nothing_is_applied_before_it_is_known_what_was_discarded(
    fns: Functions, tail: Tail, known: KnownStripe
) -> None:
    """The application's journal has it, and is away when the checkout database has been restored."""
    refunded = refund("pi_1", amount=200)
    early = event(refunded, "refund.created")

    def away() -> dict[str, Any]:
        raise StripeNotReached("Stripe could not be reached; try again.")

    known.knows("pi_1", payment_intent("pi_1"))
    known.knows(refunded["id"], away)
    pay(fns, payment_intent="pi_1")
    assert system().stripe_events.record(parsed(early), keep_unread=True) == "waiting"
    since = ago(60)
    discard_event(fns, early)
    known.knows(refunded["id"], refunded)
    fns.checkout(
        "SET LOCAL session_replication_role = replica;"
        " TRUNCATE discarded_reversals, operator_journal; UPDATE stripe_events SET outcome = 'waiting'"
        " WHERE type = 'refund.created'"
    )

    with fns.set(DATABASE_URL="postgresql://nobody@127.0.0.1:1/nothing"):
        forget_wiring()
        with pytest.raises(Unavailable):
            operate(fns, "reconcile", "--since", since)
    forget_wiring()
    assert fns.checkout("SELECT 1 FROM reversals") == []

    operate(fns, "reconcile", "--since", since)
    consume(fns, tail)
    assert system().stripe_events.retry(early["id"]) == "duplicate"
    assert fns.balance() == 500
