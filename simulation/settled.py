"""What the movements of a dispute are worth in the currency of its payment, if Stripe settles in another one:
docs/architecture.md says which of them count as the dispute's amount. Of any other one a person must decide.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from simulation.stripe_model.account import Account, Resource


@dataclass(slots=True)
class Counted:
    """Amounts by balance transaction. `must` are to be entered; but if something of the dispute is `unclear`,
    it is held from then on, and what came before may have been entered. Of several that `stand_for` the
    amount of the dispute, one may."""

    must: dict[str, int] = field(default_factory=dict)
    may: dict[str, int] = field(default_factory=dict)
    stand_for: dict[str, str] = field(default_factory=dict)
    is_unclear: bool = False


def counted(account: Account, dispute: Resource) -> Counted:
    found = Counted()
    first: dict[bool, Resource] = {}
    for moved in dispute["balance_transactions"]:
        name, is_taken = moved["id"], moved["amount"] < 0
        if moved["currency"] == dispute["currency"]:
            found.must[name] = moved["amount"]
            continue
        found.stand_for[name] = f"{dispute['id']} {is_taken}"
        is_first = is_taken not in first
        if not _is_whole(account, dispute, moved):
            found.is_unclear = True
            # The first one is none that stands for the dispute.
            first.setdefault(is_taken, {})
            continue
        if not is_taken and is_first and moved is dispute["balance_transactions"][-1] and _is_open(dispute):
            continue  # Its end says if that is all of it.
        # Times have whole seconds: of several in one, each can be taken for the first.
        if is_first or first[is_taken].get("created") == moved["created"]:
            found.may[name] = dispute["amount"] * (-1 if is_taken else 1)
        first.setdefault(is_taken, moved)
        found.is_unclear |= not is_first
    if found.is_unclear:
        found.may |= found.must
        found.must = {}
    else:
        found.must |= found.may
        found.may = {}
    return found


def _is_whole(account: Account, dispute: Resource, moved: Resource) -> bool:
    """It moved all of the dispute, which was not lost then: what a lost one returns is not for sure its
    amount."""
    then = next(one for one in account.states[dispute["id"]] if moved in one["balance_transactions"])
    is_all = abs(account.worth[moved["id"]]) == int(dispute["amount"])
    return is_all and then["status"] != "lost"


def _is_open(dispute: Resource) -> bool:
    return bool(dispute["status"] == "needs_response")


def unclear(account: Account) -> Iterator[Mapping[str, Any]]:
    """Disputes about which a person must decide."""
    return (one for one in account.all("dispute") if counted(account, one).is_unclear)
