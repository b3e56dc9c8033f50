"""Actions that happen automatically when their time has come."""

from collections.abc import Callable, Mapping

from stripe_simulator.resources import checkout_sessions, disputes, fraud_warnings, payments, refunds
from stripe_simulator.storage.transaction import Transaction

BATCH_LIMIT = 100

ACTIONS: Mapping[str, Callable[[Transaction, str], None]] = {
    "expire_session": checkout_sessions.expire_when_due,
    "settle_debit": payments.settle_debit,
    "fail_debit": payments.fail_debit,
    "succeed_refund": refunds.succeed,
    "fail_refund": refunds.fail,
    "open_dispute": disputes.open_dispute,
    "win_dispute": disputes.win,
    "lose_dispute": disputes.lose,
    "warn_of_fraud": fraud_warnings.warn,
    "escalate_inquiry": disputes.escalate,
}


def run_due(transaction: Transaction) -> float | None:
    """Do what is due, and return the time of the next timer (unix seconds), or None."""
    due = transaction.execute(
        "SELECT seq, action, subject FROM timers WHERE due_at <= ? ORDER BY due_at, seq LIMIT ?",
        transaction.time,
        BATCH_LIMIT,
    ).fetchall()
    for seq, action, subject in due:
        transaction.execute("DELETE FROM timers WHERE seq = ?", seq)
        ACTIONS[action](transaction, subject)
    next_at: float | None = transaction.execute("SELECT min(due_at) FROM timers").fetchone()[0]
    return next_at
