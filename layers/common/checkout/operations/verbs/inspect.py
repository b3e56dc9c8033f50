"""`inspect`: one payment's whole story, or one user's, from both databases, in the order of its events."""

import json
from argparse import Namespace
from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from checkout.base.errors import NotFound
from checkout.base.postgres import Transaction, array
from checkout.base.text import identifier
from checkout.base.user_ids import UserId
from checkout.operations import timeline
from checkout.operations.verb import Outcome, Verbs
from checkout.outbox.effects import success_key
from checkout.payments.refunds import NOT_REFUNDED
from checkout.system import System

Row = dict[str, Any]

NEWEST = 50
"""Of a user's payments, entries and parked records; more are not shown."""


def declare(verbs: Verbs) -> None:
    verbs.add(
        "inspect", "show one payment's whole story, or one user's, in order", run, lines=timeline.lines
    ).add_argument("reference", help="request_id, Stripe's session or payment intent, or a user's id")


def run(given: Namespace, system: System) -> Outcome:
    return Outcome(asdict(Inspect(system)(given.reference)))


@dataclass(frozen=True, slots=True)
class Story:
    """`balances` are those of the users who occur; a step is a row with its table and the time at which it
    came there, `at`."""

    balances: list[Row]
    steps: list[dict[str, Any]]


class Inspect:
    def __init__(self, system: System) -> None:
        self._checkout = system.checkout_database
        self._application = system.application_database

    def __call__(self, reference: str) -> Story:
        """`reference` is a request_id, Stripe's session or payment intent, or a user's id, which may be
        a request_id, too.

        Raises NotFound if nothing is about it.
        """
        if identifier(reference) is None:
            raise NotFound("That is no reference.")
        user_id = self._checkout.user_ids.from_text(reference)
        with self._checkout.transaction() as tx:
            payments = _payments(tx, reference, user_id, NEWEST)
            requests = _named(payments, "request_id") | {reference.lower()}
            intents = _named(payments, "payment_intent_id") | {reference}
            sessions = _named(payments, "stripe_session_id")
            events = _events(tx, requests, intents, sessions)
            refunds = _refunds(tx, intents)
            reversals = _reversals(tx, intents)
            outbox = _outbox(tx, requests)
        effect_keys = {success_key(request_id) for request_id in requests} | _named(reversals, "effect_key")
        with self._application.transaction() as tx:
            entries = _entries(tx, effect_keys, user_id, NEWEST)
            parked = _parked(tx, requests, effect_keys, user_id, NEWEST)
            users = {row["user_id"] for row in (*payments, *entries)} | ({user_id} if user_id else set())
            balances = _balances(tx, users)
        steps = [
            *_steps("checkout_transactions", "created_at", payments),
            *_steps("stripe_events", "received_at", events),
            *_steps("requested_refunds", "created_at", refunds),
            *_steps("reversals", "created_at", reversals),
            *_steps("outbox", "created_at", outbox),
            *_steps("ledger_entries", "created_at", entries),
            *_steps("parked_events", "created_at", parked),
        ]
        if not steps and not balances:
            raise NotFound(f"Nothing is known about {reference}.")
        return Story(balances, sorted(steps, key=lambda step: step["at"]))


def _named(rows: Iterable[Row], column: str) -> set[str]:
    return {row[column] for row in rows if row[column] is not None}


def _steps(table: str, time_column: str, rows: Iterable[Row]) -> Iterable[dict[str, Any]]:
    for row in rows:
        fields = {name: value for name, value in row.items() if name != time_column and value is not None}
        yield {"at": row[time_column], "table": table, **fields}


# The SQL, which changes nothing

# ANY(ARRAY(SELECT …)), not IN (SELECT …): next to an OR only that uses an index.

_PAYMENT = (
    "request_id, user_id, status, amount_cents, credit_cents, currency, purpose, paid_cents, paid_currency,"
    " tax_cents, discount_cents, refunded_cents, disputed_cents, stripe_session_id, payment_intent_id,"
    " stripe_attempt, error_message, refused_because, created_at, updated_at, completed_at, credited_at,"
    " recheck_at"
)
_ENTRY = (
    "effect_key, user_id, amount_cents, currency, kind, request_id, source_id, payment_intent_id, topic,"
    " partition, kafka_offset, reason, operator, created_at"
)
_ENTERED = "created_at, kafka_offset, id"
"""Entries of one batch have one time, and are not inserted in the order of their records."""

_PARKED = (
    "id, effect_key, user_id, amount_cents, currency, request_id, topic, partition, kafka_offset, reason,"
    " resolution, resolution_reason, operator, resolved_at, created_at"
)


def _payments(tx: Transaction, reference: str, user_id: UserId | None, newest: int) -> list[Row]:
    """By request_id, Stripe's session or payment intent; and the newest of the user."""
    tx.execute(
        f"SELECT {_PAYMENT} FROM checkout_transactions"
        " WHERE request_id = lower(%(name)s) OR stripe_session_id = %(name)s OR payment_intent_id = %(name)s"
        "    OR id = ANY(ARRAY(SELECT id FROM checkout_transactions WHERE user_id = %(user)s"
        "                      ORDER BY id DESC LIMIT %(newest)s))"
        " ORDER BY id",
        {"name": reference, "user": user_id, "newest": newest},
    )
    return tx.fetchall()


