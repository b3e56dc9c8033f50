"""Personal data goes from what is settled, after a time or at once; what is still needed stays whole."""

import json
import time
from typing import Any
from uuid import uuid4

import pytest

from checkout.base import timing
from checkout.base.errors import Refused
from checkout.base.user_ids import BIGINT
from checkout.operations import event_erasure
from checkout.operations.personal_data import without_personal_data
from checkout.operations.verbs import erase as erasure
from checkout.operations.verbs.erase import Erase
from checkout.operations.verbs.parked import ParkedRecords
from checkout.outbox.record import Record
from checkout.payments import reversal_event, session_event, stripe_event, stripe_object
from tests.support.functions import Functions, finished, system
from tests.support.roles import acting_as
from tests.support.second_connection import second_connection, waiting
from tests.support.stripe_events import event, session_object

DETAILS = {
    "customer_details": {"email": "ada@example.com", "name": "Ada", "address": {"city": "London"}},
    "customer_email": "ada@example.com",
    "url": "https://checkout.stripe.com/c/pay/cs_test_1#ada",
    "custom_fields": [{"text": {"value": "Ada"}}],
}
PERSONAL = ("ada@", "#ada", "Ada", "London")


def told(request_id: str | None = None, **fields: Any) -> dict[str, Any]:
    """A payment of user 1, as Stripe tells it with all that it knows of the customer."""
    session = session_object(request_id or str(uuid4()), **fields)
    session["metadata"]["note"] = "for Ada"
    return event(session | DETAILS)


def payload(fns: Functions, event_id: str) -> str:
    [row] = fns.checkout(
        "SELECT payload::text AS payload FROM stripe_events WHERE event_id = %s", (event_id,)
    )
    return str(row["payload"])


def is_erased(fns: Functions, event_id: str) -> bool:
    return not any(word in payload(fns, event_id) for word in PERSONAL)


def grow_old(fns: Functions, days: int) -> None:
    fns.checkout("UPDATE stripe_events SET received_at = received_at - make_interval(days => %s)", (days,))
    fns.application("UPDATE parked_events SET resolved_at = resolved_at - make_interval(days => %s)", (days,))


def answered(fns: Functions, *words: str) -> Any:
    arguments = [*words[1:], "--operator", "ada", "--yes"]
    return fns.invoke("operations", {"verb": words[0], "arguments": arguments})


def operate(fns: Functions, *words: str) -> Any:
    answer = answered(fns, *words)
    return answer.get("result", answer)


def test_what_was_settled_long_ago_is_erased_and_the_rest_is_whole(fns: Functions) -> None:
    old, foreign, held, waiting, new = told(), told(), told(user_id="nobody"), told(), told()
    foreign["data"]["object"]["metadata"]["checkout_app"] = "another"
    for one, outcome in ((old, "applied"), (foreign, "ignored"), (held, "held"), (waiting, "applied")):
        assert fns.webhook(one).json["outcome"] == outcome
    fns.checkout("UPDATE stripe_events SET outcome = 'waiting' WHERE event_id = %s", (waiting["id"],))
    grow_old(fns, 91)
    fns.webhook(new)

    assert operate(fns, "erase") == {"events": 2, "parked": 0, "complete": True}

    assert all(is_erased(fns, one["id"]) for one in (old, foreign))
    assert not any(is_erased(fns, one["id"]) for one in (held, waiting, new))
    assert operate(fns, "erase") == {"events": 0, "parked": 0, "complete": True}
    assert fns.webhook(old).json["outcome"] == "duplicate"


@pytest.mark.parametrize("days", ["30", "0", "-1", "x"])
def test_what_stripe_still_tells_is_not_erased(fns: Functions, days: str) -> None:
    assert "must be a whole number from 31" in operate(fns, "erase", "--older-than", days)["error"]
    fns.set(RETENTION_DAYS="30")
    with pytest.raises(Exception, match="RETENTION_DAYS must be more than 30"):
        operate(fns, "erase")


def test_the_setting_and_the_option_say_how_old(fns: Functions) -> None:
    fns.webhook(told())
    grow_old(fns, 40)
    assert operate(fns, "erase", "--older-than", "41")["events"] == 0
    fns.set(RETENTION_DAYS="41")
    assert operate(fns, "erase")["events"] == 0
    assert operate(fns, "erase", "--older-than", "39")["events"] == 1


