"""One event of Stripe's that cannot be applied keeps no other from being applied, whoever brings it."""

import time
from collections.abc import Callable
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from stripe import StripeObject

from checkout.base.errors import StripeNotReached, StripeObjectMissing, StripeRefused, StripeRefusedForGood
from checkout.base.text import MAX_BIGINT
from checkout.base.user_ids import UserIds
from checkout.payments import session_event, stripe_api
from checkout.payments.outcomes import Parked
from checkout.payments.session_event import SessionReport
from checkout.reconciliation import missed_events
from tests.support.functions import Functions, system
from tests.support.inbox import outcome, parsed, stored
from tests.support.reconciler import reconcile, reconciler_tries
from tests.support.stripe_events import event, session_object
from tests.support.stripe_reversals import KnownStripe, dispute, payment_intent, refund
from tests.support.stripe_simulator import Simulator

Pages = Callable[..., tuple[list[dict[str, Any]], bool]]


@pytest.fixture
def lists(stripe: Simulator, monkeypatch: pytest.MonkeyPatch) -> Callable[[Pages], None]:
    """What Stripe's list of events answers."""

    def answer(pages: Pages) -> None:
        monkeypatch.setattr(stripe_api.StripeApi, "events", lambda _self, **asked: pages(**asked))

    return answer


def of_a_known_session(fns: Functions) -> dict[str, Any]:
    """The session of one request, paid, with its metadata edited at Stripe."""
    created = fns.create({"amount_cents": 500})
    edited = session_object(str(uuid4()), session_id=created.json["session_id"], payment_intent="pi_edited")
    return event(edited, event_id="evt_poison")


def test_a_session_that_belongs_to_another_request_is_held(fns: Functions, stripe: Simulator) -> None:
    poison = of_a_known_session(fns)

    assert outcome(fns, poison) == "held"

    assert stored(fns, poison)["reason"] == "the session belongs to another request"
    assert len(fns.checkout("SELECT 1 FROM checkout_transactions")) == 1
    assert outcome(fns, poison) == "duplicate"


def test_what_the_database_refuses_is_held(fns: Functions, known: KnownStripe) -> None:
    assert outcome(fns, event(session_object(str(uuid4()), payment_intent="pi_1"))) == "applied"
    told = [event(refund("pi_1", amount=MAX_BIGINT), "refund.created") for _ in range(2)]
    for one in told:
        known.knows(one["data"]["object"]["id"], one["data"]["object"])

    assert [outcome(fns, one) for one in told] == ["applied", "held"]

    assert stored(fns, told[1])["reason"].startswith("the database refuses it")
    assert len(fns.checkout("SELECT 1 FROM reversals")) == 1


def test_the_reconciler_holds_it_and_goes_on(fns: Functions, lists: Callable[[Pages], None]) -> None:
    before, after = str(uuid4()), str(uuid4())
    page = [event(session_object(before)), of_a_known_session(fns), event(session_object(after))]
    lists(lambda **_: (page, False))

    assert reconcile()["complete"]

    assert {fns.row(one)["status"] for one in (before, after)} == {"payment_succeeded"}
    assert stored(fns, page[1])["outcome"] == "held"


def test_what_our_code_cannot_read_waits_for_a_release_that_can(
    fns: Functions, lists: Callable[[Pages], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    good, bad = str(uuid4()), str(uuid4())
    page = [event(session_object(good)), event(session_object(bad), event_id="evt_bad")]
    lists(lambda **_: (page, False))
    report = session_event.report

    def broken(
        event_type: str, session: dict[str, Any], user_ids: UserIds, *, is_read: bool
    ) -> SessionReport | Parked:
        if session["metadata"]["request_id"] == bad:
            raise KeyError("a mistake of ours")
        return report(event_type, session, user_ids, is_read=is_read)

    with monkeypatch.context() as this_release:
        this_release.setattr(session_event, "report", broken)
        assert reconcile()["complete"]
        assert reconcile()["complete"]
    assert fns.row(good)["status"] == "payment_succeeded"
    assert stored(fns, page[1])["outcome"] == "waiting"

    assert reconcile()["settled_events"] == 1
    assert fns.row(bad)["status"] == "payment_succeeded"


def test_what_the_client_decodes_is_stored_all_the_same() -> None:
    """The library makes Decimals of some texts, which JSON has no form for."""
    converted = {"fx_rate": Decimal("1.08")}
    answer = StripeObject.construct_from({"currency_conversion": converted}, "sk_test_x")

    asked = stripe_api.StripeApi(lambda: "sk_test_x")._asked(lambda _client: answer)

    assert asked == {"currency_conversion": {"fx_rate": "1.08"}}


@pytest.mark.parametrize("gone", [StripeObjectMissing, StripeRefusedForGood], ids=["404", "400"])
def test_a_place_in_the_list_that_is_gone_at_stripe_is_begun_anew(
    fns: Functions, lists: Callable[[Pages], None], gone: type[Exception]
) -> None:
    newer, older = event(session_object(str(uuid4()))), event(session_object(str(uuid4())))

    def pages(*, starting_after: str | None, **_: Any) -> tuple[list[dict[str, Any]], bool]:
        if starting_after == "evt_gone":
            raise gone("No such event: 'evt_gone'")
        return ([newer], True) if starting_after is None else ([older], False)

    lists(pages)
    assert not reconcile(deadline=time.monotonic())["complete"]
    fns.checkout(
        "UPDATE reconciler_state SET value = jsonb_set(value, '{after}', '\"evt_gone\"')"
        " WHERE name = 'stripe_events'"
    )

    assert reconcile()["complete"]
    assert stored(fns, older)["outcome"] == "applied"


def test_a_known_event_is_answered_while_stripe_is_away(fns: Functions, known: KnownStripe) -> None:
    fns.webhook(event(session_object(str(uuid4()), payment_intent="pi_1")))
    taken_back = refund("pi_1")
    known.knows(taken_back["id"], taken_back)
    told = event(taken_back, "refund.created")
    assert outcome(fns, told) == "applied"
    asked = len(known.asked)

    assert outcome(fns, told) == "duplicate"
    assert len(known.asked) == asked


def test_what_cannot_be_tried_again_lets_the_others_have_their_turn(
    fns: Functions, known: KnownStripe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(missed_events, "MOST_RETRIED", 1)
    disputed, taken_back = dispute("pi_1", -500), refund("pi_1", status="pending")
    known.knows("pi_1", payment_intent("pi_1"))

    def away() -> dict[str, Any]:
        raise StripeNotReached("Stripe could not be reached.")

    def refused() -> dict[str, Any]:
        raise StripeRefused("This key may not read disputes.")

    first, second = event(disputed, "charge.dispute.created"), event(taken_back, "refund.created")
    for told, answer in ((first, refused), (second, away)):
        known.knows(told["data"]["object"]["id"], answer)
        assert system().stripe_events.record(parsed(told), keep_unread=True) == "waiting"
    known.knows(taken_back["id"], taken_back)

    tried = [reconciler_tries() for _ in range(2)]

    assert tried == [0, 1]
    assert stored(fns, second)["outcome"] == "applied"
