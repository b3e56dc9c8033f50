"""What an open session costs the customer: its discount, and the tax once they pay."""

from stripe_simulator import money
from stripe_simulator.resources import coupons, totals
from stripe_simulator.storage.transaction import Json, Transaction


def discount_asked(transaction: Transaction, session: Json, asked: Json) -> Json:
    """The new session with the discount that it was asked for. Raises `CodeRefused`."""
    if "promotion_code" in asked:
        return apply_code(transaction, session, transaction.find("promotion_code", asked["promotion_code"]))
    coupon = transaction.find("coupon", asked["coupon"])
    if coupon is None:
        raise coupons.CodeRefused(f"No such coupon: '{asked['coupon']}'")
    coupons.require_redeemable(transaction, coupon, session)
    return _discount(transaction, session, coupon, None)


def apply_code(transaction: Transaction, session: Json, code: Json | None) -> Json:
    """The session with the discount of a promotion code, in the place of any other. Raises `CodeRefused`."""
    if code is None:
        raise coupons.CodeRefused(coupons.INVALID)
    coupon = coupons.require_redeemable_code(transaction, code, session)
    return _discount(transaction, session, coupon, code["id"])


def remove_code(transaction: Transaction, session: Json) -> Json:
    return _discount(transaction, session, None, None)


def _discount(transaction: Transaction, session: Json, coupon: Json | None, code_id: str | None) -> Json:
    transaction.remember(session["id"], {**transaction.private(session["id"]), "coupon": coupon})
    discounts = [{"coupon": coupon["id"], "promotion_code": code_id}] if coupon else []
    discounted, items = quoted(transaction, {**session, "discounts": discounts}, is_taxed=False)
    least = money.minimum(session["currency"])
    if 0 < discounted["amount_total"] < least:
        raise coupons.CodeRefused(
            f"With this code the total would be less than {money.display(least, session['currency'])}."
        )
    return _keep(transaction, discounted, items)


def quoted(transaction: Transaction, session: Json, *, is_taxed: bool = True) -> tuple[Json, list[Json]]:
    """The session and its line items as they will be paid. Until the customer has an address, which they have
    when they pay, Stripe knows no tax."""
    tax = session["automatic_tax"]
    is_taxed = is_taxed and tax["enabled"]
    private = transaction.private(session["id"])
    items = totals.priced(private["line_items"], private.get("coupon"), is_taxed=is_taxed)
    if is_taxed:
        tax = {**tax, "status": "complete"}
    return {**session, **totals.of(items), "automatic_tax": tax}, items


def price(transaction: Transaction, session: Json) -> Json:
    """The session with what is paid for it, as the customer submits the page."""
    return _keep(transaction, *quoted(transaction, session))


def _keep(transaction: Transaction, session: Json, items: list[Json]) -> Json:
    transaction.remember(session["id"], {**transaction.private(session["id"]), "line_items": items})
    transaction.update(session)
    return session
