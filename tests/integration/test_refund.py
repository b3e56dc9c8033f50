"""`refund`: an operator gives money back through Stripe, once for each key."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from checkout.base.errors import (
    DatabaseUnavailable,
    Refused,
    StripeKeyInUse,
    StripeNotReached,
    StripeOutcomeUnknown,
    StripeRefused,
)
from checkout.operations import timeline
from checkout.payments.events import StripeEvents
from checkout.payments.stripe_api import StripeApi
from tests.support import functions
from tests.support.crashes import at_every_step
from tests.support.functions import Functions, system
from tests.support.reconciler import pay, reconcile
from tests.support.roles import acting_as
from tests.support.stripe_simulator import Simulator
from tests.support.tail import Tail
from tests.support.waiting import eventually

ADA = ("--operator", "ada", "--yes")
SLOW_REFUND = "4000 0000 0000 7726"
FAILING_REFUND = "4000 0000 0000 5126"
DISPUTED = "4000 0000 0000 0259"


def paid(fns: Functions, stripe: Simulator, amount: int = 500, **form: str) -> str:
    """A request that is paid, as the reconciler has found."""
    request_id = pay(fns, stripe, amount, **form)
    reconcile()
    assert fns.row(request_id)["status"] == "payment_succeeded"
    return request_id


def refund(fns: Functions, payment: str, key: str = "T-1", *more: str, **event: Any) -> Any:
    """What the function answers."""
    words = [payment, "--key", key, "--reason", "a test", *more, *ADA]
    return fns.invoke("operations", {"verb": "refund", "arguments": words, **event})


def made(stripe: Simulator) -> list[dict[str, Any]]:
    """Stripe's refunds, newest first."""
    found: list[dict[str, Any]] = stripe.get("/v1/refunds")["data"]
    return found


def credited(fns: Functions, tail: Tail) -> int:
    fns.consume(*tail.read())
    return fns.balance()


def test_what_is_left_goes_back_once_and_is_taken_from_the_balance_at_once(
    fns: Functions, silent: Simulator, tail: Tail
) -> None:
    request_id = paid(fns, silent)
    assert credited(fns, tail) == 500

    first = refund(fns, request_id)
    again = refund(fns, fns.row(request_id)["payment_intent_id"])

    [one] = made(silent)
    assert (one["amount"], one["metadata"], one["reason"]) == (500, {"refund_key": "T-1"}, None)
    assert first["result"] == {
        "refunded": True,
        "refund_key": "T-1",
        "refund_id": one["id"],
        "status": "succeeded",
        "amount_cents": 500,
        "currency": "eur",
        "request_id": request_id,
        "payment_intent_id": one["payment_intent"],
        "user_id": 1,
        "outcome": "applied",
        "reason": None,
        "movements": {f"refunded:{one['id']}": "emitted"},
    }
    assert (first["clean"], again["clean"], again["result"]["refunded"]) == (True, True, False)
    assert credited(fns, tail) == 0
    reconcile()
    assert credited(fns, tail) == 0
    assert fns.row(request_id)["refunded_cents"] == 500


def test_what_somebody_paid_who_is_no_user_goes_back(fns: Functions, silent: Simulator, tail: Tail) -> None:
    """His credit is parked: that is what a refund is for. It is decided together with its credit."""
    request_id = paid(fns, silent)
    fns.application("DELETE FROM users WHERE id = 1")
    fns.consume(*tail.read())
    words = [request_id, "--key", "T-1", "--reason", "a test", "--operator", "ada"]

    asked = fns.invoke("operations", {"verb": "refund", "arguments": words})
    answer = refund(fns, request_id)

    assert asked["plan"].endswith("takes 500 of the balance, once there is such a user")
    assert answer["clean"]
    assert [one["amount"] for one in made(silent)] == [500]
    fns.consume(*tail.read())
    parked = fns.application("SELECT effect_key, reason FROM parked_events ORDER BY id")
    assert [row["effect_key"].partition(":")[0] for row in parked] == ["success", "refunded"]


def test_a_part_goes_back_with_its_share_of_the_credit(fns: Functions, silent: Simulator, tail: Tail) -> None:
    with fns.set(PRICES='[{"amount_cents": 1000, "credit_cents": 1100}]'):
        functions.forget_wiring()
        request_id = paid(fns, silent, 1000)
    assert credited(fns, tail) == 1100

    assert refund(fns, request_id, "T-1", "--amount-cents", "250")["result"]["outcome"] == "applied"
    assert refund(fns, request_id, "T-2")["result"]["amount_cents"] == 750

    assert [one["amount"] for one in made(silent)] == [750, 250]
    assert credited(fns, tail) == 0
    entries = fns.application("SELECT amount_cents FROM ledger_entries WHERE kind = 'refunded'")
    assert {row["amount_cents"] for row in entries} == {-275, -825}


