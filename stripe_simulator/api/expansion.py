"""`expand[]`: replaces ids in an answer by the objects they name."""

from collections.abc import Mapping

from stripe_simulator.api.errors import InvalidParameter
from stripe_simulator.resources import checkout_sessions
from stripe_simulator.storage.transaction import Json, Transaction

DEPTH_LIMIT = 4

# Kind with the field → kind that the field names.
EXPANDABLE: Mapping[str, Mapping[str, str]] = {
    "checkout.session": {"payment_intent": "payment_intent"},
    "payment_intent": {"latest_charge": "charge", "payment_method": "payment_method"},
    "charge": {
        "payment_intent": "payment_intent",
        "balance_transaction": "balance_transaction",
        "failure_balance_transaction": "balance_transaction",
    },
    "refund": {
        "charge": "charge",
        "payment_intent": "payment_intent",
        "balance_transaction": "balance_transaction",
        "failure_balance_transaction": "balance_transaction",
    },
    "dispute": {"charge": "charge", "payment_intent": "payment_intent"},
}
NULLABLE = frozenset(
    ("customer", "invoice", "subscription", "setup_intent", "on_behalf_of", "review", "application")
)
SOURCES = {"ch": "charge", "py": "charge", "re": "refund", "pyr": "refund", "du": "dispute"}


def expand(transaction: Transaction, answer: Json, paths: list[str]) -> Json:
    """The answer with the object at every path. The path to a list's elements goes through `data`."""
    for number, path in enumerate(paths):
        segments = path.split(".")
        if len(segments) - (segments[0] == "data") > DEPTH_LIMIT:
            raise InvalidParameter(
                f"You cannot expand more than {DEPTH_LIMIT} levels of a property. Property: {path}",
                param="expand",
            )
        if answer["object"] == "list":
            if segments[0] != "data" or len(segments) == 1:
                raise _refused(path, number)
            for element in answer["data"]:
                _expand(transaction, element, segments[1:], path, number)
        else:
            _expand(transaction, answer, segments, path, number)
    return answer


def _expand(transaction: Transaction, body: Json, segments: list[str], path: str, number: int) -> None:
    field, *rest = segments
    if field not in body or isinstance(body[field], str):
        body[field] = _expanded(transaction, body, field, path, number)
    value = body[field]
    if value is None:
        if field not in EXPANDABLE.get(body["object"], {}) and field not in NULLABLE:
            raise _refused(path, number)
    elif not isinstance(value, dict | list):
        raise _refused(path, number)
    elif rest:
        _expand_inside(transaction, value, rest, path, number)


def _expand_inside(
    transaction: Transaction, value: Json | list[Json], segments: list[str], path: str, number: int
) -> None:
    if isinstance(value, list):
        elements = value
    elif value.get("object") == "list" and segments[0] == "data":
        elements, segments = value["data"], segments[1:]
    else:
        elements = [value]
    for element in elements:
        if segments:
            _expand(transaction, element, segments, path, number)


def _expanded(transaction: Transaction, body: Json, field: str, path: str, number: int) -> Json:
    if body["object"] == "checkout.session" and field == "line_items":
        return line_items(transaction, body["id"])
    if body["object"] == "balance_transaction" and field == "source":
        return transaction.get(SOURCES[body["source"].partition("_")[0]], body["source"])
    kind = EXPANDABLE.get(body["object"], {}).get(field)
    if kind is None or field not in body:
        raise _refused(path, number)
    return transaction.get(kind, body[field])


def line_items(transaction: Transaction, session_id: str) -> Json:
    """The list for an expanded `line_items`, and for a session's `line_items` path."""
    return {
        "object": "list",
        "data": checkout_sessions.line_items(transaction, session_id),
        "has_more": False,
        "url": f"/v1/checkout/sessions/{session_id}/line_items",
    }


def _refused(path: str, number: int) -> InvalidParameter:
    return InvalidParameter(f"This property cannot be expanded ({path}).", param=f"expand[{number}]")
