"""A customer paid, and the credit never came, or another one than was paid.

| incident | what happened | safeguard |
|---|---|---|
| danny-avila/LibreChat #13812 | the event's id was stored, the credit failed, and the retry was skipped as a duplicate | the event and its message are one commit |
| helixml/helix #3240 | the webhook answered 200 although it had failed | no 2xx before the commit |
| octopusreview/octopus #577 | every failure was caught, logged and answered 200 | an error of Stripe's API is answered 502, with nothing stored |
| recoupable/app #1858 | the endpoint had moved, so no webhook arrived for days | the reconciler asks Stripe for the events that it does not know |
| Cap-go/capgo.app #1483 | credits were granted by the browser's return alone | the webhook publishes the credit, whatever the browser does |
| nomadkaraoke/karaoke-gen #712, DevBetterCom/DevBetterWeb #1463 | events of another version of the API or SDK made every webhook fail | an event of another API version is read again at Stripe |
| eclipse-dirigible/dirigible #6816 | the row was committed, and its event was lost with the broker | the outbox keeps what the broker has not acknowledged |
| ziedHamdi/user-credits #23 | the order's amount was believed, and not what was paid | what Stripe reports as paid is credited |
| gameserverapp/Platform #1216 | a bank debit completes unpaid; it was called failed, and customers paid again | unpaid is a state of its own, and settles later |
| spotify/heroic #53, evolution-gaming/kafka-journal #921 | one unreadable record stopped the consumer | it is parked, and the others are credited |
| appstrate/appstrate #1392 | an amount beyond the column's range stopped the whole run | it is parked alone; amounts have 64 bits |
"""  # noqa: E501

from typing import Any
from uuid import uuid4

import pytest

from checkout.base import timing
from checkout.base.errors import StripeNotReached
from checkout.base.text import MAX_BIGINT
from tests.support import crashes, functions
from tests.support.functions import Functions, finished
from tests.support.inbox import outcome
from tests.support.published import Published
from tests.support.reconciler import pay, reconcile
from tests.support.stripe_events import event, session_object
from tests.support.stripe_reversals import KnownStripe, refund
from tests.support.stripe_simulator import Simulator

NOBODY = "127.0.0.1:1"


def test_the_retry_after_a_failed_credit(fns: Functions, published: Published) -> None:
    """danny-avila/LibreChat #13812: the event's id was stored and the credit failed, so Stripe's retry was
    answered as a duplicate."""
    paid: list[dict[str, Any]] = []

    def credited_all_the_same(died: str) -> None:
        assert fns.webhook(paid[-1]).status == 200, died
        fns.checkout("UPDATE outbox SET created_at = created_at - interval '6 seconds'")
        fns.invoke("outbox_relay", {})
        assert published.balance() == 500 * len(paid), died

    steps = crashes.at_every_step(
        lambda: paid.append(event(session_object(str(uuid4())))),
        lambda: fns.webhook(paid[-1]),
        credited_all_the_same,
    )
    assert steps >= 4


def test_a_failure_that_was_answered_200(fns: Functions, published: Published) -> None:
    """helixml/helix #3240: the webhook answered 200 although the top-up had failed, so Stripe never sent it
    again."""
    paid = event(session_object(str(uuid4())))
    with fns.set(CHECKOUT_DATABASE_URL=f"postgresql://x:x@{NOBODY}/x"):
        functions.forget_wiring()
        assert fns.webhook(paid).status == 503
    functions.forget_wiring()
    assert fns.checkout("SELECT 1 FROM stripe_events") == []
    assert outcome(fns, paid) == "applied"
    assert published.balance() == 500


def test_every_error_caught_and_logged(fns: Functions, known: KnownStripe, published: Published) -> None:
    """octopusreview/octopus #577: whatever failed was logged and answered 200, so a blip of Stripe's API cost
    the customer the credits, and the project the refunds."""
    assert outcome(fns, event(session_object(str(uuid4()), payment_intent="pi_1"))) == "applied"
    taken_back = refund("pi_1", amount=200)
    reported = event(taken_back, "refund.created")

    def away() -> dict[str, Any]:
        raise StripeNotReached("Stripe could not be reached.")

    known.knows(taken_back["id"], away)
    assert fns.webhook(reported).status == 502
    known.knows(taken_back["id"], taken_back)
    assert outcome(fns, reported) == "applied"
    assert published.balance() == 300


def test_an_endpoint_that_moved(fns: Functions, silent: Simulator, published: Published) -> None:
    """recoupable/app #1858: the webhook's address answered with a redirect, so no event arrived for days, and
    a charge of $5.46 was never credited."""
    pay(fns, silent, 546)
    assert published.balance() == 0
    assert reconcile()["missed_events"] >= 1
    assert published.balance() == 546


