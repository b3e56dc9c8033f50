"""What is true: which movements of balances follow from what happened at Stripe, and what an entry is."""

from typing import Any, NamedTuple

from simulation.stripe_model.account import Account
from simulation.world import APP_ID

CREDIT = "success"
TAKINGS = {"refund_failed": "refunded", "dispute_won": "disputed"}
"""What is given back, and what was taken before."""


class Fact(NamedTuple):
    """What moves a balance. `source` is the payment intent of a credit, and else the refund, or the balance
    transaction of a dispute."""

    kind: str
    source: str
    user_id: int
    amount: int
    currency: str
    intent: str


def facts(account: Account) -> tuple[set[Fact], set[Fact]]:
    """What must be in the ledger in the end, and what may be there besides: a refund that failed, and its
    failure, which together are nothing."""
    must, may = set(), set()
    owners = {}
    for session in account.all("checkout.session", payment_status="paid"):
        if session["metadata"]["checkout_app"] != APP_ID or session["mode"] != "payment":
            continue
        if session["payment_intent"] is None:
            continue
        intent, user_id = session["payment_intent"], int(session["metadata"]["user_id"])
        owners[intent] = user_id
        must.add(Fact(CREDIT, intent, user_id, session["amount_total"], session["currency"], intent))
    for refund in account.all("refund"):
        intent = refund["payment_intent"]
        if intent not in owners:
            continue
        taken = Fact("refunded", refund["id"], owners[intent], -refund["amount"], refund["currency"], intent)
        if refund["status"] == "succeeded":
            must.add(taken)
        elif refund["status"] in ("failed", "canceled"):
            may |= {taken, taken._replace(kind="refund_failed", amount=refund["amount"])}
    for dispute in account.all("dispute"):
        intent = dispute["payment_intent"]
        for moved in dispute["balance_transactions"] if intent in owners else ():
            kind = "disputed" if moved["amount"] < 0 else "dispute_won"
            must.add(Fact(kind, moved["id"], owners[intent], moved["amount"], moved["currency"], intent))
    return must, may


def fact_of(row: dict[str, Any]) -> Fact | None:
    """What a ledger entry is; None if it is no payment's."""
    if row["kind"] == CREDIT:
        source = row["payment_intent_id"]
    elif row["kind"] in {*TAKINGS, *TAKINGS.values()}:
        source = row["source_id"]
    else:
        return None
    return Fact(
        *(row["kind"], source, row["user_id"], row["amount_cents"]),
        *(row["currency"], row["payment_intent_id"]),
    )
