"""A story of `inspect` for people: the time since its first event, the station, and what happened there."""

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

from checkout.operations import text
from checkout.operations.text import shown

Row = dict[str, Any]
Moments = Iterator[tuple[object, str, str]]
"""The time, the station, and what happened."""


def lines(content: Row) -> Iterator[str]:
    """`content` as `inspect` returns it, or as JSON has it."""
    yield from text.lines({"balances": content["balances"]})
    moments = [
        (_time(at), station, what)
        for step in content["steps"]
        for at, station, what in _OF_TABLE.get(step["table"], _other)(step)
    ]
    # Stable: events of one time stay in the order of the steps.
    moments.sort(key=lambda moment: moment[0])
    for place, (at, station, what) in enumerate(moments):
        when = _after((at - moments[0][0]).total_seconds()) if place else shown(at)
        yield f"{when:>24}  {station:<8}  {what}"


def _after(seconds: float) -> str:
    minutes, hours, days = int(seconds // 60), int(seconds // 3600), int(seconds // 86_400)
    if days:
        return f"+{days} d {hours % 24:02} h"
    if hours:
        return f"+{hours} h {minutes % 60:02} min"
    return f"+{minutes} min {int(seconds % 60):02} s" if minutes else f"+{seconds:.3f} s"


def _time(value: object) -> datetime:
    return value if isinstance(value, datetime) else datetime.fromisoformat(str(value))


def _money(cents: int, row: Row) -> str:
    return f"{cents} {shown(row['currency'])}"


def _with(row: Row, *names: str) -> str:
    """The columns that the row has of these."""
    return "".join(f"  {name}={shown(row[name])}" for name in names if name in row)


def _payment(row: Row) -> Moments:
    names = "request_id", "stripe_session_id", "payment_intent_id", "error_message", "refused_because"
    asked = f"{_money(row['amount_cents'], row)} for user {row['user_id']}"
    status = "" if "completed_at" in row else f", {shown(row['status'])}"
    yield row["at"], "payment", f"{asked}{status}{_with(row, *names, 'recheck_at')}"
    if "completed_at" in row:
        paid = f", {row['paid_cents']} {shown(row['paid_currency'])} paid" if "paid_cents" in row else ""
        credited = row.get("credit_cents", row.get("paid_cents"))
        more = f", for a credit of {credited}" if paid and credited != row["paid_cents"] else ""
        yield row["completed_at"], "payment", f"{shown(row['status'])}{paid}{more}"
    yield from _seen(row, "the credit")


def _event(row: Row) -> Moments:
    event, became = shown(row["event_id"]), f"{shown(row['outcome'])}{_with(row, 'reason')}"
    is_later = (_time(row["updated_at"]) - _time(row["at"])).total_seconds() >= 1
    yield row["at"], "Stripe", f"{shown(row['type'])} {event}{': received' if is_later else f': {became}'}"
    if is_later:
        yield row["updated_at"], "Stripe", f"{event}: {became}"


def _refund(row: Row) -> Moments:
    yield (
        row["at"],
        "refund",
        f"{shown(row['refund_key'])} asks Stripe to refund {_money(row['amount_cents'], row)}",
    )
    if "refused_at" in row:
        yield row["refused_at"], "refund", f"{shown(row['refund_key'])}: {row['refused_because']}"


def _reversal(row: Row) -> Moments:
    effect, state = shown(row["effect_key"]), "" if "emitted_at" in row else f", {shown(row['state'])}"
    details = _with(row, "event_id", "recheck_at")
    moved = row.get("credit_cents", row["amount_cents"])
    share = f", {moved} of the balance" if moved != row["amount_cents"] else ""
    yield row["at"], "reversal", f"{effect}: {_money(row['amount_cents'], row)}{share}{state}{details}"
    if "emitted_at" in row:
        yield row["emitted_at"], "reversal", f"{effect} emitted"
    yield from _seen(row, effect)


def _seen(row: Row, what: str) -> Moments:
    if "credited_at" in row:
        yield row["credited_at"], "ledger", f"the reconciler saw {what} there"


def _message(row: Row) -> Moments:
    yield row["at"], "outbox", f"{shown(row['effect_key'])} waits to be published to {shown(row['topic'])}"


def _entry(row: Row) -> Moments:
    moved = f"{int(row['amount_cents']):+} {shown(row['currency'])} for user {row['user_id']}"
    details = _with(row, "topic", "partition", "kafka_offset", "reason", "operator")
    yield row["at"], "ledger", f"{shown(row['effect_key'])}: {moved}{details}"


def _parked(row: Row) -> Moments:
    what = shown(row.get("effect_key", "an unreadable record"))
    details = _with(row, "user_id", "amount_cents", "currency", "topic", "partition", "kafka_offset")
    yield row["at"], "parked", f"{row['id']} ({what}): {shown(row['reason'])}{details}"
    if "resolved_at" in row:
        decision = f"{row['id']} was {shown(row['resolution'])}{_with(row, 'operator', 'resolution_reason')}"
        yield row["resolved_at"], "parked", decision


def _other(row: Row) -> Moments:
    """A table of another release."""
    yield row["at"], shown(row["table"]), text.columns(row)


_OF_TABLE: dict[str, Callable[[Row], Moments]] = {
    "checkout_transactions": _payment,
    "stripe_events": _event,
    "requested_refunds": _refund,
    "reversals": _reversal,
    "outbox": _message,
    "ledger_entries": _entry,
    "parked_events": _parked,
}
