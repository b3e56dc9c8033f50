"""Every outcome of a payment of 500: how it comes about at Stripe, and how everything stands at the end."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tests.support.stripe_lives import Life, Payer

PENDING_REFUND, FAILING_REFUND = "4000000000007726", "4000000000005126"
DISPUTED, INQUIRY = "4000000000000259", "4000000000001976"


@dataclass(frozen=True)
class Row:
    """What a transaction says at the end."""

    status: str
    refunded_cents: int = 0
    disputed_cents: int = 0


@dataclass(frozen=True)
class End:
    """How everything stands at the end: transactions by request, and signed ledger entries by effect key."""

    rows: Mapping[str, Row]
    entries: Mapping[str, int]
    balance: int


def end(row: Row, entries: Mapping[str, int], balance: int) -> End:
    """Of an outcome with one transaction."""
    return End({"request": row}, entries, balance)


def paid_by_card(payer: Payer) -> Life:
    payer.pay()
    return payer.life()


def declined_and_expired(payer: Payer) -> Life:
    session = payer.open()
    payer.decline(session)
    payer.expire(session)
    return payer.life()


def debit_settled(payer: Payer) -> Life:
    payer.pay(payment_method="bank_debit_succeeds")
    payer.until("checkout.session.async_payment_succeeded")
    return payer.life()


def debit_failed(payer: Payer) -> Life:
    payer.pay(payment_method="bank_debit_fails")
    payer.until("checkout.session.async_payment_failed")
    return payer.life()


def debit_failed_and_settled(payer: Payer) -> Life:
    """No simulated bank changes its mind, so the failure is made up."""
    return debit_settled(payer).with_event(
        1, "checkout.session.async_payment_failed", like="checkout.session.completed"
    )


def debit_refunded(payer: Payer) -> Life:
    payment = payer.pay(payment_method="bank_debit_succeeds")
    payer.until("checkout.session.async_payment_succeeded")
    payer.refund(payment)
    return payer.life()


def refunded(*amounts: int | None) -> Callable[[Payer], Life]:
    def live(payer: Payer) -> Life:
        payment = payer.pay()
        for amount in amounts:
            payer.refund(payment, amount)
        return payer.life()

    return live


def refund_pending_then_succeeded(payer: Payer) -> Life:
    payer.refund(payer.pay(PENDING_REFUND), 300)
    payer.until("refund.updated")
    return payer.life()


def refund_failed_after_it_succeeded(payer: Payer) -> Life:
    payer.refund(payer.pay(FAILING_REFUND))
    payer.until("refund.failed")
    return payer.life()


def refund_canceled(payer: Payer) -> Life:
    payer.cancel(payer.refund(payer.pay(), instructions_email="payer@example.com"))
    return payer.life()


def two_refunds_failed(payer: Payer) -> Life:
    payment = payer.pay(FAILING_REFUND)
    for amount in (200, 300):
        payer.refund(payment, amount)
    payer.until("refund.failed", 2)
    return payer.life()


def refund_and_another_failed(payer: Payer) -> Life:
    """On the card with failing refunds all of them fail, so the failure of the first is left out."""
    life = two_refunds_failed(payer)
    [first] = [object_id for object_id, name in life.names.items() if name == "refund 1"]
    return life.without({"refund.updated", "charge.refund.updated", "refund.failed"}, first)


def disputed(evidence: str | None, ends_with: str) -> Callable[[Payer], Life]:
    """`evidence` None accepts the dispute."""

    def live(payer: Payer) -> Life:
        payer.pay(DISPUTED)
        if evidence is None:
            payer.accept_dispute()
        else:
            payer.answer_dispute(evidence)
        payer.until(ends_with)
        return payer.life()

    return live


def inquired(payer: Payer) -> Life:
    payer.pay(INQUIRY)
    payer.answer_dispute("winning_evidence")
    payer.until("charge.dispute.closed")
    return payer.life()


def refunded_and_disputed(payer: Payer) -> Life:
    """A disputed payment cannot be refunded; one that is inquired after can, and is disputed then."""
    payment = payer.pay(INQUIRY)
    payer.until("charge.dispute.created")
    payer.refund(payment)
    payer.answer_dispute("escalate_inquiry_evidence")
    payer.until("charge.dispute.funds_withdrawn")
    payer.accept_dispute()
    return payer.life()


def second_payment_refunded(payer: Payer) -> Life:
    payer.pay()
    payer.refund(payer.pay())
    return payer.life()


PAID = {"success:request": 500}
REFUND_1_FAILED = {"refunded:refund 1": -500, "refund_failed:refund 1": 500}
WITHDRAWN = {"disputed:movement 1": -500}

OUTCOMES: dict[str, tuple[Callable[[Payer], Life], End]] = {
    "paid by card": (paid_by_card, end(Row("payment_succeeded"), PAID, 500)),
    "declined, then expired": (declined_and_expired, end(Row("session_expired"), {}, 0)),
    "bank debit settles": (debit_settled, end(Row("payment_succeeded"), PAID, 500)),
    "bank debit fails": (debit_failed, end(Row("payment_failed"), {}, 0)),
    "bank debit fails, then settles": (debit_failed_and_settled, end(Row("payment_succeeded"), PAID, 500)),
    "bank debit refunded": (
        debit_refunded,
        end(Row("payment_succeeded", refunded_cents=500), PAID | {"refunded:refund 1": -500}, 0),
    ),
    "refunded in full": (
        refunded(None),
        end(Row("payment_succeeded", refunded_cents=500), PAID | {"refunded:refund 1": -500}, 0),
    ),
    "refunded in two parts": (
        refunded(200, 100),
        end(
            Row("payment_succeeded", refunded_cents=300),
            PAID | {"refunded:refund 1": -200, "refunded:refund 2": -100},
            200,
        ),
    ),
    "refunded in three parts": (
        refunded(1, 200, None),
        end(
            Row("payment_succeeded", refunded_cents=500),
            PAID | {"refunded:refund 1": -1, "refunded:refund 2": -200, "refunded:refund 3": -299},
            0,
        ),
    ),
    "refund pending, then succeeded": (
        refund_pending_then_succeeded,
        end(Row("payment_succeeded", refunded_cents=300), PAID | {"refunded:refund 1": -300}, 200),
    ),
    "refund succeeded, then failed": (
        refund_failed_after_it_succeeded,
        end(Row("payment_succeeded"), PAID | REFUND_1_FAILED, 500),
    ),
    "refund canceled": (refund_canceled, end(Row("payment_succeeded"), PAID | REFUND_1_FAILED, 500)),
    "a refund, and another failed": (
        refund_and_another_failed,
        end(
            Row("payment_succeeded", refunded_cents=200),
            PAID | {"refunded:refund 1": -200, "refunded:refund 2": -300, "refund_failed:refund 2": 300},
            300,
        ),
    ),
    "two refunds failed": (
        two_refunds_failed,
        end(
            Row("payment_succeeded"),
            PAID
            | {"refunded:refund 1": -200, "refund_failed:refund 1": 200}
            | {"refunded:refund 2": -300, "refund_failed:refund 2": 300},
            500,
        ),
    ),
    "dispute accepted": (
        disputed(None, "charge.dispute.closed"),
        end(Row("payment_succeeded", disputed_cents=500), PAID | WITHDRAWN, 0),
    ),
    "dispute lost": (
        disputed("losing_evidence", "charge.dispute.closed"),
        end(Row("payment_succeeded", disputed_cents=500), PAID | WITHDRAWN, 0),
    ),
    "dispute won": (
        disputed("winning_evidence", "charge.dispute.funds_reinstated"),
        end(Row("payment_succeeded"), PAID | WITHDRAWN | {"dispute_won:movement 2": 500}, 500),
    ),
    "inquiry closed": (inquired, end(Row("payment_succeeded"), PAID, 500)),
    "refunded and disputed": (
        refunded_and_disputed,
        end(
            Row("payment_succeeded", refunded_cents=500, disputed_cents=500),
            PAID | {"refunded:refund 1": -500} | WITHDRAWN,
            -500,
        ),
    ),
    "second payment refunded": (
        second_payment_refunded,
        End(
            {
                "request": Row("payment_succeeded"),
                "request:session 2": Row("payment_succeeded", refunded_cents=500),
            },
            PAID | {"success:request:session 2": 500, "refunded:refund 1": -500},
            500,
        ),
    ),
}