def test_more_than_one_batch_and_a_time_that_is_up(fns: Functions, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(erasure, "AT_ONCE", 2)
    for _ in range(5):
        fns.webhook(told())
    grow_old(fns, 91)
    with acting_as("operations"):
        assert Erase(system()).older_than(90, deadline=time.monotonic()).complete is False
    assert operate(fns, "erase") == {"events": 5, "parked": 0, "complete": True}


def test_an_erased_event_means_the_same_to_the_handlers() -> None:
    for status in ("paid", "unpaid"):
        whole = told(payment_status=status)
        kept = stripe_event.parsed(without_personal_data(json.dumps(whole)).encode())
        of_whole = session_event.report(whole["type"], whole["data"]["object"], BIGINT)
        of_kept = session_event.report(kept.type, kept.object, BIGINT)

        assert (kept.id, kept.livemode, kept.api_version) == (whole["id"], False, whole["api_version"])
        assert isinstance(of_whole, session_event.SessionReport)
        assert of_kept == replace_url(of_whole)
        assert stripe_object.is_ours(kept.object, "checkout-tests")


def replace_url(report: session_event.SessionReport) -> session_event.SessionReport:
    """The address of a page that is paid leads nowhere, and the row has it."""
    from dataclasses import replace

    return replace(report, session_url=None)


@pytest.mark.parametrize("event_type", sorted(reversal_event.HANDLED))
def test_an_erased_refund_or_dispute_still_names_what_is_read_from_stripe(event_type: str) -> None:
    resource = {"id": "re_1", "payment_intent": {"id": "pi_1", "receipt_email": "ada@example.com"}}
    kept = stripe_event.parsed(without_personal_data(json.dumps(event(resource, event_type))).encode())

    assert kept.object == {"id": "re_1", "payment_intent": "pi_1"}


def test_a_nul_that_stripe_relayed_does_not_stop_it(fns: Functions) -> None:
    whole = told()
    whole["data"]["object"]["metadata"]["purpose"] = "balance_topup"
    whole["data"]["object"]["customer_details"]["name"] = "Ada\0"
    fns.webhook(whole)
    grow_old(fns, 91)

    assert operate(fns, "erase")["events"] == 1


# Parked records


@pytest.fixture
def parked(fns: Functions) -> int:
    """The id of a record that cannot be read."""
    fns.consume(Record("checkout.finished", 0, 7, b"1", b'{"name": "Ada"}'))
    [row] = fns.application("SELECT id FROM parked_events")
    return int(row["id"])


def test_an_undecided_record_keeps_its_bytes(fns: Functions, parked: int) -> None:
    fns.application("UPDATE parked_events SET created_at = created_at - interval '400 days'")

    assert operate(fns, "erase")["parked"] == 0
    assert bytes(fns.application("SELECT value FROM parked_events")[0]["value"]) == b'{"name": "Ada"}'


def test_a_decided_record_loses_them_and_is_known_when_it_comes_again(fns: Functions, parked: int) -> None:
    operate(fns, "parked", "discard", str(parked), "--reason", "nonsense")
    grow_old(fns, 89)
    assert operate(fns, "erase")["parked"] == 0
    grow_old(fns, 2)
    assert operate(fns, "erase")["parked"] == 1
    assert operate(fns, "erase")["parked"] == 0

    fns.consume(Record("checkout.finished", 0, 7, b"1", b'{"name": "Ada"}'))
    [row] = fns.application("SELECT key, value, reason, resolution FROM parked_events")
    assert (row["key"], bytes(row["value"]), row["resolution"]) == (None, b"", "discarded")
    fns.consume(Record("checkout.finished", 0, 7, b"1", b'{"name": "Bob"}'))
    assert len(fns.application("SELECT 1 FROM parked_events")) == 2, "another record at the same offset"


def test_what_was_erased_is_not_replayed(fns: Functions, parked: int) -> None:
    operate(fns, "parked", "discard", str(parked), "--reason", "nonsense")
    grow_old(fns, 91)
    operate(fns, "erase")

    with acting_as("operations"), pytest.raises(Refused, match="erased"):
        ParkedRecords(system()).replay(parked)


def test_a_discarded_credit_stays_discarded_after_its_bytes_are_gone(fns: Functions) -> None:
    credit = finished(currency="usd")
    fns.consume(credit)
    [row] = fns.application("SELECT id FROM parked_events")
    operate(fns, "parked", "discard", str(row["id"]), "--reason", "refunded at Stripe")
    grow_old(fns, 91)
    assert operate(fns, "erase")["parked"] == 1

    fns.consume(finished(credit["request_id"], currency="usd"))
    assert fns.balance() == 0
    assert [one["resolution"] for one in fns.application("SELECT resolution FROM parked_events")] == [
        "discarded"
    ]


# One user

ERASE = ("erase-user", "--user", "1", "--reason", "asked for it")


def test_a_user_is_erased_at_once_but_for_what_is_still_to_be_done(fns: Functions) -> None:
    fns.add_users(2)
    request_id = str(uuid4())
    mine, another = told(request_id), told(user_id=2)
    waiting = event(
        {"id": "re_1", "payment_intent": mine["data"]["object"]["payment_intent"], "note": "Ada"},
        "refund.created",
    )
    for one in (mine, another):
        assert fns.webhook(one).json["outcome"] == "applied"
    body = json.dumps(waiting)
    fns.checkout(
        "INSERT INTO stripe_events (event_id, type, payload, payment_intent_id, outcome)"
        " VALUES (%s, 'refund.created', %s, %s, 'waiting')",
        (waiting["id"], body, waiting["data"]["object"]["payment_intent"]),
    )
    fns.consume(finished(currency="usd"), finished(currency="gbp"), finished(currency="usd", user_id=2))
    first, second, _ = (row["id"] for row in fns.application("SELECT id FROM parked_events ORDER BY id"))
    operate(fns, "parked", "discard", str(first), "--reason", "r")

    expected = {
        "events": 1,
        "parked": 1,
        "unsettled_events": [waiting["id"]],
        "open_parked": [second],
        "pending_requests": [],
        "complete": True,
    }
    assert answered(fns, *ERASE) == {"clean": False, "result": expected}

    assert is_erased(fns, mine["id"])
    assert not is_erased(fns, another["id"])
    assert payload(fns, waiting["id"]) == body
    row = fns.row(request_id)
    assert (row["status"], row["paid_cents"]) == ("payment_succeeded", 500)
    assert operate(fns, *ERASE) == {**expected, "events": 0, "parked": 0}


def test_what_names_a_payment_only_inside_is_erased_or_listed_too(fns: Functions) -> None:
    fns.add_users(2)
    request_id = str(uuid4())
    held = told(request_id, session_id="cs_1", user_id=2, payment_status="unpaid", payment_intent=None)
    mine = told(request_id, session_id="cs_1", payment_intent="pi_1")
    second = told(request_id, session_id="cs_2", payment_status="unpaid", payment_intent=None)
    second["type"] = "checkout.session.expired"
    of_stripe = event({"id": "ch_1", "payment_intent": "pi_1", "billing": "Ada"}, "charge.succeeded")
    of_metadata = event(
        {"id": "pi_2", "metadata": {"request_id": request_id}, "receipt_email": "ada@example.com"},
        "payment_intent.created",
    )
    another = told("1", user_id=2, session_id="cs_10", payment_status="unpaid", payment_intent="pi_10")
    another["type"] = "checkout.session.expired"
    foreign = event({"id": "pi_20", "note": "Ada", "metadata": {"request_id": "1"}}, "payment_intent.created")
    for one, outcome in (
        (mine, "applied"),
        (second, "ignored"),
        (of_stripe, "ignored"),
        (of_metadata, "ignored"),
        (held, "held"),
        (another, "applied"),
        (foreign, "ignored"),
    ):
        # Stripe writes a space after a colon, and its webhooks are kept as they are written.
        assert fns.webhook(json.dumps(one, indent=2).encode()).json["outcome"] == outcome

    assert operate(fns, *ERASE) == {
        "events": 4,
        "parked": 0,
        "unsettled_events": [held["id"]],
        "open_parked": [],
        "pending_requests": [],
        "complete": True,
    }
    assert all(is_erased(fns, one["id"]) for one in (mine, second, of_stripe, of_metadata))
    assert not any(is_erased(fns, one["id"]) for one in (held, another, foreign))


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_erasure, "AT_ONCE", 2)


