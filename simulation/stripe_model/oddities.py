"""What seldom happens."""

from collections.abc import Sequence
from typing import Any, Protocol

from simulation.stripe_model.account import COMPLETE, FORGOTTEN, FREE, Account, Resource
from simulation.terms import Terms

FRAUD_WARNING = "radar.early_fraud_warning.created"


class Chance(Protocol):
    """The tape."""

    def chance(self, probability: float) -> bool: ...
    def pick(self, among: Sequence[int]) -> int: ...


def tax(account: Account, session_id: str, terms: Terms, tape: Chance) -> None:
    """What Stripe adds to the price, and what a code takes off."""
    if not terms.tax_percent and not terms.has_discounts:
        return
    subtotal = account.now(session_id)["amount_subtotal"]
    discounted = terms.has_discounts and tape.chance(0.6)
    discount = subtotal * tape.pick((10, 33, 90)) // 100 if discounted else 0
    taxed = (subtotal - discount) * terms.tax_percent // 100
    account._change(
        session_id,
        amount_total=subtotal - discount + taxed,
        total_details={"amount_discount": discount, "amount_tax": taxed},
    )


def reprice(account: Account, session_id: str, amount: int) -> None:
    """It costs something else than was asked: a promotion, for example."""
    account._change(session_id, amount_subtotal=amount, amount_total=amount)


def unmark(account: Account, session_id: str, mark: str) -> None:
    """Somebody takes it out of the session's metadata, in the dashboard."""
    metadata = account.now(session_id)["metadata"]
    account._change(session_id, metadata={name: text for name, text in metadata.items() if name != mark})


def recover(account: Account, expired_id: str) -> str:
    """The id of a new session like the one that expired: `after_expiration.recovery`."""
    expired = account.states[expired_id][0]
    price = {"currency": expired["currency"], "unit_amount": expired["amount_subtotal"]}
    asked = {
        "line_items": [{"price_data": price, "quantity": 1}],
        "metadata": expired["metadata"],
        "recovered_from": expired_id,
        "success_url": expired["success_url"],
    }
    return str(account.create_session(asked)["id"])


def complete(account: Account, session_id: str, **fields: Any) -> None:
    """In some other way than `Account.pay`."""
    account._change(session_id, status=COMPLETE, url=None, **fields)
    account._report("checkout.session.completed", session_id)


def give(account: Account, session_id: str) -> None:
    """A promotion code takes all of its price off, so there is nothing to pay, and no payment intent."""
    price = account.now(session_id)["amount_subtotal"]
    details = {"amount_discount": price, "amount_tax": 0}
    complete(account, session_id, amount_total=0, total_details=details, payment_status=FREE)


def forget(account: Account, session_id: str) -> None:
    """Somebody deletes the account's test data."""
    account._change(session_id, status=FORGOTTEN)


def warn(account: Account, charge: Resource) -> None:
    """The card's issuer suspects fraud."""
    warning = account._make(
        {
            "id": account._id("issfr_"),
            "object": "radar.early_fraud_warning",
            "actionable": True,
            "charge": charge["id"],
            "fraud_type": "made_with_stolen_card",
            "payment_intent": charge["payment_intent"],
        }
    )
    account._report(FRAUD_WARNING, warning["id"])


def repeat(account: Account, event: Resource) -> None:
    """The same fact under another id."""
    account.events.append({**event, "id": account._id("evt_"), "created": int(account._clock.epoch)})
