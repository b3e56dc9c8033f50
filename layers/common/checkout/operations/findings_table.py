"""SQL of verify_findings: what `verify` showed, and what of it a person has accepted."""

import json
from collections.abc import Collection, Mapping
from typing import Any, cast

from psycopg2.extras import execute_values

from checkout.base.postgres import Cursor

KEPT_DAYS = 7
"""What was shown so long ago, and neither since nor accepted, is forgotten."""


def accepted(cursor: Cursor) -> set[str]:
    cursor.execute("SELECT finding_id FROM verify_findings WHERE accepted_at IS NOT NULL")
    return {row["finding_id"] for row in cast(list[dict[str, Any]], cursor.fetchall())}


def store(cursor: Cursor, shown: Collection[tuple[str, str, Mapping[str, Any]]]) -> None:
    """Id, name and facts of each. What was accepted meanwhile stays so."""
    cursor.execute(
        "DELETE FROM verify_findings"
        " WHERE accepted_at IS NULL AND shown_at < now() - make_interval(days => %s)",
        (KEPT_DAYS,),
    )
    if shown:
        execute_values(
            cursor,
            "INSERT INTO verify_findings (finding_id, name, facts) VALUES %s"
            " ON CONFLICT (finding_id) DO UPDATE SET shown_at = now()",
            # In one order, so that two runs that end at once do not deadlock.
            sorted((found, name, json.dumps(facts, default=str)) for found, name, facts in shown),
        )


def shown(cursor: Cursor, finding_id: str) -> Mapping[str, Any] | None:
    """Name and facts; None if none of that id was shown lately."""
    cursor.execute("SELECT name, facts FROM verify_findings WHERE finding_id = %s", (finding_id,))
    return cast(dict[str, Any] | None, cursor.fetchone())


def accept(cursor: Cursor, finding_id: str, *, reason: str, operator: str) -> Mapping[str, Any] | None:
    """Name and facts of the finding that is accepted now; None if none of that id was shown."""
    cursor.execute(
        "UPDATE verify_findings SET accepted_at = COALESCE(accepted_at, now()), reason = %s, operator = %s"
        " WHERE finding_id = %s RETURNING name, facts",
        (reason, operator, finding_id),
    )
    return cast(dict[str, Any] | None, cursor.fetchone())


def withdraw(cursor: Cursor, finding_id: str) -> Mapping[str, Any] | None:
    """The same of one that counts again; None if none of that id was accepted."""
    cursor.execute(
        "UPDATE verify_findings SET accepted_at = NULL, reason = NULL, operator = NULL"
        " WHERE finding_id = %s AND accepted_at IS NOT NULL RETURNING name, facts",
        (finding_id,),
    )
    return cast(dict[str, Any] | None, cursor.fetchone())
