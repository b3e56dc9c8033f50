"""`refund`: give money back through Stripe, once for each key."""

import re
from argparse import ArgumentTypeError, Namespace
from dataclasses import asdict

from checkout.base.errors import Refused, UnknownUser
from checkout.base.text import MAX_BIGINT
from checkout.operations.verb import (
    BY_DECISION,
    MAX_KEY_LENGTH,
    Announcement,
    Outcome,
    Verbs,
    a_text,
    number,
    reasoned,
)
from checkout.outbox.effects import TOP_UP
from checkout.payments.refunds import Wanted
from checkout.payments.shares import taken_by
from checkout.system import System

_KEY = re.compile(rf"[A-Za-z0-9._~:-]{{1,{MAX_KEY_LENGTH}}}")
_UNDER_WAY = ("pending", "succeeded")


def declare(verbs: Verbs) -> None:
    once = verbs.add(
        "refund",
        "give money back through Stripe, once",
        refund,
        plan,
        BY_DECISION,
        at_stake=lambda given: given.amount_cents,
    )
    once.add_argument("payment", type=a_text, help="request_id, or Stripe's payment intent (pi_…)")
    once.add_argument("--key", type=key, required=True, help="makes it once: the ticket's number")
    once.add_argument(
        "--amount-cents",
        type=number(1, MAX_BIGINT),
        metavar="CENTS",
        help="of what was paid; without it all that is left",
    )
    once.add_argument("--only-unspent", action="store_true", help="not yet: it needs holds")
    reasoned(once)


def key(given: str) -> str:
    """It goes into a header."""
    if _KEY.fullmatch(given) is None:
        raise ArgumentTypeError(f"must have 1 to {MAX_KEY_LENGTH} of the characters A-Z a-z 0-9 . _ ~ : -")
    return given


def plan(given: Namespace, system: System) -> Announcement:
    _require_possible(given)
    wanted = system.refunds.wanted(given.payment, given.key, given.amount_cents)
    return Announcement(_sentence(given.key, wanted, system), {"amount_cents": wanted.amount_cents})


def _sentence(refund_key: str, wanted: Wanted, system: System) -> str:
    if wanted.refund is not None:
        return f"Apply {wanted.refund['id']}, which {refund_key} has refunded before, as Stripe has it now"
    payment = wanted.payment
    disputed = f", {payment.disputed_cents} are disputed" if payment.disputed_cents else ""
    return (
        f"Refund {wanted.amount_cents} {payment.paid_currency} of payment {payment.request_id}"
        f" ({wanted.payment_intent_id}) of user {payment.user_id} through Stripe, once, as {refund_key}:"
        f" {payment.paid_cents} were paid, {wanted.left_cents} are left{disputed}{_balance(wanted, system)}"
    )


def _balance(wanted: Wanted, system: System) -> str:
    if wanted.payment.purpose != TOP_UP:
        return "; no balance changes"
    takes = f"; takes {taken_by(wanted.payment, wanted.amount_cents)} of the balance"
    try:
        balance = system.accounts.balance(wanted.payment.user_id)["balance_cents"]
    except UnknownUser:
        return f"{takes}, once there is such a user"
    return f"{takes}, now {balance}"


def refund(given: Namespace, system: System) -> Outcome:
    _require_possible(given)
    done = system.refunds.make(given.payment, given.key, given.amount_cents)
    content = {
        "refunded": done.is_new,
        "refund_key": given.key,
        "refund_id": done.refund["id"],
        "status": done.refund["status"],
        "amount_cents": done.refund["amount"],
        "currency": done.refund["currency"],
        "request_id": done.payment.request_id,
        "payment_intent_id": done.payment.payment_intent_id,
        "user_id": done.payment.user_id,
        **asdict(done.applied),
    }
    is_fine = done.refund["status"] in _UNDER_WAY and done.applied.outcome != "held"
    return Outcome(content, clean=is_fine)


def _require_possible(given: Namespace) -> None:
    if given.only_unspent:
        raise Refused("--only-unspent is not possible yet: it needs holds, which come in a later release.")
