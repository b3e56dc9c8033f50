"""SQL of verify_findings: what `verify` has shown, and which of it a person has accepted."""

import json
from collections.abc import Collection, Mapping
from typing import Any

from checkout.base.postgres import Transaction

KEPT_DAYS = 7
"""Then a finding is deleted, unless it was shown again or accepted."""


def accepted(tx: Transaction) -> dict[str, tuple[str, Mapping[str, Any]]]:
    """Name and facts, by id."""
    tx.execute("SELECT finding_id, name, facts FROM verify_findings WHERE accepted_at IS NOT NULL")
    return {row["finding_id"]: (row["name"], row["facts"]) for row in tx.fetchall()}


def store(tx: Transaction, shown: Collection[tuple[str, str, Mapping[str, Any]]]) -> None:
    """Insert each (id, name, facts), or note that it was shown again; what is accepted stays accepted."""
    tx.execute(
        "DELETE FROM verify_findings"
        " WHERE accepted_at IS NULL AND shown_at < now() - make_interval(days => %s)",
        (KEPT_DAYS,),
    )
    if shown:
        tx.execute_values(
            "INSERT INTO verify_findings (finding_id, name, facts) VALUES %s"
            " ON CONFLICT (finding_id) DO UPDATE SET shown_at = now()",
            # In one order: two runs that end at once would deadlock otherwise.
            sorted((finding, name, json.dumps(facts, default=str)) for finding, name, facts in shown),
        )


def shown(tx: Transaction, finding_id: str) -> Mapping[str, Any] | None:
    """Return name and facts; None if it is not stored."""
    tx.execute("SELECT name, facts FROM verify_findings WHERE finding_id = %s", (finding_id,))
    return tx.fetchone()


def accept(tx: Transaction, finding_id: str, *, reason: str, operator: str) -> Mapping[str, Any] | None:
    """Return name and facts of the finding, accepted now; None if it is not stored."""
    tx.execute(
        "UPDATE verify_findings SET accepted_at = COALESCE(accepted_at, now()), reason = %s, operator = %s"
        " WHERE finding_id = %s RETURNING name, facts",
        (reason, operator, finding_id),
    )
    return tx.fetchone()


def withdraw(tx: Transaction, finding_id: str) -> Mapping[str, Any] | None:
    """Return name and facts of the finding, which counts again; None if it was not accepted."""
    tx.execute(
        "UPDATE verify_findings SET accepted_at = NULL, reason = NULL, operator = NULL"
        " WHERE finding_id = %s AND accepted_at IS NOT NULL RETURNING name, facts",
        (finding_id,),
    )
    return tx.fetchone()
