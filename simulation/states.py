"""What never goes back in the checkout database, unless it is restored: docs/payment-states.md."""

from simulation.broken import Broken
from simulation.stored import PAID, Stored, StoredPayment
from simulation.stripe_model.account import PAID_OR_FREE
from simulation.world import World

RISING = (
    *("session_pending", "session_failed", "session_created", "session_expired"),
    *("payment_processing", "payment_failed", PAID),
)

_AT_STRIPE = {
    "session_expired": ("status", {"expired"}),
    "payment_failed": ("status", {"requires_payment_method"}),
    PAID: ("payment_status", {*PAID_OR_FREE}),
}
"""By the row's state a field at Stripe, and what it must have been: of the session, or, of a payment that has
failed, of the payment intent."""

_STILL_WAITING = (
    "SELECT r.effect_key FROM reversals r JOIN discarded_reversals d"
    " ON d.object_id = COALESCE(r.dispute_id, r.source_id) WHERE r.state = 'waiting'"
)


class States:
    def __init__(self, world: World) -> None:
        self._world = world
        self._known: dict[str, StoredPayment] = {}

    def forget(self) -> None:
        """The database was restored."""
        self._known = {}

    def check(self, stored: Stored) -> None:
        for request_id, row in stored.payments.items():
            before = self._known.get(request_id)
            if before is not None and row != before:
                _compare(request_id, before, row)
            if row != before:
                self._require_reported(request_id, row)
            if row.session_id in self._world.paid and row.status != PAID:
                raise Broken("what was paid stays paid", f"{request_id}: {row.status}")
        self._known = stored.payments
        self._discarded_events_stay_so()
        if stored.late:
            raise Broken("no reversal waits for a payment that has come", f"{stored.late}")

    def _require_reported(self, request_id: str, row: StoredPayment) -> None:
        """The payment has been at Stripe what the row says that it is."""
        expected = _AT_STRIPE.get(row.status)
        states = self._world.account.states.get(row.session_id or "", [])
        is_forged = f"success:{request_id}" in self._world.forged
        if expected is None or not states or is_forged or row.session_id in self._world.misleading:
            return
        field, values = expected
        seen = {one[field] for one in states}
        if row.status == "payment_failed":
            seen = {self._world.account.now(one["payment_intent"])[field] for one in states[-1:]}
        if not seen & values:
            raise Broken("a payment's state is Stripe's", f"{request_id}: {row.status}, at Stripe {seen}")

    def _discarded_events_stay_so(self) -> None:
        if decided := self._world.ignored - self._world.replayed:
            found = self._world.checkout.rows(
                "SELECT event_id, outcome FROM stripe_events"
                " WHERE event_id = ANY(%s) AND outcome <> 'ignored'",
                [sorted(decided)],
            )
            if found:
                raise Broken("an event that was discarded stays so", f"{found}")
            if found := [] if self._world.has_release_before else self._world.checkout.rows(_STILL_WAITING):
                raise Broken("nothing waits of what was discarded", f"{found}")


def _compare(request_id: str, before: StoredPayment, now: StoredPayment) -> None:
    if RISING.index(now.status) < RISING.index(before.status):
        raise Broken("a payment's state only rises", f"{request_id}: {before.status} → {now.status}")
    for name, first, last in (
        ("stripe_session_id", before.session_id, now.session_id),
        ("paid_cents", before.paid_cents, now.paid_cents),
    ):
        if first is not None and last != first:
            raise Broken(f"{name} stays", f"{request_id}: {first} → {last}")
    if now.attempt < before.attempt:
        raise Broken("an idempotency key that was left is not used again", request_id)
    is_given_one = now.status == "session_created" or now.session_id is not None
    if before.is_refused and is_given_one and now.status in ("session_failed", "session_created"):
        raise Broken("a request that was refused gets no session", request_id)