@pytest.fixture
def no_time(monkeypatch: pytest.MonkeyPatch, small_pages: None) -> None:
    """Each run ends after the first page of what it has to search."""
    monkeypatch.setattr(timing, "OPERATION", 0)


def of_charge(request_id: str) -> dict[str, Any]:
    """An event that nobody handles, about a payment that its contents alone name."""
    return event({"id": "ch_1", "metadata": {"request_id": request_id}, "note": "Ada"}, "charge.updated")


def until_complete(fns: Functions) -> list[Any]:
    """The answers of all runs until one is complete."""
    answers = [answered(fns, *ERASE)]
    while not answers[-1]["result"]["complete"]:
        assert len(answers) < 20, "no run comes to the end"
        answers.append(answered(fns, *ERASE))
    return answers


def test_more_events_of_a_user_than_one_page(fns: Functions, small_pages: None) -> None:
    for number in range(5):
        fns.webhook(told(f"r{number}"))
    fns.webhook(of_charge("r4"))
    assert operate(fns, *ERASE)["events"] == 6


def test_a_search_that_takes_longer_than_a_run_is_continued_by_the_next(
    fns: Functions, no_time: None
) -> None:
    fns.webhook(told("r1"))
    mine = of_charge("r1")
    others = [of_charge(f"of_another_{number}") for number in range(5)]
    for one in (*others, mine):
        assert fns.webhook(one).json["outcome"] == "ignored"

    answers = until_complete(fns)

    assert [one["clean"] for one in answers] == [False] * (len(answers) - 1) + [True]
    assert len(answers) == 4, "two events a run; the last finds that nothing is left"
    assert sum(one["result"]["events"] for one in answers) == 2
    assert is_erased(fns, mine["id"])
    assert not any(is_erased(fns, one["id"]) for one in others)
    assert fns.checkout("SELECT FROM reconciler_state WHERE name LIKE 'erase-user:%%'") == []


