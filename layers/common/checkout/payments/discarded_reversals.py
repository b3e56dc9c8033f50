"""SQL of discarded_reversals: refunds and disputes of which an operator has decided that nothing acts any
more."""

from collections.abc import Collection
from typing import Any, cast

from checkout.base.postgres import Cursor


def keep(
    cursor: Cursor, object_id: str, *, payment_intent_id: str | None, event_id: str, reason: str
) -> None:
    """The first decision about it stays."""
    cursor.execute(
        "INSERT INTO discarded_reversals (object_id, payment_intent_id, event_id, reason)"
        " VALUES (%s, %s, %s, %s) ON CONFLICT (object_id) DO NOTHING",
        (object_id, payment_intent_id, event_id, reason),
    )


def among(cursor: Cursor, object_ids: Collection[str]) -> dict[str, str]:
    """Those of them that are discarded, and the event of each that was discarded with it."""
    cursor.execute(
        "SELECT object_id, event_id FROM discarded_reversals WHERE object_id = ANY(%s)", (list(object_ids),)
    )
    return {row["object_id"]: row["event_id"] for row in cast(list[dict[str, Any]], cursor.fetchall())}


def take_back(cursor: Cursor, object_ids: Collection[str]) -> None:
    cursor.execute("DELETE FROM discarded_reversals WHERE object_id = ANY(%s)", (list(object_ids),))
