"""Whether what Stripe answers of a refund or dispute is older than what its event reports. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

from checkout.base.text import identifier, positive_bigint
from checkout.payments.reversal_event import CLOSED, is_undecided

_APPEAL = "appeal_"
"""How the statuses begin of a dispute whose decision is appealed:
https://docs.stripe.com/disputes/arbitration"""

_REFUND_RANK = {"pending": 1, "requires_action": 1, "succeeded": 2, "failed": 3, "canceled": 3}
_ABSENT: Mapping[str, Any] = {}


def refund_is_behind(answer: Mapping[str, Any], reported: Mapping[str, Any]) -> bool:
    """True if the refund that Stripe answers is older than the one that its event reports."""
    return _rank(_REFUND_RANK, answer) < _rank(_REFUND_RANK, reported)


def dispute_is_behind(answer: Mapping[str, Any], reported: Mapping[str, Any]) -> bool:
    """True if the dispute that Stripe answers is older than the one that its event reports: a movement of
    money is missing, or it is not closed yet. One that has moved money since then was reopened, and one that
    is appealed was decided before."""
    before, now = _movement_ids(reported), _movement_ids(answer)
    is_still_open = _is_closed(reported) and not _is_closed(answer) and not _is_appealed(answer)
    return bool(before - now) or (is_still_open and before == now)


def refunds_are_behind(answer: Sequence[Mapping[str, Any]], charge: Mapping[str, Any]) -> bool:
    """True if the refunds that Stripe lists are older than the charge that its event reports: one that the
    charge names (API versions before 2022-11-15) is absent or older, or less is refunded."""
    known = {identifier(refund.get("id")): refund for refund in answer}
    listed = charge.get("refunds")
    named = listed.get("data") if isinstance(listed, Mapping) else None
    for reported in named if isinstance(named, list) else []:
        if not isinstance(reported, Mapping):
            continue
        if refund_is_behind(known.get(identifier(reported.get("id")), _ABSENT), reported):
            return True
    amounts = [refund.get("amount") for refund in answer]
    refunded = positive_bigint(charge.get("amount_refunded")) or 0
    return refunded > sum(amount for amount in amounts if type(amount) is int)


def _rank(ranks: Mapping[str, int], resource: Mapping[str, Any]) -> int:
    return ranks.get(str(resource.get("status")), 0)


def _is_closed(dispute: Mapping[str, Any]) -> bool:
    return str(dispute.get("status")) in CLOSED


def _is_appealed(dispute: Mapping[str, Any]) -> bool:
    """Without anything that only the end of the appeal decides."""
    is_waiting = any(is_undecided(dispute, one) for one in _movements(dispute))
    return str(dispute.get("status")).startswith(_APPEAL) and not is_waiting


def _movement_ids(dispute: Mapping[str, Any]) -> set[str]:
    return {str(movement.get("id")) for movement in _movements(dispute)}


def _movements(dispute: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    listed = dispute.get("balance_transactions")
    return [one for one in listed if isinstance(one, Mapping)] if isinstance(listed, list) else []
