"""/v1/events"""

from typing import Any

from stripe_simulator.api import lists
from stripe_simulator.api.errors import InvalidParameter
from stripe_simulator.api.operations import Call, Operation, named
from stripe_simulator.api.params import boolean, fields, list_of, text
from stripe_simulator.resources.events import with_pending_webhooks
from stripe_simulator.storage.transaction import Json, Transaction

PATH = "/events"
_UNDELIVERED = "id IN (SELECT event_id FROM deliveries WHERE state <> 'succeeded')"
_LIST = fields(
    {"type": text(), "types": list_of(text()), "delivery_success": boolean, **lists.CREATED, **lists.PAGE}
)


def list_events(transaction: Transaction, call: Call) -> Json:
    page = lists.page(transaction, "event", call.url, dict(call.params), _conditions(dict(call.params)))
    return {**page, "data": with_pending_webhooks(transaction, page["data"])}


def retrieve(transaction: Transaction, call: Call) -> Json:
    return with_pending_webhooks(transaction, [named(transaction, "event", call)])[0]


OPERATIONS = (
    Operation("GET", PATH, list_events, _LIST),
    Operation("GET", f"{PATH}/{{id}}", retrieve),
)


def _conditions(params: dict[str, Any]) -> list[lists.Condition]:
    if "type" in params and "types" in params:
        raise InvalidParameter("You may only specify one of these parameters: type, types.", param="type")
    conditions: list[lists.Condition] = []
    if types := params.get("types") or ([params["type"]] if "type" in params else []):
        either = " OR ".join(["json_extract(body, '$.type') GLOB ?"] * len(types))
        conditions.append((f"({either})", tuple(_pattern(name) for name in types)))
    if "delivery_success" in params:
        conditions.append((("NOT " if params["delivery_success"] else "") + _UNDELIVERED, ()))
    return conditions


def _pattern(name: str) -> str:
    """Stripe's only wildcard is `*`; GLOB has two more."""
    return name.replace("[", "[[]").replace("?", "[?]")
