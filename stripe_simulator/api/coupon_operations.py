"""/v1/coupons and /v1/promotion_codes"""

import re
from typing import Any

from stripe_simulator.api.errors import InvalidParameter, NotFound
from stripe_simulator.api.forms import Raw
from stripe_simulator.api.operations import EXPAND, Call, Operation, listing, named, retrieval
from stripe_simulator.api.params import (
    boolean,
    check_step,
    choice,
    currency,
    fields,
    integer,
    metadata,
    percentage,
    text,
)
from stripe_simulator.resources import coupons
from stripe_simulator.storage.transaction import Json, Transaction

COUPONS, CODES = "/coupons", "/promotion_codes"

_CREATE_COUPON = fields(
    {
        "id": text(200),
        "amount_off": integer(least=1),
        "currency": currency,
        "duration": choice("forever", "once", "repeating"),
        "duration_in_months": integer(least=1),
        "max_redemptions": integer(least=1),
        "metadata": metadata,
        "name": text(40),
        "percent_off": percentage,
        "redeem_by": integer(),
        **EXPAND,
    }
)


def _code(raw: Raw, name: str) -> Any:
    if not isinstance(raw, str) or not re.fullmatch(r"[A-Za-z0-9-]{1,500}", raw):
        raise InvalidParameter("A code has letters, digits and dashes.", param=name)
    return raw


_CREATE_CODE = fields(
    {
        "active": boolean,
        "code": _code,
        "expires_at": integer(),
        "max_redemptions": integer(least=1),
        "metadata": metadata,
        "promotion": fields({"type": choice("coupon"), "coupon": text()}, required=("type", "coupon")),
        "restrictions": fields({"minimum_amount": integer(least=1), "minimum_amount_currency": currency}),
        **EXPAND,
    },
    required=("promotion",),
)


def create_coupon(transaction: Transaction, call: Call) -> Json:
    params = dict(call.params)
    if ("amount_off" in params) == ("percent_off" in params):
        raise InvalidParameter("You must specify either amount_off or percent_off, and not both.")
    if "amount_off" in params:
        if "currency" not in params:
            raise InvalidParameter(
                "Missing required param: currency.", code="parameter_missing", param="currency"
            )
        check_step(params["amount_off"], params["currency"], "amount_off")
    _require_future(transaction, params, "redeem_by")
    if "id" in params and transaction.find("coupon", params["id"]):
        raise InvalidParameter("Coupon already exists.", code="resource_already_exists", param="id")
    return coupons.create_coupon(transaction, params)


def create_code(transaction: Transaction, call: Call) -> Json:
    params = dict(call.params)
    coupon_id = params["promotion"]["coupon"]
    coupon = transaction.find("coupon", coupon_id)
    if coupon is None:
        raise NotFound("coupon", coupon_id, "promotion[coupon]")
    if len(params.get("restrictions", {})) == 1:
        raise InvalidParameter(
            "minimum_amount and minimum_amount_currency go together.", param="restrictions"
        )
    _require_future(transaction, params, "expires_at")
    if "code" in params and coupons.active_code(transaction, params["code"]):
        raise InvalidParameter("An active promotion code with this code already exists.", param="code")
    return coupons.create_promotion_code(transaction, coupon, params)


def _require_future(transaction: Transaction, params: dict[str, Any], name: str) -> None:
    if params.get(name, transaction.now + 1) <= transaction.now:
        raise InvalidParameter(f"{name} must be in the future.", param=name)


def _update(kind: str) -> Any:
    return lambda transaction, call: coupons.change(
        transaction, named(transaction, kind, call), dict(call.params)
    )


def delete_coupon(transaction: Transaction, call: Call) -> Json:
    return coupons.delete_coupon(transaction, named(transaction, "coupon", call))


OPERATIONS = (
    Operation("POST", COUPONS, create_coupon, _CREATE_COUPON),
    listing("coupon", COUPONS),
    retrieval("coupon", COUPONS),
    Operation(
        "POST",
        f"{COUPONS}/{{id}}",
        _update("coupon"),
        fields({"metadata": metadata, "name": text(40), **EXPAND}),
    ),
    Operation("DELETE", f"{COUPONS}/{{id}}", delete_coupon),
    Operation("POST", CODES, create_code, _CREATE_CODE),
    listing("promotion_code", CODES, code=text(), active=boolean),
    retrieval("promotion_code", CODES),
    Operation(
        "POST",
        f"{CODES}/{{id}}",
        _update("promotion_code"),
        fields({"metadata": metadata, "active": boolean, **EXPAND}),
    ),
)