def test_a_browser_that_does_not_return(fns: Functions, published: Published) -> None:
    """Cap-go/capgo.app #1483: credits were granted when the browser came back, so who closed the tab had paid
    for nothing."""
    assert outcome(fns, event(session_object(str(uuid4())))) == "applied"
    assert published.balance() == 500


@pytest.mark.parametrize("version", ["2019-01-01", "2099-01-01.dahlia"])
def test_another_version_of_the_api(
    fns: Functions, known: KnownStripe, published: Published, version: str
) -> None:
    """nomadkaraoke/karaoke-gen #712, DevBetterCom/DevBetterWeb #1463: after an upgrade the events had another
    form than the handler expected, and every webhook failed."""
    session = session_object(str(uuid4()), amount=700)
    known.knows(session["id"], session)
    of_another_form = {**session, "amount_total": {"value": "7.00"}}
    assert outcome(fns, event(of_another_form, api_version=version)) == "applied"
    assert published.balance() == 700


def test_a_broker_that_is_away_at_the_commit(
    fns: Functions, published: Published, monkeypatch: pytest.MonkeyPatch
) -> None:
    """eclipse-dirigible/dirigible #6816: the row was committed first and the event published second, so the
    broker's failure lost the event."""
    monkeypatch.setattr(timing, "PUBLISH_AT_ONCE", 0.2)
    monkeypatch.setattr(timing, "PRODUCER_PAUSE", 0)
    with fns.set(KAFKA_BROKERS=NOBODY):
        functions.forget_wiring()
        assert outcome(fns, event(session_object(str(uuid4())))) == "applied"
    functions.forget_wiring()
    fns.checkout("UPDATE outbox SET created_at = created_at - interval '6 seconds'")
    assert fns.invoke("outbox_relay", {}) == {"published": 1, "left": 0}
    assert published.balance() == 500


def test_another_amount_than_was_asked(
    fns: Functions, published: Published, capsys: pytest.CaptureFixture[str]
) -> None:
    """ziedHamdi/user-credits #23: the order was fulfilled as asked, whatever had been paid for it."""
    asked = session_object(str(uuid4()), amount=500, payment_status="unpaid")
    assert outcome(fns, event(asked)) == "applied"
    paid = {**asked, "payment_status": "paid", "amount_total": 100}
    assert outcome(fns, event(paid, "checkout.session.async_payment_succeeded")) == "applied"
    assert published.balance() == 100
    assert "PaidDiffersFromAsked" in capsys.readouterr().out


def test_a_bank_debit_that_completes_unpaid(fns: Functions, published: Published) -> None:
    """gameserverapp/Platform #1216: a SEPA debit that completed unpaid was shown as an error, and customers
    bought again while the first payment was on its way."""
    request_id = str(uuid4())
    debit = session_object(request_id, payment_status="unpaid")
    assert outcome(fns, event(debit)) == "applied"
    shown = fns.get("/checkout/sessions/{request_id}", path={"request_id": request_id}).json
    assert (shown["status"], shown["error_message"], published.balance()) == ("payment_processing", None, 0)
    settled = {**debit, "payment_status": "paid"}
    assert outcome(fns, event(settled, "checkout.session.async_payment_succeeded")) == "applied"
    assert published.balance() == 500


@pytest.mark.parametrize("value", [b"", b"\xff\xfe", b"[" * 50_000, b'{"status": "success"}'], ids=repr)
def test_one_record_that_cannot_be_read(fns: Functions, value: bytes) -> None:
    """spotify/heroic #53, evolution-gaming/kafka-journal #921: the consumer failed at one record, and began
    there again after each restart."""
    assert fns.consume(finished(), value[:60_000], finished()) == {"batchItemFailures": []}
    assert fns.balance() == 1000
    assert len(fns.application("SELECT 1 FROM parked_events")) == 1


def test_an_amount_beyond_the_column(fns: Functions) -> None:
    """appstrate/appstrate #1392: an amount beyond 32 bits overflowed its column, and the run that met it
    never ended."""
    fns.add_users(2)
    beyond_32_bits = 3_000_000_000
    fns.consume(finished(amount_cents=beyond_32_bits), finished(user_id=2))
    assert (fns.balance(1), fns.balance(2)) == (beyond_32_bits, 500)
    # The sum is beyond 64 bits.
    answer = fns.consume(finished(amount_cents=MAX_BIGINT), finished(user_id=2))
    assert answer == {"batchItemFailures": []}
    assert (fns.balance(1), fns.balance(2)) == (beyond_32_bits, 1000)
    assert len(fns.application("SELECT 1 FROM parked_events")) == 1
