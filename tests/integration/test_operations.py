"""The operations as a person has them: the command line, and the function with the same verbs."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from checkout.base import postgres, telemetry, timing
from checkout.base.errors import Refused, StripeNotReached
from checkout.operations import finding_words, ledger_ranges, replays
from checkout.operations.verbs.verify import Verified, Verify
from checkout.payments.events import StripeEvents
from checkout.payments.settlement import Settled
from tests.support import functions, stripe_events, stripe_reversals
from tests.support.functions import Functions, finished
from tests.support.second_connection import second_connection
from tests.support.settings import put
from tests.support.stripe_reversals import KnownStripe
from tests.support.stripe_simulator import Simulator
from tests.support.tail import Tail
from tests.support.terminal import END, Terminal

ROOT = Path(__file__).parents[2]
ADJUST = [
    "adjust",
    "--key",
    "T-1",
    "--user",
    "1",
    "--amount-cents",
    "250",
    "--reason",
    "sorry",
    "--operator",
    "ada",
]
ADA = ("--operator", "ada")
BUSY = "Somebody holds what this needs, or it took too long; try again."


def operate(fns: Functions, verb: object, *arguments: object) -> Any:
    return fns.invoke("operations", {"verb": verb, "arguments": list(arguments)})


def test_a_parked_record_is_listed_the_user_created_and_it_is_replayed_and_credited_once(
    fns: Functions, terminal: Terminal
) -> None:
    fns.consume(finished("r1", user_id=7))
    [listed] = terminal.json("parked", "list")["parked"]
    assert (listed["reason"], listed["effect_key"]) == ("there is no such user", "success:r1")
    assert terminal.run("parked", "replay", listed["id"], *ADA, "--yes") == 2
    assert "there is no such user" in terminal.err

    fns.add_users(7)
    assert terminal.run("parked", "replay", listed["id"], "--yes", *ADA) == 0
    assert terminal.run("parked", "replay", listed["id"], "--yes", *ADA) == 2
    assert "was replayed" in terminal.err
    assert fns.balance(7) == 500
    assert terminal.run("parked", "list") == 0
    assert terminal.out == "parked: none\n"


def test_all_parked_records_are_replayed_but_for_what_still_cannot_be(
    fns: Functions, terminal: Terminal
) -> None:
    refund = finished("r1", user_id=7, status="refunded", source_id="re_1", amount_cents=100)
    fns.consume(finished("r1", user_id=7), refund, b"{", finished("r2", user_id=7))
    fns.add_users(7)
    done = terminal.json("parked", "replay", "--all", *ADA, "--yes", status=1)
    assert fns.balance(7) == 900
    assert len(done["still_parked"]) == 1
    assert "not valid JSON" in done["still_parked"][0]["reason"]


def test_all_others_are_replayed_though_somebody_holds_the_row_of_one(
    fns: Functions, terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(postgres.SESSION, "lock_timeout", "50ms")
    fns.consume(finished("r1", user_id=7), finished("r2", user_id=8))
    fns.add_users(7, 8)
    for number in (1, 2):
        session = stripe_events.session_object(f"held-{number}", session_id=f"cs_{number}")
        fns.webhook(stripe_events.event(session, livemode=True, event_id=f"evt_{number}"))
    fns.set(STRIPE_SECRET="sk_live_not_a_real_key")
    functions.forget_wiring()
    urls = fns.settings["DATABASE_URL"], fns.settings["CHECKOUT_DATABASE_URL"]
    with second_connection(urls[0]) as of_user, second_connection(urls[1]) as of_event:
        of_user.execute("SELECT FROM users WHERE id = 7 FOR UPDATE")
        of_event.execute("SELECT FROM stripe_events WHERE event_id = 'evt_1' FOR UPDATE")
        parked = terminal.json("parked", "replay", "--all", *ADA, "--yes", status=1)
        held = terminal.json("held", "replay", "--all", *ADA, "--yes", status=1)
    assert (fns.balance(7), fns.balance(8)) == (0, 500)
    assert [one["reason"] for one in parked["still_parked"]] == [BUSY]
    assert [event["event_id"] for event in held["replayed"]] == ["evt_2"]
    assert held["still_held"] == [{"event_id": "evt_1", "reason": BUSY}]

    assert terminal.run("parked", "replay", "--all", *ADA, "--yes") == 0
    assert terminal.run("held", "replay", "--all", *ADA, "--yes") == 0
    assert fns.balance(7) == 500


def test_a_parked_record_is_shown_with_its_bytes_and_discarded_with_a_reason(
    fns: Functions, terminal: Terminal
) -> None:
    fns.consume(b"\xff{")
    [listed] = terminal.json("parked", "list")["parked"]
    assert terminal.json("parked", "show", listed["id"])["parked"]["value"] == "\\xff{"
    assert terminal.run("parked", "discard", listed["id"], *ADA, "--yes") == 2
    assert "--reason" in terminal.err
    assert terminal.run("parked", "discard", listed["id"], "--reason", "noise", *ADA, answer="n") == 2
    assert f"Never apply record {listed['id']}, which cannot be read?" in terminal.err
    assert terminal.run("parked", "discard", listed["id"], "--reason", "noise", *ADA, "--yes") == 0
    assert terminal.json("parked", "list") == {"parked": []}
    assert terminal.json("parked", "list", "--all")["parked"][0]["resolution_reason"] == "noise"


def test_a_held_event_is_listed_and_replayed_once_its_cause_is_gone(
    fns: Functions, terminal: Terminal
) -> None:
    event = stripe_events.event(stripe_events.session_object("r1"), livemode=True, event_id="evt_1")
    fns.webhook(event)
    [listed] = terminal.json("held", "list")["held"]
    assert (listed["event_id"], listed["reason"]) == ("evt_1", "livemode is not the mode of our key")
    assert json.loads(terminal.json("held", "show", "evt_1")["held"]["payload"]) == event
    assert (
        terminal.json("held", "replay", "evt_1", *ADA, "--yes", status=1)["replayed"][0]["outcome"] == "held"
    )

    fns.set(STRIPE_SECRET="sk_live_not_a_real_key")
    assert terminal.json("held", "replay", "--all", *ADA, "--yes")["replayed"][0]["outcome"] == "applied"
    assert fns.row("r1")["status"] == "payment_succeeded"
    assert terminal.run("held", "replay", "evt_1", *ADA, "--yes") == 2


def test_all_held_events_are_replayed_though_one_cannot_be(
    fns: Functions, terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(1, 5):
        session = stripe_events.session_object(f"r{number}")
        fns.webhook(stripe_events.event(session, livemode=True, event_id=f"evt_{number}"))
    fns.set(STRIPE_SECRET="sk_live_not_a_real_key")
    replay = StripeEvents.replay

    def failing(events: StripeEvents, event_id: str) -> Settled | None:
        if event_id == "evt_1":
            raise StripeNotReached("Stripe could not be reached.")
        if event_id == "evt_2":
            raise Refused("There is something about it.")
        if event_id == "evt_3":
            replay(events, event_id)
        return replay(events, event_id)

    monkeypatch.setattr(StripeEvents, "replay", failing)
    done = terminal.json("held", "replay", "--all", *ADA, "--yes", status=1)
    assert [event["event_id"] for event in done["replayed"]] == ["evt_4"], "evt_3 was applied meanwhile"
    assert done["still_held"] == [
        {"event_id": "evt_1", "reason": "Stripe could not be reached."},
        {"event_id": "evt_2", "reason": "There is something about it."},
    ]
    assert terminal.run("held", "replay", "evt_1", *ADA, "--yes") == 3


def test_a_replay_of_all_ends_in_time_and_is_continued_after_what_cannot_be_replayed(
    fns: Functions, monkeypatch: pytest.MonkeyPatch
) -> None:
    fns.consume(b"{", finished("r1", user_id=7), finished("r2", user_id=7))
    first, second, third = (row["id"] for row in fns.application("SELECT id FROM parked_events ORDER BY id"))
    fns.add_users(7)
    for number in (1, 2, 3):
        session = stripe_events.session_object(f"h{number}", session_id=f"cs_{number}")
        fns.webhook(stripe_events.event(session, livemode=True, event_id=f"evt_{number}"))
    monkeypatch.setattr(timing, "OPERATION", 0)

    def parked(*more: object) -> Any:
        return operate(fns, "parked", "replay", "--all", *map(str, more), *ADA, "--yes")

    def held(*more: str) -> Any:
        return operate(fns, "held", "replay", "--all", *more, *ADA, "--yes")

    answer = parked()
    assert (answer["clean"], answer["result"]["left"], answer["result"]["after"]) == (False, 2, first)
    assert [one["id"] for one in answer["result"]["still_parked"]] == [first]
    answer = parked("--after", first)
    assert answer == {
        "clean": False,
        "result": {"replayed": [second], "still_parked": [], "left": 1, "after": second},
    }
    assert parked("--after", second) == {
        "clean": True,
        "result": {"replayed": [third], "still_parked": [], "left": 0},
    }
    assert fns.balance(7) == 1000

    answer = held()
    assert (answer["clean"], answer["result"]["left"], answer["result"]["after"]) == (False, 2, "evt_1")
    fns.set(STRIPE_SECRET="sk_live_not_a_real_key")
    answer = held("--after", "evt_1")
    assert [one["event_id"] for one in answer["result"]["replayed"]] == ["evt_2"]
    assert (answer["clean"], answer["result"]["left"], answer["result"]["after"]) == (False, 1, "evt_2")
    answer = held("--after", "evt_2")
    assert (answer["clean"], answer["result"]["left"]) == (True, 0)


def test_the_answer_of_a_replay_of_all_has_an_end(
    fns: Functions, terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replays, "MOST_TRIED", 2)
    fns.consume(b"{", b"[", b"(")
    first, second, _ = (row["id"] for row in fns.application("SELECT id FROM parked_events ORDER BY id"))
    done = terminal.json("parked", "replay", "--all", *ADA, "--yes", status=1)
    assert [one["id"] for one in done["still_parked"]] == [first, second]
    assert (done["left"], done["after"]) == (1, second)


@pytest.mark.parametrize("verb", ["parked", "held"])
def test_where_to_continue_is_said_of_all_alone(terminal: Terminal, verb: str) -> None:
    assert terminal.run(verb, "replay", "1", "--after", "1", *ADA, "--yes") == 2
    assert "--after goes with --all" in terminal.err
    assert terminal.run(verb, "replay", "--all", "--after", "1", *ADA, answer="n") == 2
    assert " after 1" in terminal.err


def test_a_held_event_is_discarded_with_what_it_was_held_for(fns: Functions, terminal: Terminal) -> None:
    fns.webhook(stripe_events.event(stripe_events.session_object("r1", user_id="x"), event_id="evt_1"))
    discard = ("held", "discard", "evt_1", "--reason", "a test", *ADA)
    assert terminal.run(*discard, answer="no") == 2
    assert "what is paid is credited, so do not credit it by hand" in terminal.out + terminal.err
    assert terminal.run(*discard, "--yes") == 0
    [row] = fns.checkout("SELECT outcome, reason FROM stripe_events")
    assert row["outcome"] == "ignored"
    assert (
        row["reason"]
        == "discarded by ada: a test (it was held: metadata.user_id is not a user's id (bigint))"
    )
    assert terminal.run("held", "discard", "evt_1", "--reason", "again", *ADA, "--yes") == 2
    assert terminal.run("held", "show", "evt_404") == 2


def test_a_user_is_added_once(fns: Functions, terminal: Terminal) -> None:
    add = ("add-user", "--user", "77", "--email", "ada@example.com", *ADA)
    assert terminal.json(*add) == {"added": True, "user_id": 77, "balance_cents": 0, "currency": "eur"}
    assert terminal.json(*add)["added"] is False
    assert terminal.json("add-user", "--user", "1", "--email", "x", *ADA)["added"] is False
    assert fns.application("SELECT email FROM users WHERE id = 77") == [{"email": "ada@example.com"}]


def test_an_adjustment_twice_is_one(fns: Functions, terminal: Terminal) -> None:
    assert terminal.json(*ADJUST, "--yes")["adjusted"] is True
    assert terminal.json(*ADJUST, "--yes")["adjusted"] is False
    assert fns.balance() == 250


@pytest.mark.parametrize(
    ("answer", "status", "balance"),
    [("y", 0, 250), ("n", 2, 0), ("", 2, 0), (END, 2, 0), (None, 2, 0)],
    ids=["yes", "no", "nothing", "Ctrl-D", "no terminal"],
)
def test_what_changes_money_asks_first(
    fns: Functions, terminal: Terminal, answer: str | None, status: int, balance: int
) -> None:
    assert terminal.run(*ADJUST, answer=answer) == status
    assert fns.balance() == balance
    if answer is not None:
        assert "Add 250 to the balance of user 1, now 0 eur, once, as adjust:T-1?" in terminal.err
    if status == 2:
        assert "error: Not confirmed, so nothing was changed" in terminal.err


def test_standard_output_is_for_the_answer_alone(
    fns: Functions, terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert terminal.json(*ADJUST, answer="y")["adjusted"] is True

    def counts(_verify: Verify, **_options: Any) -> Verified:
        for _ in range(100):
            telemetry.count("AsOftenAsPowertoolsKeepsToItself")
        return Verified([], complete=True)

    monkeypatch.setattr(Verify, "__call__", counts)
    assert terminal.json("verify") == {"findings": [], "complete": True}
    assert "AsOftenAsPowertoolsKeepsToItself" in terminal.err


def test_every_check_says_in_words_what_holds(terminal: Terminal) -> None:
    assert {finding["name"] for finding in terminal.json("verify")["findings"]} == finding_words.WORDS.keys()
    assert terminal.run("verify") == 0
    assert terminal.out.count("ok       ") == len(finding_words.WORDS)


def test_opening_and_rebuilding_balances(fns: Functions, terminal: Terminal) -> None:
    fns.add_users(2, balance=700)
    assert terminal.json("opening-balances", *ADA, "--yes") == {"opened": 1}
    assert terminal.json("verify")["findings"]
    fns.application("UPDATE users SET balance = 1 WHERE id = 2")
    assert terminal.run("verify") == 1
    assert "BROKEN   BalanceDiffersFromLedger: 1" in terminal.out
    rebuild = ["rebuild-balance", "--user", "2", "--reason", "edited", "--operator", "ada", "--yes"]
    assert terminal.json(*rebuild) == {"user_id": 2, "before_cents": 1, "after_cents": 700}
    assert terminal.run("verify") == 0


def test_what_is_from_before_the_ledger_is_kept_by_an_opening(fns: Functions, terminal: Terminal) -> None:
    """The user was credited before `opening-balances`, so that this left them alone."""
    fns.add_users(2, balance=700)
    fns.webhook(stripe_events.event(stripe_events.session_object("r1", user_id=2)))
    fns.consume(finished("r1", user_id=2))
    rebuild = ["rebuild-balance", "--user", "2", "--reason", "an alarm", *ADA]
    assert terminal.run(*rebuild, answer="n") == 2
    assert "if 700 are from before the ledger, opening-balances --user 2 keeps them" in terminal.err

    assert terminal.json("opening-balances", "--user", "2", *ADA, answer="y") == {"opened": 1}
    assert "Enter 700 as what user 2 had before the ledger" in terminal.err
    assert terminal.json(*rebuild, answer="y") == {"user_id": 2, "before_cents": 1200, "after_cents": 1200}
    assert terminal.run("verify") == 0


def test_a_finding_that_stays_as_it_is_is_accepted(fns: Functions, terminal: Terminal) -> None:
    fns.consume(finished("from-elsewhere"))
    assert terminal.run("verify") == 1
    assert "BROKEN   CreditWithoutTransaction: 1" in terminal.out
    [finding] = [one for one in terminal.json("verify", status=1)["findings"] if one["count"]]
    finding_id = finding["samples"][0]["finding"]
    assert terminal.err.endswith("verify: all is checked\n")

    accept = ["accept", finding_id, "--reason", "T-1", *ADA]
    assert terminal.run(*accept, answer="n") == 2
    assert terminal.err.startswith("No longer count as CreditWithoutTransaction: ")
    assert "effect_key success:from-elsewhere" in terminal.err
    assert terminal.json(*accept, answer="y")["accepted"]["name"] == "CreditWithoutTransaction"
    assert terminal.run("verify", "--anew") == 0
    assert "ok       every entry is of a payment that we know (1 accepted)" in terminal.out

    assert terminal.json(*accept, "--withdraw", "--yes")["counts_again"]["name"] == "CreditWithoutTransaction"
    assert terminal.run("verify", "--seconds", 60) == 1
    assert terminal.run("accept", "0123456789ab", "--reason", "x", *ADA) == 2
    assert "has shown no finding 0123456789ab" in terminal.err


def test_a_verification_that_is_out_of_time_is_not_clean(
    fns: Functions, terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger_ranges, "RANGE", 1)
    fns.add_users(2, 3)
    verify = Verify.__call__
    monkeypatch.setattr(Verify, "__call__", lambda made, **given: verify(made, **{**given, "deadline": 0.0}))
    for user_id in (1, 2, 3):
        assert terminal.json("verify", status=1)["complete"] is False
        assert f"up to user {user_id}" in terminal.err
    assert terminal.run("verify") == 1
    assert "complete: False" in terminal.out
    assert terminal.json("verify", status=0)["complete"] is True


def test_a_payment_whose_entry_was_deleted_is_compared_again_and_its_balance_rebuilt(
    fns: Functions, terminal: Terminal
) -> None:
    fns.webhook(stripe_events.event(stripe_events.session_object("r1")))
    fns.consume(finished("r1"))
    fns.checkout("UPDATE checkout_transactions SET credited_at = now()")
    fns.application("SET LOCAL session_replication_role = replica; DELETE FROM ledger_entries")

    assert terminal.run("look-again", "R1") == 0
    assert fns.row("r1")["credited_at"] is None
    fns.consume(finished("r1"))
    terminal.run("rebuild-balance", "--user", 1, "--reason", "entry deleted", "--operator", "ada", "--yes")
    assert fns.balance() == 500
    assert terminal.run("verify") == 0
    assert terminal.run("look-again", "r404") == 2


def test_entries_of_a_payment_and_its_refund_that_were_deleted_are_emitted_and_entered_again(
    fns: Functions, known: KnownStripe, tail: Tail, terminal: Terminal
) -> None:
    taken_back = stripe_reversals.refund("pi_1", amount=200)
    known.knows(taken_back["id"], taken_back)
    fns.webhook(stripe_events.event(stripe_events.session_object("r1", payment_intent="pi_1")))
    fns.webhook(stripe_events.event(taken_back, "refund.created"))
    fns.consume(*tail.read())
    assert fns.balance() == 300
    # The reconciler has seen both, long ago.
    fns.checkout(
        "UPDATE checkout_transactions SET credited_at = now(), completed_at = now() - interval '1 day'"
    )
    fns.checkout("UPDATE reversals SET credited_at = now(), emitted_at = now() - interval '1 day'")
    fns.application("SET LOCAL session_replication_role = replica; DELETE FROM ledger_entries")
    terminal.run("reconcile")
    assert tail.read() == []

    assert terminal.run("look-again", "R1") == 0
    terminal.run("reconcile")
    emitted = tail.read()
    assert {json.loads(record.value)["status"] for record in emitted} == {"success", "refunded"}
    fns.consume(*emitted)
    terminal.run("rebuild-balance", "--user", 1, "--reason", "entries deleted", *ADA, "--yes")
    assert fns.balance() == 300
    assert terminal.run("verify") == 0


def test_a_payments_story_by_each_of_its_names_in_order(fns: Functions, terminal: Terminal) -> None:
    request_id = str(uuid4())
    session = stripe_events.session_object(request_id, session_id="cs_1", payment_intent="pi_1")
    fns.webhook(stripe_events.event(session, event_id="evt_1"))
    fns.consume(finished(request_id))
    fns.checkout(
        "INSERT INTO outbox (effect_key, topic, key, value) VALUES ('k', 'checkout.finished', '1', %s)",
        (json.dumps(finished(request_id)).encode(),),
    )
    stories = [terminal.json("inspect", name) for name in (request_id.upper(), "cs_1", "pi_1", "1")]
    assert stories[0] == stories[1] == stories[2]
    for story in stories:
        steps = {step["table"]: step for step in story["steps"]}
        assert [step["at"] for step in story["steps"]] == sorted(step["at"] for step in story["steps"])
        assert steps["checkout_transactions"]["status"] == "payment_succeeded"
        assert (steps["stripe_events"]["event_id"], steps["stripe_events"]["outcome"]) == ("evt_1", "applied")
        assert steps["outbox"]["topic"] == "checkout.finished"
        assert steps["ledger_entries"]["kafka_offset"] == 0
        assert story["balances"] == [{"user_id": 1, "balance_cents": 500, "ledger_cents": 500}]
    assert terminal.run("inspect", request_id) == 0
    assert "evt_1" in terminal.out


def test_the_story_of_what_is_held_parked_or_unknown(fns: Functions, terminal: Terminal) -> None:
    session = stripe_events.session_object("r1", session_id="cs_1", payment_intent="pi_1")
    fns.webhook(stripe_events.event(session, livemode=True))
    assert [step["outcome"] for step in terminal.json("inspect", "pi_1")["steps"]] == ["held"]
    fns.consume(finished("r2", user_id=7))
    assert [step["table"] for step in terminal.json("inspect", "r2")["steps"]] == ["parked_events"]
    assert terminal.run("inspect", "pi_404") == 2
    assert terminal.err == "error: Nothing is known about pi_404.\n"
    assert terminal.run("inspect", "404") == 2
    assert terminal.run("inspect", "") == 2
    assert terminal.run("inspect", "a\0b") == 2


def test_a_number_is_a_users_and_may_be_a_requests_too(fns: Functions, terminal: Terminal) -> None:
    fns.webhook(stripe_events.event(stripe_events.session_object("777")))
    fns.consume(finished("777"), finished("r2", user_id=777))
    steps = terminal.json("inspect", "777")["steps"]
    assert sorted((step["table"], step.get("request_id")) for step in steps) == [
        ("checkout_transactions", "777"),
        ("ledger_entries", "777"),
        ("parked_events", "r2"),
        ("stripe_events", "777"),
    ]
    assert [balance["user_id"] for balance in terminal.json("inspect", "777")["balances"]] == [1]


def test_a_story_includes_refunds(fns: Functions, terminal: Terminal) -> None:
    fns.webhook(stripe_events.event(stripe_events.session_object("r1", payment_intent="pi_1")))
    fns.checkout(
        "INSERT INTO reversals (effect_key, kind, source_id, payment_intent_id, amount_cents, currency,"
        " state) VALUES ('refunded:re_1', 'refunded', 're_1', 'pi_1', 200, 'eur', 'emitted')"
    )
    fns.consume(finished("r1"), finished("r1", status="refunded", source_id="re_1", amount_cents=200))
    steps = terminal.json("inspect", "pi_1")["steps"]
    assert [(step["table"], step["effect_key"]) for step in steps if "effect_key" in step] == [
        ("reversals", "refunded:re_1"),
        ("ledger_entries", "success:r1"),
        ("ledger_entries", "refunded:re_1"),
    ]


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["unknown"],
        ["parked"],
        ["parked", "show"],
        ["parked", "show", "x"],
        ["parked", "replay"],
        ["parked", "replay", "1", "--all"],
        ["parked", "list", "--limit", "0"],
        ["held", "discard", "evt_1", "--reason", " "],
        [*ADJUST[:-2]],
        ["adjust", *ADJUST[3:]],
        [*ADJUST, "--amount-cents", "0"],
        [*ADJUST, "--amount-cents", "1.5"],
        [*ADJUST, "--amount-cents", str(2**63)],
        [*ADJUST, "--user", "-1"],
        [*ADJUST, "--key", "k" * 201],
        [*ADJUST, "--ye"],
        ["reconcile", "--since", "yesterday"],
    ],
    ids=" ".join,
)
def test_a_wrong_command_line_changes_nothing(
    fns: Functions, terminal: Terminal, arguments: list[str]
) -> None:
    assert terminal.run(*arguments) == 2
    assert terminal.err.startswith("error: ")
    assert terminal.out == ""
    assert fns.application("SELECT 1 FROM ledger_entries") == []


def test_a_wrong_word_is_not_repeated_whole(fns: Functions) -> None:
    for given in (["x" * 100_000], ["parked", "show", "x" * 100_000], ["verify", "--" + "x" * 100_000]):
        assert len(operate(fns, *given)["error"]) < 500


def test_what_is_away_is_told_apart_from_what_is_refused(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    functions.forget_wiring()
    put(monkeypatch, DATABASE_URL="postgresql://x@127.0.0.1:1/x")
    assert terminal.run("parked", "list") == 3
    assert terminal.err == "error: The database is not available; try again.\n"


@pytest.mark.parametrize("option", [(), ("--dry-run",), ("--since", "2026-11-01")], ids=" ".join)
def test_a_run_that_could_do_nothing_says_what_is_away(
    fns: Functions, terminal: Terminal, monkeypatch: pytest.MonkeyPatch, option: tuple[str, ...]
) -> None:
    functions.forget_wiring()
    put(monkeypatch, CHECKOUT_DATABASE_URL="postgresql://x@127.0.0.1:1/x")
    assert terminal.run("reconcile", *option) == 3
    assert terminal.err.endswith("error: The database is not available; try again.\n")
    assert terminal.out == ""


def test_the_reconciler_runs_on_demand(fns: Functions, stripe: Simulator, terminal: Terminal) -> None:
    fns.webhook(stripe_events.event(stripe_events.session_object("r1")))
    fns.checkout("UPDATE checkout_transactions SET completed_at = now() - interval '1 hour'")
    assert terminal.json("reconcile", "--dry-run")["emitted"] == 1
    found = terminal.json("reconcile", "--since", "2026-11-01", status=1)
    assert (found["emitted"], found["complete"]) == (1, False), "it is not in the ledger yet"
    assert "progress: looked_at=1  of=1" in terminal.err
    assert terminal.json("reconcile")["emitted"] == 0, "its next look is later"


@pytest.mark.parametrize(
    ("rival", "emitted"), [({"user_id": 7}, 1), ({"amount_cents": 499, "currency": "usd"}, 1), ({}, 0)]
)
def test_only_the_same_effect_that_is_parked_stops_its_emission(
    fns: Functions, stripe: Simulator, terminal: Terminal, rival: dict[str, Any], emitted: int
) -> None:
    fns.application("DELETE FROM users")
    fns.consume(finished("r1", **rival))
    fns.webhook(stripe_events.event(stripe_events.session_object("r1")))
    fns.checkout("UPDATE checkout_transactions SET completed_at = now() - interval '1 hour'")
    assert len(terminal.json("parked", "list")["parked"]) == 1
    assert terminal.json("reconcile")["emitted"] == emitted


@pytest.mark.parametrize("module", [["checkout.operations"], ["local", "operations"]], ids=" ".join)
def test_as_a_program(fns: Functions, module: list[str]) -> None:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", *module, *arguments],
            cwd=ROOT,
            env={**fns.settings, "PYTHONPATH": str(ROOT / "layers" / "common")},
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            check=False,
        )

    helped = run("parked", "--help")
    assert helped.returncode == 0
    for verb in ("list", "show", "replay", "discard"):
        assert verb in helped.stdout
    refused = run(*ADJUST)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "--yes" in refused.stderr
    adjusted = run(*ADJUST, "--yes", "--json")
    assert adjusted.returncode == 0, adjusted.stderr
    assert json.loads(adjusted.stdout)["balance_cents"] == 250
    assert adjusted.stderr == "note: adjusted  key=T-1  user_id=1  amount_cents=250  operator=ada\n"


def test_a_debit_is_announced_as_what_it_takes(fns: Functions, terminal: Terminal) -> None:
    debit = [word if word != "250" else "-250" for word in ADJUST]
    assert terminal.run(*debit, answer="n") == 2
    assert "Take 250 from the balance of user 1, now 0 eur, once, as adjust:T-1?" in terminal.err


def test_the_journal_is_readable(fns: Functions, terminal: Terminal) -> None:
    fns.consume(b"{")
    [parked] = terminal.json("parked", "list")["parked"]
    assert terminal.run(*ADJUST, "--yes") == 0
    assert terminal.run("parked", "discard", parked["id"], "--reason", "noise", *ADA, "--yes") == 0

    assert terminal.run("journal") == 0
    heading, discarded, adjusted = terminal.out.splitlines()
    assert heading == "acts:"
    assert f"  effect.discarded.0.id={parked['id']}  " in discarded
    assert "  arguments.amount_cents=250  " in adjusted
    assert '  intent.plan="Add 250 to the balance of user 1, now 0 eur, once, as adjust:T-1"  ' in adjusted
    for line in (discarded, adjusted):
        assert not re.search(r"[{}]|None", line)


def test_the_function_has_the_same_verbs(fns: Functions) -> None:
    assert operate(fns, *ADJUST)["error"].startswith("Not confirmed")
    answer = operate(fns, *ADJUST, "--yes")
    assert answer["clean"] is True
    assert answer["result"]["balance_cents"] == 250
    assert operate(fns, "inspect", "1")["result"]["steps"][0]["effect_key"] == "adjust:T-1"
    assert "404" in operate(fns, "parked", "show", "404")["error"]
    fns.application("UPDATE users SET balance = 0")
    assert fns.invoke("operations", {"verb": "verify"})["clean"] is False


@pytest.mark.parametrize(
    "event",
    [
        {},
        {"verb": None},
        {"verb": "x"},
        {"verb": "verify", "arguments": ["-h"]},
        {"verb": "parked", "arguments": [1]},
        {"verb": "verify", "arguments": None},
        {"verb": "verify", "arguments": 1},
        {"verb": "parked", "arguments": "list"},
        {"verb": "parked", "arguments": {"list": True}},
        ["verify"],
    ],
    ids=str,
)
def test_the_function_says_what_it_does_not_understand(fns: Functions, event: Any) -> None:
    assert set(fns.invoke("operations", event)) == {"error"}
