"""Four eyes: above FOUR_EYES_CENTS one operator asks, and another one has it carried out."""

import argparse
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg2
import pytest

from checkout.base import timing
from checkout.base.config import Config
from checkout.base.errors import StripeRefusedForGood
from checkout.operations import caller_identity, command, event_erasure, four_eyes_table
from checkout.operations.verbs import approve
from tests.support.functions import Functions
from tests.support.stripe_events import event, session_object
from tests.support.stripe_reversals import KnownStripe

ADJUST = ("adjust", "--key", "T-1", "--user", "1", "--amount-cents", "501", "--reason", "sorry", "--yes")


@pytest.fixture(autouse=True)
def above_500(fns: Functions) -> None:
    fns.set(FOUR_EYES_CENTS="500")


def operate(fns: Functions, operator: str, *words: str, **event: Any) -> Any:
    arguments = [*words[1:], "--operator", operator]
    return fns.invoke("operations", {"verb": words[0], "arguments": arguments, **event})


def approval(fns: Functions, operator: str, request: str, **event: Any) -> Any:
    return operate(fns, operator, "approve", request, "--yes", **event)


def listed(fns: Functions) -> list[dict[str, Any]]:
    answer = fns.invoke("operations", {"verb": "requests", "arguments": []})
    requests: list[dict[str, Any]] = answer["result"]["requests"]
    return requests


def test_what_is_above_the_limit_happens_when_another_operator_has_approved_it(fns: Functions) -> None:
    asked = operate(fns, "ada", *ADJUST)["result"]
    assert fns.balance() == 0
    [waiting] = listed(fns)
    assert (waiting["id"], waiting["requested_by"], waiting["approved_by"]) == (
        asked["requested"],
        "ada",
        None,
    )
    assert waiting["plan"].startswith("Add 501 to the balance of user 1")

    done = approval(fns, "grace", asked["requested"])

    assert (done["clean"], done["result"]["adjusted"], done["result"]["requested_by"]) == (True, True, "ada")
    assert fns.balance() == 501
    assert listed(fns) == []
    [entry] = fns.application("SELECT effect_key, operator FROM ledger_entries")
    assert tuple(entry.values()) == ("adjust:T-1", "ada")
    assert "was carried out" in approval(fns, "grace", asked["requested"])["error"]
    assert fns.balance() == 501


def test_the_approval_says_first_what_it_will_do(fns: Functions) -> None:
    asked = operate(fns, "ada", *ADJUST)["result"]["requested"]
    plan = operate(fns, "grace", "approve", asked)["plan"]
    assert plan.startswith("Approve what ada has asked for: Add 501 to the balance of user 1, now 0 eur")
    assert fns.balance() == 0
    assert "no request r404" in approval(fns, "grace", "r404")["error"]


def test_nobody_approves_what_they_have_asked_for(fns: Functions) -> None:
    asked = operate(fns, "ada", *ADJUST)["result"]["requested"]
    assert "somebody else must approve it" in approval(fns, "ada", asked)["error"]
    assert fns.balance() == 0
    with pytest.raises(psycopg2.errors.CheckViolation):
        fns.checkout("UPDATE operator_requests SET approved_by = 'ada'")


@pytest.mark.parametrize("cents", ["500", "-500"])
def test_what_is_not_above_the_limit_happens_at_once(fns: Functions, cents: str) -> None:
    words = [cents if word == "501" else word for word in ADJUST]
    assert operate(fns, "ada", *words, "--allow-overdraft")["result"]["adjusted"] is True


def test_what_is_taken_counts_as_what_is_given(fns: Functions) -> None:
    words = ["-501" if word == "501" else word for word in ADJUST]
    assert "requested" in operate(fns, "ada", *words, "--allow-overdraft")["result"]
    assert fns.balance() == 0


def test_without_the_setting_one_operator_is_enough(fns: Functions) -> None:
    fns.set(FOUR_EYES_CENTS=None)
    assert operate(fns, "ada", *ADJUST)["result"]["adjusted"] is True


def test_what_cannot_be_undone_always_needs_another_operator(fns: Functions) -> None:
    erase = ("erase-user", "--user", "1", "--reason", "asked for", "--yes")
    asked = operate(fns, "ada", *erase)["result"]["requested"]
    assert approval(fns, "grace", asked)["result"]["events"] == 0


def test_an_erasure_that_takes_longer_is_continued_with_the_same_approval(
    fns: Functions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_erasure, "AT_ONCE", 1)
    fns.webhook(event(session_object("r1")))
    asked = operate(fns, "ada", "erase-user", "--user", "1", "--reason", "r", "--yes")["result"]["requested"]
    with monkeypatch.context() as hurried:
        hurried.setattr(timing, "OPERATION", 0)
        first = approval(fns, "grace", asked)
    assert (first["clean"], first["result"]["complete"]) == (False, False)

    assert approval(fns, "grace", asked)["clean"]
    assert "was carried out" in approval(fns, "grace", asked)["error"]


def test_a_refund_is_approved_with_the_amount_that_was_announced(fns: Functions, known: KnownStripe) -> None:
    fns.webhook(event(session_object("r1", payment_intent="pi_1", amount=900)))
    asked = operate(fns, "ada", "refund", "r1", "--key", "T-1", "--reason", "r", "--yes")["result"]
    assert not [name for name in known.asked if name.startswith("re_")]
    [row] = fns.checkout("SELECT arguments FROM operator_requests")
    assert row["arguments"]["amount_cents"] == 900

    done = approval(fns, "grace", asked["requested"])["result"]
    assert (done["amount_cents"], done["refunded"], done["outcome"]) == (900, True, "applied")
    assert fns.row("r1")["refunded_cents"] == 900


