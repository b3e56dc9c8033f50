"""Stripe's lists: newest first, pages by object id, filters by field."""

from collections.abc import Iterable
from typing import Any

from stripe_simulator.api.errors import InvalidParameter, NotFound
from stripe_simulator.api.params import Declaration, integer, list_of, text, time_range
from stripe_simulator.storage.transaction import Json, Transaction

DEFAULT_LIMIT = 10
LARGEST_LIMIT = 100

PAGE: dict[str, Declaration] = {
    "limit": integer(1, LARGEST_LIMIT),
    "starting_after": text(),
    "ending_before": text(),
    "expand": list_of(text()),
}
CREATED: dict[str, Declaration] = {"created": time_range}

Condition = tuple[str, tuple[Any, ...]]


def page(
    transaction: Transaction,
    kind: str,
    url: str,
    params: dict[str, Any],
    conditions: Iterable[Condition] = (),
) -> Json:
    """One page of a kind, as a `list` object. Conditions are SQL over the columns of `objects`."""
    after, before = params.get("starting_after"), params.get("ending_before")
    if after and before:
        raise InvalidParameter("You cannot use both starting_after and ending_before.", param="ending_before")
    limit = params.get("limit", DEFAULT_LIMIT)
    clauses: list[Condition] = [("kind = ?", (kind,)), *conditions]
    clauses += [
        (f"created {comparison} ?", (value,)) for comparison, value in params.get("created", {}).items()
    ]
    if after:
        clauses.append(("seq < ?", (_position(transaction, kind, after, "starting_after"),)))
    if before:
        clauses.append(("seq > ?", (_position(transaction, kind, before, "ending_before"),)))
    found = transaction.select(clauses, oldest_first=bool(before), limit=limit + 1)
    data = found[:limit]
    if before:
        data.reverse()
    return {"object": "list", "data": data, "has_more": len(found) > limit, "url": url}


def equals(field: str, value: Any) -> Condition:
    """A condition for objects whose top-level field has this value."""
    return f"json_extract(body, '$.{field}') = ?", (value,)


def _position(transaction: Transaction, kind: str, object_id: str, param: str) -> int:
    row = transaction.execute("SELECT seq FROM objects WHERE id = ? AND kind = ?", object_id, kind).fetchone()
    if row is None:
        raise NotFound(kind, object_id, param)
    position: int = row[0]
    return position
