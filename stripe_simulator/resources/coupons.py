"""Coupons, and promotion codes: what customers type to get a coupon's discount."""

from typing import Any

from stripe_simulator.ids import new_id, random_text
from stripe_simulator.resources import metadata
from stripe_simulator.storage.transaction import Json, Transaction

INVALID, EXPIRED = "This code is invalid.", "This code has expired."


class CodeRefused(ValueError):
    """A coupon or promotion code that cannot be redeemed; the message is for the customer."""


def create_coupon(transaction: Transaction, params: dict[str, Any]) -> Json:
    coupon = {
        "id": params.get("id") or random_text(8),
        "object": "coupon",
        "amount_off": params.get("amount_off"),
        "created": transaction.now,
        "currency": params.get("currency"),
        "duration": params.get("duration", "once"),
        "duration_in_months": params.get("duration_in_months"),
        "livemode": False,
        "max_redemptions": params.get("max_redemptions"),
        "metadata": metadata.initial(params.get("metadata")),
        "name": params.get("name"),
        "percent_off": params.get("percent_off"),
        "redeem_by": params.get("redeem_by"),
        "times_redeemed": 0,
        "valid": True,
    }
    transaction.insert(coupon)
    transaction.say(f"coupon {coupon['id']}")
    return coupon


def create_promotion_code(transaction: Transaction, coupon: Json, params: dict[str, Any]) -> Json:
    restrictions = params.get("restrictions", {})
    code = {
        "id": new_id("promo"),
        "object": "promotion_code",
        "active": params.get("active", True),
        "code": params.get("code") or random_text(8).upper(),
        "created": transaction.now,
        "customer": None,
        "customer_account": None,
        "expires_at": params.get("expires_at"),
        "livemode": False,
        "max_redemptions": params.get("max_redemptions"),
        "metadata": metadata.initial(params.get("metadata")),
        "promotion": {"coupon": coupon["id"], "type": "coupon"},
        "restrictions": {
            "first_time_transaction": False,
            "minimum_amount": restrictions.get("minimum_amount"),
            "minimum_amount_currency": restrictions.get("minimum_amount_currency"),
        },
        "times_redeemed": 0,
    }
    transaction.insert(code)
    transaction.say(f"promotion code {code['code']} of coupon {coupon['id']}")
    return code


def active_code(transaction: Transaction, typed: str) -> Json | None:
    """The active promotion code that a customer typed, in any case."""
    codes = transaction.all("promotion_code")
    return next((one for one in codes if one["active"] and one["code"].lower() == typed.lower()), None)


def require_redeemable_code(transaction: Transaction, code: Json, session: Json) -> Json:
    """Returns its coupon. Raises `CodeRefused`."""
    if not code["active"]:
        raise CodeRefused(INVALID)
    if _is_past(transaction, code["expires_at"]) or _is_used_up(code):
        raise CodeRefused(EXPIRED)
    least, currency = (code["restrictions"][f"minimum_amount{end}"] for end in ("", "_currency"))
    if least is not None and (currency != session["currency"] or session["amount_subtotal"] < least):
        raise CodeRefused("This code needs a larger order.")
    coupon = transaction.find("coupon", code["promotion"]["coupon"])
    if coupon is None:
        raise CodeRefused(INVALID)
    require_redeemable(transaction, coupon, session)
    return coupon


def require_redeemable(transaction: Transaction, coupon: Json, session: Json) -> None:
    """Raises `CodeRefused`."""
    if _is_past(transaction, coupon["redeem_by"]) or _is_used_up(coupon):
        raise CodeRefused(EXPIRED)
    if coupon["amount_off"] is not None and coupon["currency"] != session["currency"]:
        raise CodeRefused("This code is for another currency.")


def redeem(transaction: Transaction, session: Json) -> None:
    """Count the redemption by a session that is complete."""
    for discount in session["discounts"]:
        for kind in ("coupon", "promotion_code"):
            one = transaction.find(kind, discount[kind]) if discount[kind] else None
            if one is not None:
                redeemed = {**one, "times_redeemed": one["times_redeemed"] + 1}
                if kind == "coupon":
                    redeemed["valid"] = not _is_used_up(redeemed)
                transaction.update(redeemed)


def change(transaction: Transaction, before: Json, params: dict[str, Any]) -> Json:
    """Change `metadata`, a coupon's `name`, and whether a promotion code is `active`."""
    replaced: Json = {name: params[name] for name in ("name", "active") if name in params}
    changed = {**before, **replaced}
    if "metadata" in params:
        changed["metadata"] = metadata.merged(before["metadata"], params["metadata"])
    transaction.update(changed)
    return changed


def delete_coupon(transaction: Transaction, coupon: Json) -> Json:
    """Sessions that have it keep their discount."""
    transaction.delete(coupon["id"])
    return {"id": coupon["id"], "object": "coupon", "deleted": True}


def _is_past(transaction: Transaction, moment: int | None) -> bool:
    return moment is not None and moment <= transaction.now


def _is_used_up(one: Json) -> bool:
    return one["max_redemptions"] is not None and one["times_redeemed"] >= one["max_redemptions"]
