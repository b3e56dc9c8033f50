"""What each function may do in the databases: exactly what its code executes. Pure.

A function signs in as a role of its own. `migrate`, which owns everything, is not among them.
"""

from collections.abc import Mapping

READ = "SELECT"
ADD = "SELECT, INSERT"
WRITE = "SELECT, INSERT, UPDATE"
QUEUE = "SELECT, INSERT, UPDATE, DELETE"
DRAIN = "SELECT, UPDATE, DELETE"
READ_ID = "SELECT (id)"
READ_BALANCE = "SELECT (id), SELECT (balance)"
MOVE_BALANCE = "SELECT (id), SELECT (balance), UPDATE (balance)"
"""Of `users`, whose other columns are nobody's business here."""

_ASKED = (
    "request_id, user_id, amount_cents, credit_cents, currency, purpose, status, metadata, stripe_parameters"
)
_ANSWERED = (
    "status, stripe_parameters, stripe_session_id, stripe_session_url, expires_at, error_message,"
    " stripe_attempt, completed_at, updated_at"
)
BEGIN = f"SELECT, INSERT ({_ASKED}), UPDATE ({_ANSWERED})"
"""Of a payment: ask for it, and keep Stripe's answer. What was paid is not among the columns, so a row that
says `payment_succeeded` cannot be made: the table's own constraint refuses one without `paid_cents`."""

BEGIN_OR_REFUSE = f"SELECT, INSERT ({_ASKED}, error_message, completed_at), UPDATE ({_ANSWERED})"

PARK = "SELECT (topic), SELECT (partition), SELECT (kafka_offset), INSERT"
"""Of `parked_events`: add a record, and see whether it was new."""

SETTLE_PARKED = (
    "SELECT, INSERT, UPDATE (reason), UPDATE (is_refused),"
    " UPDATE (resolution), UPDATE (resolution_reason), UPDATE (operator), UPDATE (resolved_at)"
)
"""And settle what was entered together with what it had waited for, or note why it could not be."""

NUMBER = "USAGE"
"""Of the sequences of tables that it may insert into."""

RENUMBER = "USAGE, UPDATE"

SEQUENCES: Mapping[str, str] = {"operations": RENUMBER}
"""By function; others have NUMBER."""

Grants = Mapping[str, str]
"""What may be done, by table, or function of PostgreSQL's."""

FUNCTIONS = frozenset({"ledger_move"})

CHECKOUT: Mapping[str, Grants] = {
    "create_session": {"checkout_transactions": BEGIN},
    "account": {"checkout_transactions": READ},
    "stripe_webhook": {
        "checkout_transactions": WRITE,
        "stripe_events": WRITE,
        "reversals": WRITE,
        "discarded_reversals": READ,
        "outbox": QUEUE,
    },
    "checkout_requests_consumer": {"checkout_transactions": BEGIN_OR_REFUSE, "outbox": QUEUE},
    "outbox_relay": {"outbox": DRAIN},
    "reconciler": {
        "checkout_transactions": WRITE,
        "stripe_events": WRITE,
        "reversals": WRITE,
        "discarded_reversals": READ,
        "outbox": QUEUE,
        "stripe_balance_transactions": WRITE,
        "reconciler_state": WRITE,
        "discarded_effects": READ,
    },
    "operations": {
        "checkout_transactions": WRITE,
        "stripe_events": WRITE,
        "reversals": WRITE,
        "discarded_reversals": "SELECT, INSERT, DELETE",
        "outbox": QUEUE,
        "stripe_balance_transactions": WRITE,
        "reconciler_state": QUEUE,
        "discarded_effects": QUEUE,
        "verify_findings": QUEUE,
        "requested_refunds": ADD,
        "operator_requests": WRITE,
        "operator_journal": ADD,
    },
}
"""By function, in the checkout database."""

APPLICATION: Mapping[str, Grants] = {
    "create_session": {"users": READ_ID},
    "account": {"users": READ_BALANCE, "ledger_entries": READ},
    "checkout_requests_consumer": {"users": READ_ID, "parked_events": PARK},
    "checkout_finished_consumer": {
        "users": MOVE_BALANCE,
        "ledger_entries": ADD,
        "parked_events": SETTLE_PARKED,
    },
    "reconciler": {"ledger_entries": READ, "parked_events": READ},
    "operations": {
        "users": f"{MOVE_BALANCE}, INSERT",
        "ledger_entries": ADD,
        "parked_events": WRITE,
        "ledger_move": "EXECUTE",
        "operator_journal": ADD,
    },
}
"""By function, in the application's database."""


def role_of(function: str) -> str:
    """Whom a function signs in as: `checkout_` and its name, which may begin with that already."""
    return function if function.startswith("checkout_") else f"checkout_{function}"
