"""Early fraud warnings and reviews: stored, shown with their payment, and loud."""

from typing import Any
from uuid import uuid4

import pytest

from checkout.base.config import Config
from checkout.base.errors import ConfigurationError
from checkout.payments.radar_event import EARLY_FRAUD_WARNING
from tests.support.functions import Functions
from tests.support.inbox import outcome, stored
from tests.support.reconciler import pay, reconcile
from tests.support.stripe_events import event, session_object
from tests.support.stripe_reversals import KnownStripe, payment_intent
from tests.support.stripe_simulator import Simulator
from tests.support.waiting import eventually

SUSPECTED = "4000 0000 0000 5423"


def warning(payment_intent_id: str | None = "pi_1", **fields: Any) -> dict[str, Any]:
    return {
        "id": "issfr_1",
        "object": "radar.early_fraud_warning",
        "actionable": True,
        "charge": "ch_1",
        "fraud_type": "made_with_stolen_card",
        "payment_intent": payment_intent_id,
        **fields,
    }


def review(*, is_open: bool, reason: str) -> dict[str, Any]:
    return {"id": "prv_1", "object": "review", "open": is_open, "reason": reason, "payment_intent": "pi_1"}


def story(fns: Functions, reference: str) -> list[tuple[str, str | None]]:
    """Type and reason of what `inspect` shows of Stripe's events."""
    answer = fns.invoke("operations", {"verb": "inspect", "arguments": [reference]})
    steps = answer["result"]["steps"]
    return [(step["type"], step.get("reason")) for step in steps if step["table"] == "stripe_events"]


def test_a_warning_is_stored_with_its_payment_shown_and_loud(
    fns: Functions, known: KnownStripe, capsys: pytest.CaptureFixture[str]
) -> None:
    request_id = str(uuid4())
    assert outcome(fns, event(session_object(request_id, payment_intent="pi_1"))) == "applied"
    capsys.readouterr()
    told = event(warning(), EARLY_FRAUD_WARNING)

    assert (outcome(fns, told), outcome(fns, told)) == ("applied", "duplicate")

    assert capsys.readouterr().out.count('"EarlyFraudWarning":[1.0]') == 1
    assert stored(fns, told)["request_id"] == request_id
    assert (EARLY_FRAUD_WARNING, "issfr_1: made_with_stolen_card, actionable") in story(fns, request_id)
    assert known.asked == []


def test_a_warning_before_its_payment_is_known_is_found_by_stripes_payment_intent(
    fns: Functions, known: KnownStripe
) -> None:
    known.knows("pi_1", payment_intent("pi_1", purpose="order"))
    told = event(warning(actionable=False), EARLY_FRAUD_WARNING)

    assert outcome(fns, told) == "applied"
    outcome(fns, event(session_object("r1", payment_intent="pi_1")))
    assert (EARLY_FRAUD_WARNING, "issfr_1: made_with_stolen_card, not actionable") in story(fns, "r1")


@pytest.mark.parametrize(
    ("told", "became"),
    [
        (warning("pi_foreign"), "ignored"),
        (warning(None), "ignored"),
        (warning("pi_unknown"), "waiting"),
    ],
    ids=["another application", "no payment intent", "unknown"],
)
def test_what_is_not_of_a_payment_of_ours_is_not_loud(
    fns: Functions,
    known: KnownStripe,
    capsys: pytest.CaptureFixture[str],
    told: dict[str, Any],
    became: str,
) -> None:
    known.knows("pi_foreign", payment_intent("pi_foreign", checkout_app="another"))
    assert outcome(fns, event(told, EARLY_FRAUD_WARNING)) == became
    assert "EarlyFraudWarning" not in capsys.readouterr().out


def test_one_of_the_other_mode_is_held(fns: Functions, known: KnownStripe) -> None:
    assert outcome(fns, event(warning(), EARLY_FRAUD_WARNING, livemode=True)) == "held"
    assert known.asked == []


def test_reviews_are_stored_and_shown_and_not_loud(
    fns: Functions, known: KnownStripe, capsys: pytest.CaptureFixture[str]
) -> None:
    assert outcome(fns, event(session_object("r1", payment_intent="pi_1"))) == "applied"
    for told, event_type in (
        (review(is_open=True, reason="rule"), "review.opened"),
        (review(is_open=False, reason="refunded_as_fraud"), "review.closed"),
    ):
        assert outcome(fns, event(told, event_type)) == "applied"
    assert ("review.opened", "prv_1: open, rule") in story(fns, "r1")
    assert ("review.closed", "prv_1: closed, refunded_as_fraud") in story(fns, "r1")
    assert "EarlyFraudWarning" not in capsys.readouterr().out


def test_the_reconciler_finds_a_warning_whose_webhook_was_lost(
    fns: Functions, silent: Simulator, capsys: pytest.CaptureFixture[str]
) -> None:
    request_id = pay(fns, silent, card_number=SUSPECTED)
    eventually(lambda: silent.get("/v1/radar/early_fraud_warnings")["data"])

    reconcile()

    assert EARLY_FRAUD_WARNING in dict(story(fns, request_id))
    assert "EarlyFraudWarning" in capsys.readouterr().out


@pytest.mark.parametrize("action", ["freeze", "refund", "x"])
def test_what_a_warning_cannot_do_yet_is_refused_at_start(fns: Functions, action: str) -> None:
    with pytest.raises(ConfigurationError, match=r"FRAUD_WARNING_ACTION.*must be none"):
        Config({**fns.settings, "FRAUD_WARNING_ACTION": action}).check()
    Config({**fns.settings, "FRAUD_WARNING_ACTION": "none"}).check()