def _events(
    tx: Transaction,
    request_ids: Collection[str],
    payment_intents: Collection[str],
    sessions: Collection[str],
) -> list[Row]:
    """Stripe's events. An unsettled one may name the session only in its payload, which is searched as text:
    Stripe may relay a NUL, at which PostgreSQL's JSON functions fail."""
    tx.execute(
        "SELECT event_id, type, outcome, reason, request_id, payment_intent_id, received_at, updated_at"
        " FROM stripe_events"
        " WHERE request_id = ANY(%(requests)s) OR payment_intent_id = ANY(%(intents)s)"
        "    OR (outcome IN ('waiting', 'held') AND EXISTS ("
        "        SELECT FROM unnest(%(sessions)s::text[]) AS session"
        "        WHERE position(session IN payload::text) > 0))",
        {
            "requests": list(request_ids),
            "intents": list(payment_intents),
            "sessions": list(sessions),
        },
    )
    return tx.fetchall()


def _refunds(tx: Transaction, payment_intents: Collection[str]) -> list[Row]:
    tx.execute(
        "SELECT refund_key, payment_intent_id, amount_cents, currency, created_at FROM requested_refunds"
        " WHERE payment_intent_id = ANY(%s)",
        (list(payment_intents),),
    )
    refunds = tx.fetchall()
    return [row | _refusal(tx, row["refund_key"], row["created_at"]) for row in refunds]


def _refusal(tx: Transaction, refund_key: str, since: datetime) -> Row:
    """When and why Stripe refused it last, as the journal has it. `json.dumps` wrote what is searched, and a
    refund's key needs no escape."""
    tx.execute(
        "SELECT at AS refused_at, details ->> 'reason' AS refused_because FROM operator_journal AS act"
        " WHERE at >= %(since)s AND step = 'refused' AND starts_with(details::text, %(reason)s)"
        "   AND (verb = 'refund' AND position(%(key)s IN arguments::text) > 0"
        "     OR verb = 'approve' AND EXISTS (SELECT FROM operator_requests AS request"
        "        WHERE request.id = act.arguments ->> 'request' AND request.verb = 'refund'"
        "          AND position(%(key)s IN request.arguments::text) > 0))"
        " ORDER BY at DESC LIMIT 1",
        {
            "since": since,
            "reason": json.dumps({"reason": NOT_REFUNDED})[:-2],
            "key": json.dumps({"key": refund_key})[1:-1],
        },
    )
    return tx.fetchone() or {}


def _reversals(tx: Transaction, payment_intents: Collection[str]) -> list[Row]:
    tx.execute(
        "SELECT effect_key, payment_intent_id, amount_cents, credit_cents, currency, state, event_id,"
        " emitted_at, credited_at, recheck_at, created_at FROM reversals WHERE payment_intent_id = ANY(%s)",
        (list(payment_intents),),
    )
    return tx.fetchall()


def _outbox(tx: Transaction, request_ids: Collection[str]) -> list[Row]:
    tx.execute(
        "SELECT effect_key, topic, key, created_at FROM outbox"
        " WHERE convert_from(value, 'UTF8')::json ->> 'request_id' = ANY(%s)",
        (list(request_ids),),
    )
    return tx.fetchall()


def _balances(tx: Transaction, user_ids: Collection[UserId]) -> list[Row]:
    tx.execute(
        "SELECT id AS user_id, balance AS balance_cents, (SELECT COALESCE(sum(amount_cents), 0)::bigint"
        f" FROM ledger_entries WHERE user_id = users.id{tx.user_ids.collate}) AS ledger_cents"
        f" FROM users WHERE id = ANY(%s::{tx.user_ids.array}) ORDER BY id",
        (array(user_ids),),
    )
    return tx.fetchall()


def _entries(tx: Transaction, effect_keys: Collection[str], user_id: UserId | None, newest: int) -> list[Row]:
    """Those of these keys, and the newest of the user."""
    tx.execute(
        f"SELECT {_ENTRY} FROM ledger_entries WHERE effect_key = ANY(%s)"
        "    OR id = ANY(ARRAY(SELECT id FROM ledger_entries WHERE user_id = %s ORDER BY id DESC LIMIT %s))"
        f" ORDER BY {_ENTERED}",
        (list(effect_keys), user_id, newest),
    )
    return tx.fetchall()


def _parked(
    tx: Transaction,
    request_ids: Collection[str],
    effect_keys: Collection[str],
    user_id: UserId | None,
    newest: int,
) -> list[Row]:
    """Those of these requests and keys, and the newest of the user."""
    tx.execute(
        f"SELECT {_PARKED} FROM parked_events WHERE request_id = ANY(%s) OR effect_key = ANY(%s)"
        "    OR id = ANY(ARRAY(SELECT id FROM parked_events WHERE user_id = %s ORDER BY id DESC LIMIT %s))",
        (list(request_ids), list(effect_keys), user_id, newest),
    )
    return tx.fetchall()
