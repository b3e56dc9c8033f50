"""What is true at Stripe: sessions, payments, refunds, disputes and the books. Each change makes its events.

Objects have the shapes of Stripe's API, with the fields that matter here. Every state of an object is kept,
so that an answer can come from an earlier one. Amounts are minor units, times epoch seconds.
"""

from collections.abc import Callable, Mapping
from typing import Any

from simulation.clock import Clock

Resource = dict[str, Any]

EXPIRES_AFTER = 24 * 3600
OPEN, COMPLETE, EXPIRED = "open", "complete", "expired"
FREE = "no_payment_required"
PAID_OR_FREE = ("paid", FREE)
"""What `payment_status` is of a session for which nothing is left to pay."""
FORGOTTEN = "forgotten"
"""The status of a session that no answer shows any more."""


class Account:
    """`events` and `books` are in the order in which they were made."""

    def __init__(
        self,
        clock: Clock,
        digits: Callable[[int], int],
        described: Callable[[Resource], Resource],
        settled: Callable[[int, str], tuple[int, str]] = lambda amount, currency: (amount, currency),
    ) -> None:
        """`described` is what an event has of an object, and in which version of the API. `settled` is an
        amount in the currency in which Stripe settles, and that currency."""
        self.states: dict[str, list[Resource]] = {}
        """The states of each object, oldest first."""
        self.events: list[Resource] = []
        self.books: list[str] = []  # Ids of balance transactions.
        self.worth: dict[str, int] = {}
        """What each balance transaction moved, in the currency of its source."""
        self._clock, self._digits, self._described, self._settled = clock, digits, described, settled

    # What there is

    def now(self, object_id: str) -> Resource:
        return self.states[object_id][-1]

    def all(self, kind: str, **fields: object) -> list[Resource]:
        """Of a kind (`refund`), with these fields, in the order in which they were made."""
        found = [states[-1] for states in self.states.values() if states[-1]["object"] == kind]
        return [one for one in found if all(one.get(name) == value for name, value in fields.items())]

    def paid(self) -> list[Resource]:
        """Sessions that are paid, or free."""
        return [one for one in self.all("checkout.session") if one["payment_status"] in PAID_OR_FREE]

    def made_with(self, session_id: str) -> dict[str, str]:
        """The metadata of the session before anybody changed it. The payment has it, too."""
        metadata: dict[str, str] = self.states[session_id][0]["metadata"]
        return metadata

    def left_to_refund(self, charge: Mapping[str, Any]) -> int:
        """What can still be refunded of a charge; 0 if it is disputed."""
        intent = charge["payment_intent"]
        if charge["status"] != "succeeded" or self.all("dispute", payment_intent=intent):
            return 0
        refunds = self.all("refund", payment_intent=intent)
        refunded = sum(one["amount"] for one in refunds if one["status"] not in ("failed", "canceled"))
        return int(charge["amount"] - refunded)

    # Sessions and payments

    def create_session(self, parameters: Mapping[str, Any], session_id: str | None = None) -> Resource:
        [item] = parameters["line_items"]
        price = item["price_data"]["unit_amount"] * item["quantity"]
        session_id = session_id or self._id("cs_test_")
        return self._make(
            {
                "id": session_id,
                "object": "checkout.session",
                "amount_subtotal": price,
                "amount_total": price,
                "currency": item["price_data"]["currency"],
                "expires_at": parameters.get("expires_at") or int(self._clock.epoch) + EXPIRES_AFTER,
                "livemode": False,
                "metadata": {name: text.strip() for name, text in parameters["metadata"].items()},
                "mode": "payment",
                "payment_intent": None,
                "payment_status": "unpaid",
                "recovered_from": parameters.get("recovered_from"),
                "status": OPEN,
                "success_url": parameters.get("success_url"),
                "total_details": {"amount_discount": 0, "amount_tax": 0},
                "url": f"https://checkout.stripe.com/c/pay/{session_id}",
            }
        )

    def pay(self, session_id: str, *, by_debit: bool) -> None:
        """Of an open session. A debit is settled or fails later."""
        session = self.now(session_id)
        assert session["status"] == OPEN
        metadata = self.made_with(session_id)
        intent = self._make(
            {
                "id": self._id("pi_"),
                "object": "payment_intent",
                "amount": session["amount_total"],
                "currency": session["currency"],
                "metadata": metadata,
                "status": "processing" if by_debit else "succeeded",
            }
        )
        charge = self._make(
            {
                "id": self._id("py_" if by_debit else "ch_"),
                "object": "charge",
                "amount": session["amount_total"],
                "amount_refunded": 0,
                "currency": session["currency"],
                "failure_balance_transaction": None,
                "metadata": metadata,
                "payment_intent": intent["id"],
                "status": "pending" if by_debit else "succeeded",
            }
        )
        self._book("charge", charge["amount"], charge["currency"], charge["id"])
        self._change(
            session_id,
            status=COMPLETE,
            payment_intent=intent["id"],
            payment_status="unpaid" if by_debit else "paid",
            url=None,
        )
        self._report("checkout.session.completed", session_id)

    def end_debit(self, charge_id: str, *, settles: bool) -> None:
        charge = self.now(charge_id)
        assert charge["status"] == "pending"
        [session] = self.all("checkout.session", payment_intent=charge["payment_intent"])
        if settles:
            self._change(charge_id, status="succeeded")
            self._change(charge["payment_intent"], status="succeeded")
            self._change(session["id"], payment_status="paid")
            self._report("checkout.session.async_payment_succeeded", session["id"])
            return
        back = self._book("charge_failure", -charge["amount"], charge["currency"], charge_id)
        self._change(charge_id, status="failed", failure_balance_transaction=back)
        self._change(charge["payment_intent"], status="requires_payment_method")
        self._report("checkout.session.async_payment_failed", session["id"])

    def expire(self, session_id: str) -> None:
        self._change(session_id, status=EXPIRED, url=None)
        self._report("checkout.session.expired", session_id)

    # Refunds

    def refund(self, charge_id: str, amount: int, status: str, **metadata: str) -> Resource:
        """`status` is pending or succeeded."""
        charge = self.now(charge_id)
        refund = self._make(
            {
                "id": self._id("re_"),
                "object": "refund",
                "amount": amount,
                "charge": charge_id,
                "currency": charge["currency"],
                "metadata": metadata,
                "payment_intent": charge["payment_intent"],
                "status": status,
            }
        )
        self._book("refund", -amount, charge["currency"], refund["id"])
        self._change(charge_id, amount_refunded=charge["amount_refunded"] + amount)
        self._report("refund.created", refund["id"])
        self._report("charge.refunded", charge_id)
        return refund

    def move_refund(self, refund_id: str, status: str) -> None:
        """To succeeded, failed or canceled."""
        refund = self._change(refund_id, status=status)
        if status in ("failed", "canceled"):
            self._book("refund_failure", refund["amount"], refund["currency"], refund_id)
            refunded = self.now(refund["charge"])["amount_refunded"]
            self._change(refund["charge"], amount_refunded=refunded - refund["amount"])
        self._report("refund.updated", refund_id)
        if status == "failed":
            self._report("refund.failed", refund_id)

    # Events

    def _report(self, event_type: str, object_id: str) -> None:
        self.events.append(
            {
                "id": self._id("evt_"),
                "object": "event",
                "created": int(self._clock.epoch),
                **self._described(self.now(object_id)),
                "livemode": False,
                "pending_webhooks": 1,
                "type": event_type,
            }
        )

    def _book(self, category: str, amount: int, currency: str, source: str) -> str:
        settled, own_currency = self._settled(amount, currency)
        made = self._make(
            {
                "id": self._id("txn_"),
                "object": "balance_transaction",
                "amount": settled,
                "currency": own_currency,
                "fee": 0,
                "reporting_category": category,
                "source": source,
            }
        )
        self.books.append(made["id"])
        self.worth[made["id"]] = amount
        return str(made["id"])

    def _make(self, resource: Resource) -> Resource:
        resource["created"] = int(self._clock.epoch)
        self.states[resource["id"]] = [resource]
        return resource

    def _change(self, object_id: str, **fields: Any) -> Resource:
        changed = {**self.now(object_id), **fields}
        self.states[object_id].append(changed)
        return changed

    def _id(self, prefix: str) -> str:
        return f"{prefix}{self._digits(64):016x}"


def paid_by(session: Mapping[str, Any]) -> Any:
    """What a session's credit belongs to: its payment intent, if it has one yet, or itself if it was free."""
    return session["id"] if session["payment_status"] == FREE else session["payment_intent"]
