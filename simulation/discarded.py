"""What operators have discarded, and of what the decision must outlive restores."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from simulation.databases import WorldDatabase


class Discarded:
    """Effect keys and names of credits that stay discarded: nobody replays them, and one of the databases has
    the decision yet."""

    def __init__(self) -> None:
        self._known: dict[str, dict[str, float]] = {}
        """By effect key when it was decided, for each database that has the decision."""

    @property
    def keys(self) -> set[str]:
        return {*self._known}

    def add(self, keys: Collection[str], databases: Collection[WorldDatabase], now: float) -> None:
        for key in keys:
            self._known[key] = {database.name: now for database in databases}

    def forget(self, keys: Collection[str]) -> None:
        for key in keys:
            self._known.pop(key, None)

    def set_aside(self, keys: Collection[str]) -> "Discarded":
        """Forget these; returns what was known of them."""
        aside = Discarded()
        aside._known = {key: self._known.pop(key) for key in keys if key in self._known}
        return aside

    def put_back(self, aside: "Discarded") -> None:
        """What was decided anew since then stays."""
        self._known = aside._known | self._known

    def restored(self, database: WorldDatabase, time: float) -> None:
        """It has lost what was decided since that time."""
        for key, times in [*self._known.items()]:
            if times.get(database.name, -1) >= time:
                del times[database.name]
            if not times:
                del self._known[key]


def credit_name(payment_intent: str | None, user_id: int, amount: int) -> str:
    """Of a payment's credit, whatever its effect key: after a restore it can have another request_id."""
    return f"credit of {payment_intent} to {user_id}: {amount}"


def credit_names(rows: Iterable[Mapping[str, Any]]) -> set[str]:
    """Of those credits among these entries or parked records that name their payment."""
    return {
        credit_name(row["payment_intent_id"], row["user_id"], row["amount_cents"])
        for row in rows
        if (row["effect_key"] or "").startswith("success:") and row["payment_intent_id"] is not None
    }


def replayed(application: WorldDatabase) -> set[str]:
    """Effect keys, and names of credits, about which a decision was taken back; also of what belongs to the
    record."""
    found = application.rows(
        "SELECT effect_key, payment_intent_id, user_id, amount_cents FROM parked_events"
        " WHERE resolution = 'replayed'"
    )
    keys = {row["effect_key"] or "" for row in found}
    return keys | {key.replace("refund_failed:", "refunded:") for key in keys} | credit_names(found)