def test_what_is_settled_behind_the_position_is_searched_again(fns: Functions, no_time: None) -> None:
    held = told("r1", user_id="nobody", session_id="cs_1", payment_status="unpaid", payment_intent=None)
    fns.webhook(held)
    fns.webhook(told("r1", session_id="cs_1", payment_intent="pi_1"))
    for number in range(3):
        fns.webhook(of_charge(f"of_another_{number}"))
    first = operate(fns, *ERASE)
    assert (first["complete"], first["unsettled_events"]) == (False, [held["id"]])

    operate(fns, "held", "discard", held["id"], "--reason", "of nobody")

    assert until_complete(fns)[-1]["clean"]
    assert is_erased(fns, held["id"])


def test_an_event_that_waits_again_when_it_is_reached_stays_whole(fns: Functions) -> None:
    """As when a retry finds that a release has learnt to handle it."""
    fns.webhook(told("r1"))
    mine = of_charge("r1")
    assert fns.webhook(mine).json["outcome"] == "ignored"
    url = fns.settings["CHECKOUT_DATABASE_URL"]
    with second_connection(url) as retry:
        retry.execute("UPDATE stripe_events SET outcome = 'waiting' WHERE event_id = %s", (mine["id"],))
        erasing = waiting(url, lambda: operate(fns, *ERASE))
        retry.commit()
        assert erasing.result()["events"] == 1
    assert not is_erased(fns, mine["id"])
    assert json.loads(payload(fns, mine["id"])) == mine


def test_what_has_a_name_only_since_is_searched_again(fns: Functions, no_time: None) -> None:
    early = of_charge("r2")
    fns.webhook(early)
    for number in range(3):
        fns.webhook(of_charge(f"of_another_{number}"))
    fns.webhook(told("r1"))
    assert operate(fns, *ERASE)["complete"] is False

    fns.webhook(told("r2"))

    assert until_complete(fns)[-1]["clean"]
    assert is_erased(fns, early["id"])


def test_a_user_with_more_payments_than_a_run_has_time_for(fns: Functions, no_time: None) -> None:
    for number in range(5):
        fns.webhook(told(f"r{number}"))
    answers = until_complete(fns)
    assert [one["result"]["events"] for one in answers] == [2, 2, 1]
    assert [one["clean"] for one in answers] == [False, False, True]


def test_to_erase_is_asked_first(fns: Functions) -> None:
    refused = fns.invoke("operations", {"verb": "erase"})["error"]

    assert "--yes" in refused
