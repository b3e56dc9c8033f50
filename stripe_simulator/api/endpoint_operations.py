"""/v1/webhook_endpoints"""

from collections.abc import Mapping
from typing import Any

from stripe_simulator.addresses import may_be_posted_to
from stripe_simulator.api.errors import InvalidParameter
from stripe_simulator.api.operations import EXPAND, Call, Operation, listing, named, retrieval
from stripe_simulator.api.params import Declaration, boolean, fields, list_of, metadata, text, url
from stripe_simulator.resources import webhook_endpoints
from stripe_simulator.storage.transaction import Json, Transaction

PATH = "/webhook_endpoints"
_COMMON: dict[str, Declaration] = {
    "url": url,
    "enabled_events": list_of(text()),
    "description": text(),
    "metadata": metadata,
    **EXPAND,
}
_CREATE = fields({"api_version": text(40), **_COMMON}, required=("url", "enabled_events"))
_UPDATE = fields({"disabled": boolean, **_COMMON})


def create(transaction: Transaction, call: Call) -> Json:
    params = {name: value for name, value in call.params.items() if name != "expand"}
    if not params["enabled_events"]:
        raise InvalidParameter("enabled_events must name at least one event.", param="enabled_events")
    _check_address(transaction, params)
    return webhook_endpoints.create(transaction, **params)


def update(transaction: Transaction, call: Call) -> Json:
    endpoint = named(transaction, "webhook_endpoint", call)
    changes = {name: value for name, value in call.params.items() if name != "expand"}
    _check_address(transaction, changes)
    return webhook_endpoints.update(transaction, endpoint, changes)


def _check_address(transaction: Transaction, params: Mapping[str, Any]) -> None:
    """A rule that Stripe does not have: callers must not make this server send requests to other machines."""
    if "url" in params and not may_be_posted_to(params["url"], transaction.settings.endpoints):
        raise InvalidParameter(
            "Invalid URL: this simulator sends webhooks to loopback addresses only; for another host start"
            " it with --allowed-endpoints or STRIPE_SIMULATOR_ALLOWED_ENDPOINTS.",
            code="url_invalid",
            param="url",
        )


def delete(transaction: Transaction, call: Call) -> Json:
    return webhook_endpoints.delete(transaction, named(transaction, "webhook_endpoint", call))


OPERATIONS = (
    Operation("POST", PATH, create, _CREATE),
    listing("webhook_endpoint", PATH),
    retrieval("webhook_endpoint", PATH),
    Operation("POST", f"{PATH}/{{id}}", update, _UPDATE),
    Operation("DELETE", f"{PATH}/{{id}}", delete),
)