def test_a_refund_says_what_it_will_do_and_only_then_does_it(
    fns: Functions, silent: Simulator, tail: Tail
) -> None:
    request_id = paid(fns, silent)
    credited(fns, tail)
    intent = fns.row(request_id)["payment_intent_id"]
    words = [request_id, "--key", "T-1", "--amount-cents", "200", "--reason", "r", "--operator", "ada"]

    asked = fns.invoke("operations", {"verb": "refund", "arguments": words})

    assert asked["plan"] == (
        f"Refund 200 eur of payment {request_id} ({intent}) of user 1 through Stripe, once, as T-1: 500 were"
        " paid, 500 are left; takes 200 of the balance, now 500"
    )
    assert made(silent) == []
    assert fns.checkout("SELECT 1 FROM requested_refunds") == []

    refund(fns, request_id, "T-1", "--amount-cents", "200")
    asked = fns.invoke("operations", {"verb": "refund", "arguments": words})
    assert (
        asked["plan"] == f"Apply {made(silent)[0]['id']}, which T-1 has refunded before, as Stripe has it now"
    )


def test_the_journal_has_the_refund_and_the_story_has_its_key(fns: Functions, silent: Simulator) -> None:
    request_id = paid(fns, silent)
    refund(fns, request_id)

    [act] = fns.invoke("operations", {"verb": "journal", "arguments": []})["result"]["acts"]
    assert (act["verb"], act["operator"], act["end"]) == ("refund", "ada", "done")
    assert act["arguments"] == {
        "payment": request_id,
        "key": "T-1",
        "amount_cents": 500,
        "reason": "a test",
    }
    assert act["effect"]["refund_id"] == made(silent)[0]["id"]
    story = fns.invoke("operations", {"verb": "inspect", "arguments": [request_id]})["result"]
    [asked] = [step for step in story["steps"] if step["table"] == "requested_refunds"]
    assert (asked["refund_key"], asked["amount_cents"]) == ("T-1", 500)


def test_what_cannot_be_refunded_is_refused_and_stripe_is_not_asked(
    fns: Functions, silent: Simulator
) -> None:
    request_id = paid(fns, silent)
    unpaid = fns.create({"amount_cents": 500}).json["request_id"]

    for payment, more, error in (
        ("r404", (), "There is no payment r404"),
        (unpaid, (), "Nothing was paid"),
        (request_id, ("--amount-cents", "501"), "500 of 500 are left to refund, so not 501"),
        (request_id, ("--amount-cents", "0"), "--amount-cents: must be a whole number from 1"),
        (request_id, ("--only-unspent",), "--only-unspent is not possible yet: it needs holds"),
    ):
        assert error in refund(fns, payment, "T-1", *more)["error"]
    for key in ("", "two words", "ä", "k" * 201):
        assert "--key: must have 1 to 200 of the characters" in refund(fns, request_id, key)["error"]
    assert made(silent) == []
    assert fns.checkout("SELECT 1 FROM requested_refunds") == []


