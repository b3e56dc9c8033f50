"""Line items of a Checkout Session, from inline prices."""

from typing import Any

from stripe_simulator.ids import new_id
from stripe_simulator.storage.transaction import Json


def new_line_items(created: int, wanted: list[dict[str, Any]]) -> list[Json]:
    """One `item` for each `line_items[]` parameter (`price_data`, `quantity`), in the same order."""
    return [_line_item(created, item["price_data"], item.get("quantity", 1)) for item in wanted]


def _line_item(created: int, price_data: Json, quantity: int) -> Json:
    amount = price_data["unit_amount"] * quantity
    return {
        "id": new_id("li"),
        "object": "item",
        "adjustable_quantity": None,
        "amount_discount": 0,
        "amount_subtotal": amount,
        "amount_tax": 0,
        "amount_total": amount,
        "currency": price_data["currency"],
        "description": price_data["product_data"]["name"],
        "metadata": {},
        "price": {
            "id": new_id("price"),
            "object": "price",
            "active": False,
            "billing_scheme": "per_unit",
            "created": created,
            "currency": price_data["currency"],
            "custom_unit_amount": None,
            "livemode": False,
            "lookup_key": None,
            "metadata": {},
            "nickname": None,
            "product": new_id("prod", 14),
            "recurring": None,
            "tax_behavior": price_data.get("tax_behavior", "unspecified"),
            "tiers_mode": None,
            "transform_quantity": None,
            "type": "one_time",
            "unit_amount": price_data["unit_amount"],
            "unit_amount_decimal": str(price_data["unit_amount"]),
        },
        "quantity": quantity,
    }
