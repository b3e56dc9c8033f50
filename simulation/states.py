"""What never goes back in the checkout database, unless it is restored: docs/payment-states.md."""

from typing import Any

from simulation.broken import Broken
from simulation.world import World

RISING = (
    *("session_pending", "session_failed", "session_created", "session_expired"),
    *("payment_processing", "payment_failed", "payment_succeeded"),
)


class States:
    def __init__(self, world: World) -> None:
        self._world = world
        self._known: dict[str, dict[str, Any]] = {}

    def forget(self) -> None:
        """The database was restored."""
        self._known.clear()

    def check(self) -> None:
        rows = {
            row["request_id"]: row
            for row in self._world.checkout.rows(
                "SELECT request_id, status, stripe_session_id, paid_cents, stripe_attempt,"
                "  status = 'session_failed' AND completed_at IS NOT NULL AS is_refused"
                " FROM checkout_transactions"
            )
        }
        for request_id, row in rows.items():
            if (before := self._known.get(request_id)) is not None:
                _compare(request_id, before, row)
        self._known = rows
        self._nothing_waits_for_what_has_come()

    def _nothing_waits_for_what_has_come(self) -> None:
        waiting = self._world.checkout.rows(
            "SELECT r.effect_key FROM reversals r JOIN checkout_transactions t USING (payment_intent_id)"
            " WHERE r.state = 'waiting' AND t.status = 'payment_succeeded'"
        )
        if waiting:
            raise Broken("no reversal waits for a payment that has come", f"{waiting}")


def _compare(request_id: str, before: dict[str, Any], now: dict[str, Any]) -> None:
    if RISING.index(now["status"]) < RISING.index(before["status"]):
        raise Broken("a payment's state only rises", f"{request_id}: {before['status']} → {now['status']}")
    for name in ("stripe_session_id", "paid_cents"):
        if before[name] is not None and now[name] != before[name]:
            raise Broken(f"{name} stays", f"{request_id}: {before[name]} → {now[name]}")
    if now["stripe_attempt"] < before["stripe_attempt"]:
        raise Broken("an idempotency key that was left is not used again", request_id)
    is_given_one = now["status"] == "session_created" or now["stripe_session_id"] is not None
    if before["is_refused"] and is_given_one and now["status"] in ("session_failed", "session_created"):
        raise Broken("a request that was refused gets no session", request_id)
