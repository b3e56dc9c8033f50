"""What seldom happens to a session."""

from typing import Any

from simulation.stripe_model.account import COMPLETE, Account


def reprice(account: Account, session_id: str, amount: int) -> None:
    """It costs something else than was asked: a promotion, for example."""
    account._change(session_id, amount_subtotal=amount, amount_total=amount)


def complete(account: Account, session_id: str, **fields: Any) -> None:
    """In some other way than `Account.pay`."""
    account._change(session_id, status=COMPLETE, url=None, **fields)
    account._report("checkout.session.completed", session_id)
