"""SQL of operator_journal: what operators did. Rows are only ever added."""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from checkout.base.postgres import Transaction

Step = Literal["begun", "done", "refused", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """One verb that an operator ran. `operator` is the name they gave, `identity` their ARN according to AWS,
    `invocation` Lambda's request id; each is null if unknown."""

    act_id: str
    operator: str | None
    identity: str | None
    invocation: str | None
    verb: str
    arguments: Mapping[str, object]


def add(tx: Transaction, act: Act, step: Step, details: Mapping[str, object]) -> None:
    """Adding the same step again changes nothing: both databases can be one."""
    tx.execute(
        "INSERT INTO operator_journal"
        " (act_id, step, operator, identity, invocation, verb, arguments, details)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT (act_id, step) DO NOTHING",
        (
            *(act.act_id, step, act.operator, act.identity, act.invocation, act.verb),
            *(json.dumps(act.arguments), json.dumps(details)),
        ),
    )


def newest(
    tx: Transaction, *, operator: str | None, verb: str | None, since: datetime | None, limit: int
) -> list[dict[str, Any]]:
    """One row an act, newest first, with the details of its steps by name: `begun`, and how it ended."""
    tx.execute(
        "SELECT min(at) AS at, act_id::text, operator, identity, invocation, verb,"
        "       arguments::text::json AS arguments, json_object_agg(step, details) AS steps"
        " FROM operator_journal"
        " WHERE (%(operator)s IS NULL OR operator = %(operator)s) AND (%(verb)s IS NULL OR verb = %(verb)s)"
        "   AND (%(since)s IS NULL OR at >= %(since)s)"
        " GROUP BY act_id, operator, identity, invocation, verb, arguments::text"
        " ORDER BY at DESC, act_id LIMIT %(limit)s",
        {"operator": operator, "verb": verb, "since": since, "limit": limit},
    )
    return tx.fetchall()


def done_since(tx: Transaction, verbs: Collection[str], since: float) -> list[dict[str, Any]]:
    """Acts of these verbs that were done since then (epoch seconds), oldest first: `at`, `act_id`, `verb`,
    `operator`, `arguments`, and the `details` of what they changed."""
    tx.execute(
        "SELECT at, act_id::text, verb, operator, arguments, details FROM operator_journal"
        " WHERE verb = ANY(%s) AND step = 'done' AND at >= to_timestamp(%s) ORDER BY at, act_id",
        (list(verbs), since),
    )
    return tx.fetchall()