def test_a_key_stands_for_one_payment_and_one_amount_though_stripe_has_forgotten_it(
    fns: Functions, silent: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stripe forgets idempotency keys after 24 hours."""
    one, other = paid(fns, silent), paid(fns, silent)
    create = StripeApi.create_refund
    monkeypatch.setattr(
        StripeApi, "create_refund", lambda api, parameters, key: create(api, parameters, f"forgotten {key}")
    )
    refund(fns, one, "T-1", "--amount-cents", "200")
    monkeypatch.setattr(StripeApi, "create_refund", create)

    intent = fns.row(one)["payment_intent_id"]
    for payment, more in ((other, ()), (other, ("--amount-cents", "200")), (one, ("--amount-cents", "201"))):
        told = refund(fns, payment, "T-1", *more)["error"]
        assert told == f"The key T-1 stands for a refund of 200 eur of {intent}: use another key."
    assert refund(fns, one)["result"]["amount_cents"] == 200
    assert len(made(silent)) == 1


def test_a_restore_that_took_the_key_along_finds_the_refund_by_its_metadata(
    fns: Functions, silent: Simulator
) -> None:
    one, other = paid(fns, silent), paid(fns, silent)
    refund(fns, one, "T-1", "--amount-cents", "200")
    fns.checkout("TRUNCATE requested_refunds")

    assert "stands for a refund of 200" in refund(fns, one, "T-1", "--amount-cents", "300")["error"]
    assert refund(fns, one)["result"]["refunded"] is False
    assert "Stripe knows the key T-1 of another refund" in refund(fns, other)["error"]
    assert len(made(silent)) == 1


def test_without_an_amount_a_key_stays_what_was_left_when_it_was_first_asked_for(
    fns: Functions, silent: Simulator
) -> None:
    request_id = paid(fns, silent)
    silent.fault(path_prefix="/v1/refunds", method="POST", status=429, times=9)
    with pytest.raises(StripeNotReached):
        refund(fns, request_id)
    silent.clear_faults()
    assert refund(fns, request_id, "T-2", "--amount-cents", "100")["clean"]

    assert "400 of 500 are left to refund, so not 500" in refund(fns, request_id)["error"]
    assert [one["amount"] for one in made(silent)] == [100]


@pytest.mark.timeout(60)
def test_an_answer_that_is_lost_is_asked_for_again_under_the_same_key(
    fns: Functions, silent: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    request_id = paid(fns, silent)
    silent.fault(path_prefix="/v1/refunds", method="POST", drop_after_effect=True, times=9)
    with pytest.raises(StripeOutcomeUnknown, match="the same key"):
        refund(fns, request_id)
    silent.clear_faults()
    assert len(made(silent)) == 1

    with monkeypatch.context() as patch:
        # Its list does not have it yet.
        patch.setattr(StripeApi, "refunds_of", lambda _api, _intent: [])
        assert refund(fns, request_id)["result"]["outcome"] == "applied"
    assert refund(fns, request_id)["result"]["refunded"] is False
    assert len(made(silent)) == 1


def test_an_answer_that_is_younger_than_stripes_list_is_applied_with_its_share(
    fns: Functions, silent: Simulator, tail: Tail, monkeypatch: pytest.MonkeyPatch
) -> None:
    with fns.set(PRICES='[{"amount_cents": 1000, "credit_cents": 1100}]'):
        functions.forget_wiring()
        request_id = paid(fns, silent, 1000)
    assert credited(fns, tail) == 1100
    monkeypatch.setattr(StripeApi, "refunds_of", lambda _api, _intent: [])

    assert refund(fns, request_id, "T-1", "--amount-cents", "500")["result"]["outcome"] == "applied"
    assert credited(fns, tail) == 550


def test_wherever_the_process_dies_the_money_goes_back_once(
    fns: Functions, silent: Simulator, tail: Tail
) -> None:
    request_ids: list[str] = []

    def prepare() -> None:
        fns.empty_databases()
        fns.add_users(1)
        request_ids.append(pay(fns, silent))
        # The reconciler would read all of Stripe's events each time, since the database is empty.
        [completed] = silent.get("/v1/events", type="checkout.session.completed", limit=1)["data"]
        assert fns.webhook(completed).status == 200
        tail.read()

    def act() -> object:
        return refund(fns, request_ids[-1], request_ids[-1])

    def check(where: str) -> None:
        assert act()["result"]["status"] == "succeeded", where  # type: ignore[index]
        intent = fns.row(request_ids[-1])["payment_intent_id"]
        [one] = [each for each in made(silent) if each["payment_intent"] == intent]
        assert one["amount"] == 500, where
        fns.checkout("UPDATE outbox SET created_at = created_at - interval '1 minute'")
        fns.invoke("outbox_relay", {})
        taken = {record.value for record in tail.read() if b'"refunded"' in record.value}
        assert len(taken) == 1, where

    assert at_every_step(prepare, act, check) > 20


def test_what_cannot_be_applied_at_once_is_applied_by_its_webhook(
    fns: Functions, silent: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    request_id = paid(fns, silent)

    def away(*_: object) -> Any:
        raise DatabaseUnavailable("The database is not available; try again.")

    with monkeypatch.context() as patch:
        patch.setattr(StripeEvents, "apply_refund", away)
        answer = refund(fns, request_id)
    assert answer["result"]["refund_id"] == made(silent)[0]["id"]
    assert (answer["result"]["outcome"], answer["clean"]) == ("waiting", True)
    assert "its webhook or the reconciler applies it" in answer["result"]["reason"]

    reconcile()
    assert fns.row(request_id)["refunded_cents"] == 500


def at_once(*calls: Any) -> list[Any]:
    """What they return, or the errors that they raise; all have read Stripe before the first refunds."""
    with ThreadPoolExecutor(len(calls)) as pool:
        futures = [pool.submit(call) for call in calls]
        return [future.exception() or future.result() for future in futures]


@pytest.fixture
def together(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two have read what is left before either asks for a refund."""
    barrier = threading.Barrier(2)
    create = StripeApi.create_refund

    def create_refund(api: StripeApi, parameters: dict[str, Any], key: str) -> dict[str, Any]:
        barrier.wait(60)
        return create(api, parameters, key)

    monkeypatch.setattr(StripeApi, "create_refund", create_refund)


@pytest.mark.usefixtures("together")
def test_two_operators_at_once_with_one_key_make_one_refund(fns: Functions, silent: Simulator) -> None:
    request_id = paid(fns, silent)

    def act() -> Any:
        with acting_as("operations"):
            return system().refunds.make(request_id, "T-1", None)

    one, other = at_once(act, act)

    assert one.refund["id"] == other.refund["id"] == made(silent)[0]["id"]
    assert len(made(silent)) == 1


@pytest.mark.usefixtures("together")
def test_two_operators_at_once_with_two_keys_give_back_no_more_than_was_paid(
    fns: Functions, silent: Simulator
) -> None:
    request_id = paid(fns, silent)

    def act(key: str) -> Any:
        with acting_as("operations"):
            return system().refunds.make(request_id, key, None)

    results = at_once(lambda: act("T-1"), lambda: act("T-2"))

    [refused] = [result for result in results if isinstance(result, Refused)]
    assert "charge_already_refunded" in refused.detail
    assert [one["amount"] for one in made(silent)] == [500]


def test_stripe_that_works_on_the_key_for_another_is_asked_again(
    fns: Functions, silent: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    request_id = paid(fns, silent)
    create, in_use = StripeApi.create_refund, [True, True]

    def create_refund(api: StripeApi, parameters: dict[str, Any], key: str) -> dict[str, Any]:
        if in_use:
            in_use.pop()
            raise StripeKeyInUse("Stripe is still working on this request; try again.")
        return create(api, parameters, key)

    monkeypatch.setattr(StripeApi, "create_refund", create_refund)
    assert refund(fns, request_id)["clean"]


def test_a_refund_that_is_pending_acts_when_it_has_succeeded(
    fns: Functions, silent: Simulator, tail: Tail
) -> None:
    request_id = paid(fns, silent, card_number=SLOW_REFUND)
    credited(fns, tail)

    answer = refund(fns, request_id)
    assert (answer["result"]["status"], answer["clean"]) == ("pending", True)
    assert credited(fns, tail) == 500
    assert "0 of 500 are left" in refund(fns, request_id, "T-2")["error"]

    eventually(lambda: made(silent)[0]["status"] == "succeeded")
    assert refund(fns, request_id)["result"]["refunded"] is False
    assert credited(fns, tail) == 0


def test_a_refund_that_failed_is_given_back_and_needs_another_key(
    fns: Functions, silent: Simulator, tail: Tail
) -> None:
    request_id = paid(fns, silent, card_number=FAILING_REFUND)
    refund(fns, request_id)
    eventually(lambda: made(silent)[0]["status"] == "failed")

    answer = refund(fns, request_id)
    assert (answer["clean"], answer["result"]["status"], answer["result"]["refunded"]) == (
        False,
        "failed",
        False,
    )
    assert credited(fns, tail) == 500
    assert refund(fns, request_id, "T-2")["result"]["refunded"] is True


def test_a_payment_that_is_disputed_is_not_refunded_as_well(fns: Functions, silent: Simulator) -> None:
    request_id = paid(fns, silent, card_number=DISPUTED)
    eventually(lambda: silent.get("/v1/disputes")["data"])
    reconcile()

    words = [request_id, "--key", "T-1", "--reason", "r", "--operator", "ada"]
    assert "500 are disputed" in fns.invoke("operations", {"verb": "refund", "arguments": words})["plan"]
    told = refund(fns, request_id)["error"]
    assert told.startswith("Not refunded.")
    assert "charge_disputed" in told
    assert "The dispute takes the money." in told
    assert made(silent) == []

    story = fns.invoke("operations", {"verb": "inspect", "arguments": [request_id]})["result"]
    [asked] = [step for step in story["steps"] if step["table"] == "requested_refunds"]
    assert asked["refused_because"] == told
    [first, second] = [line for line in timeline.lines(story) if "T-1" in line]
    assert "T-1 asks Stripe to refund 500 eur" in first
    assert second.endswith(f"refund    T-1: {told}")


@pytest.mark.parametrize(
    ("status", "error"), [(500, "Stripe repeats this answer to the same key"), (403, "docs/stripe.md")]
)
def test_what_stripe_answers_instead_is_said(
    fns: Functions, silent: Simulator, status: int, error: str
) -> None:
    request_id = paid(fns, silent)
    silent.fault(path_prefix="/v1/refunds", method="POST", status=status, times=9)
    with pytest.raises(StripeRefused, match=error):
        refund(fns, request_id)