def test_the_story_says_that_stripe_has_refused_an_approved_refund(
    fns: Functions, known: KnownStripe, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> None:
        raise StripeRefusedForGood("Stripe refused the request (for a test).")

    monkeypatch.setattr(KnownStripe, "create_refund", refused)
    fns.webhook(event(session_object("r1", payment_intent="pi_1", amount=900)))
    asked = operate(fns, "ada", "refund", "r1", "--key", "T-1", "--reason", "r", "--yes")["result"]
    error = approval(fns, "grace", asked["requested"])["error"]

    story = fns.invoke("operations", {"verb": "inspect", "arguments": ["r1"]})["result"]
    [refund] = [step for step in story["steps"] if step["table"] == "requested_refunds"]
    assert refund["refused_because"] == error
    assert "for a test" in error


def test_a_request_expires(fns: Functions) -> None:
    asked = operate(fns, "ada", *ADJUST)["result"]["requested"]
    fns.checkout("UPDATE operator_requests SET expires_at = clock_timestamp()")
    assert "has expired, 24 hours after" in approval(fns, "grace", asked)["error"]
    assert (listed(fns), fns.balance()) == ([], 0)


def test_what_dies_after_the_approval_is_carried_out_by_the_next_one(
    fns: Functions, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = operate(fns, "ada", *ADJUST)["result"]["requested"]

    def dying(*_: Any) -> Any:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setitem(approve._RUN, "adjust", dying)
        with pytest.raises(KeyboardInterrupt):
            approval(fns, "grace", asked)
    assert (fns.balance(), listed(fns)[0]["approved_by"]) == (0, "grace")

    with monkeypatch.context() as patch:
        patch.setattr(four_eyes_table, "done", dying)
        with pytest.raises(KeyboardInterrupt):
            approval(fns, "grace", asked)
    assert fns.balance() == 501

    assert approval(fns, "joan", asked)["result"]["adjusted"] is False
    assert (fns.balance(), listed(fns)) == (501, [])
    [row] = fns.checkout("SELECT approved_by FROM operator_requests")
    assert row["approved_by"] == "grace"


def test_two_who_approve_at_once_move_it_once(fns: Functions) -> None:
    asked = operate(fns, "ada", *ADJUST)["result"]["requested"]
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda name: approval(fns, name, asked), ["grace", "joan"]))
    adjusted = [answer["result"]["adjusted"] for answer in answers if "result" in answer]
    assert adjusted.count(True) == 1
    assert fns.balance() == 501


def test_request_and_approval_are_in_the_journal(fns: Functions) -> None:
    asked = operate(fns, "ada", *ADJUST)["result"]["requested"]
    approval(fns, "grace", asked)
    acts = fns.invoke("operations", {"verb": "journal", "arguments": []})["result"]["acts"]
    assert [(act["verb"], act["operator"], act["end"]) for act in acts] == [
        ("approve", "grace", "done"),
        ("adjust", "ada", "done"),
    ]
    assert (acts[1]["effect"]["requested"], acts[0]["arguments"]) == (asked, {"request": asked})
    assert acts[0]["effect"]["adjusted"] is True


ADA, GRACE = (f"arn:aws:sts::111122223333:assumed-role/operators/{name}" for name in ("ada", "grace"))


def test_on_aws_a_name_is_not_enough(fns: Functions, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Config, "is_on_aws", True)
    monkeypatch.setattr(caller_identity, "proved", lambda proof, *_: proof)
    assert "an identity that AWS confirms" in operate(fns, "ada", *ADJUST)["error"]

    asked = operate(fns, "ada", *ADJUST, identity=ADA)["result"]
    assert asked["requested_by"] == ADA
    assert "an identity that AWS confirms" in approval(fns, "grace", asked["requested"])["error"]
    assert "somebody else" in approval(fns, "grace", asked["requested"], identity=ADA)["error"]
    assert fns.balance() == 0
    assert approval(fns, "grace", asked["requested"], identity=GRACE)["result"]["adjusted"] is True


@pytest.mark.parametrize(
    "other", ["sts::111122223333:assumed-role/readers/ada", "iam::111122223333:user/staff/ada"]
)
def test_on_aws_nobody_is_somebody_else_by_another_role(
    fns: Functions, monkeypatch: pytest.MonkeyPatch, other: str
) -> None:
    monkeypatch.setattr(Config, "is_on_aws", True)
    monkeypatch.setattr(caller_identity, "proved", lambda proof, *_: proof)
    asked = operate(fns, "ada", *ADJUST, identity=ADA)["result"]["requested"]

    assert f"{ADA} has asked" in approval(fns, "grace", asked, identity=f"arn:aws:{other}")["error"]
    assert fns.balance() == 0


def test_whatever_needs_an_approval_can_be_approved() -> None:
    [commands] = [one for one in command.parser()._actions if isinstance(one, argparse._SubParsersAction)]
    verbs = {name: parser.get_default("verb") for name, parser in commands.choices.items()}
    asked_for = {name for name, verb in verbs.items() if verb is not None and verb.at_stake is not None}
    assert asked_for == approve._RUN.keys()
