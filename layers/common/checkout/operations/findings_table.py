"""SQL of verify_findings: what `verify` showed, and what of it a person has accepted."""

import json
from collections.abc import Collection, Mapping
from typing import Any

from checkout.base.postgres import Transaction

KEPT_DAYS = 7
"""What was shown so long ago, and neither since nor accepted, is forgotten."""


def accepted(tx: Transaction) -> set[str]:
    tx.execute("SELECT finding_id FROM verify_findings WHERE accepted_at IS NOT NULL")
    return {row["finding_id"] for row in tx.fetchall()}


def store(tx: Transaction, shown: Collection[tuple[str, str, Mapping[str, Any]]]) -> None:
    """Id, name and facts of each. What was accepted meanwhile stays so."""
    tx.execute(
        "DELETE FROM verify_findings"
        " WHERE accepted_at IS NULL AND shown_at < now() - make_interval(days => %s)",
        (KEPT_DAYS,),
    )
    if shown:
        tx.execute_values(
            "INSERT INTO verify_findings (finding_id, name, facts) VALUES %s"
            " ON CONFLICT (finding_id) DO UPDATE SET shown_at = now()",
            # In one order, so that two runs that end at once do not deadlock.
            sorted((found, name, json.dumps(facts, default=str)) for found, name, facts in shown),
        )


def shown(tx: Transaction, finding_id: str) -> Mapping[str, Any] | None:
    """Name and facts; None if none of that id was shown lately."""
    tx.execute("SELECT name, facts FROM verify_findings WHERE finding_id = %s", (finding_id,))
    return tx.fetchone()


def accept(tx: Transaction, finding_id: str, *, reason: str, operator: str) -> Mapping[str, Any] | None:
    """Name and facts of the finding that is accepted now; None if none of that id was shown."""
    tx.execute(
        "UPDATE verify_findings SET accepted_at = COALESCE(accepted_at, now()), reason = %s, operator = %s"
        " WHERE finding_id = %s RETURNING name, facts",
        (reason, operator, finding_id),
    )
    return tx.fetchone()


def withdraw(tx: Transaction, finding_id: str) -> Mapping[str, Any] | None:
    """The same of one that counts again; None if none of that id was accepted."""
    tx.execute(
        "UPDATE verify_findings SET accepted_at = NULL, reason = NULL, operator = NULL"
        " WHERE finding_id = %s AND accepted_at IS NOT NULL RETURNING name, facts",
        (finding_id,),
    )
    return tx.fetchone()
