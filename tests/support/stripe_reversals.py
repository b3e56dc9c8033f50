"""Refunds and disputes with the fields that matter here, and a Stripe that knows given objects."""

from collections.abc import Callable, Mapping
from typing import Any
from uuid import uuid4

from checkout.base.errors import StripeObjectMissing
from checkout.payments.stripe_api import StripeApi
from tests.support import made_up
from tests.support.stripe_events import APP_ID

Answer = dict[str, Any] | Callable[[], dict[str, Any]]


class KnownStripe(StripeApi):
    """Answers with the given objects, or with a function's result; `asked` has the ids of all questions."""

    def __init__(self, *objects: Mapping[str, Any]) -> None:
        self._answers: dict[str, Answer] = {resource["id"]: dict(resource) for resource in objects}
        self.asked: list[str] = []

    def knows(self, object_id: str, answer: Answer) -> None:
        self._answers[object_id] = answer

    def session(self, session_id: str) -> dict[str, Any]:
        """A given session, or one of a made-up event, which is not added to `asked`."""
        made = made_up.session(session_id) if session_id not in self._answers else None
        return self._answered(session_id) if made is None else made

    def payment_intent(self, payment_intent_id: str) -> dict[str, Any]:
        return self._answered(payment_intent_id)

    def refund(self, refund_id: str) -> dict[str, Any]:
        return self._answered(refund_id)

    def create_refund(self, parameters: dict[str, Any], idempotency_key: str) -> dict[str, Any]:
        """Known from then on, by an id that the idempotency key makes."""
        made = {**refund(parameters["payment_intent"]), **parameters, "id": f"re_{idempotency_key}"}
        self.knows(made["id"], made)
        return made

    def dispute(self, dispute_id: str) -> dict[str, Any]:
        return self._answered(dispute_id)

    def refunds_of(self, payment_intent_id: str) -> list[dict[str, Any]]:
        return self._listed("refund", payment_intent_id)

    def disputes_of(self, payment_intent_id: str) -> list[dict[str, Any]]:
        return self._listed("dispute", payment_intent_id)

    def _listed(self, kind: str, payment_intent_id: str) -> list[dict[str, Any]]:
        """The given objects of a kind, newest first; those of functions are left out."""
        self.asked.append(f"{kind}s of {payment_intent_id}")
        known = [answer for answer in self._answers.values() if isinstance(answer, dict)]
        return [
            answer
            for answer in reversed(known)
            if (answer["object"], answer.get("payment_intent")) == (kind, payment_intent_id)
        ]

    def _answered(self, object_id: str) -> dict[str, Any]:
        self.asked.append(object_id)
        answer = self._answers.get(object_id)
        if answer is None:
            raise StripeObjectMissing("Stripe knows no such object.")
        return answer if isinstance(answer, dict) else answer()


def payment_intent(payment_intent_id: str, **metadata: str) -> dict[str, Any]:
    """Our payment intent of a top-up, unless the metadata says something else."""
    ours = {"checkout_app": APP_ID, "purpose": "balance_topup", **metadata}
    return {"id": payment_intent_id, "object": "payment_intent", "metadata": ours}


def refund(payment_intent_id: str, *, status: str = "succeeded", **fields: Any) -> dict[str, Any]:
    """A refund of 500 cents."""
    return {
        "id": f"re_{uuid4().hex}",
        "object": "refund",
        "amount": 500,
        "currency": "eur",
        "payment_intent": payment_intent_id,
        "status": status,
        **fields,
    }


def dispute(payment_intent_id: str, *amounts: int, currency: str = "eur") -> dict[str, Any]:
    """A dispute with a balance transaction for each of the signed amounts."""
    movements = [{"id": f"txn_{uuid4().hex}", "amount": amount, "currency": currency} for amount in amounts]
    return {
        "id": f"du_{uuid4().hex}",
        "object": "dispute",
        "balance_transactions": movements,
        "payment_intent": payment_intent_id,
        "status": "needs_response",
    }
