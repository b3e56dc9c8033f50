"""The HTML of the hosted page: a plain form that needs no JavaScript, and two notices."""

from collections.abc import Iterator, Mapping
from html import escape
from pathlib import Path
from string import Template

from stripe_simulator import money
from stripe_simulator.storage.transaction import Json

CARD, DEBIT_SUCCEEDS, DEBIT_FAILS = "card", "bank_debit_succeeds", "bank_debit_fails"
_METHOD_LABELS = {
    CARD: "Card",
    DEBIT_SUCCEEDS: "Bank debit that settles",
    DEBIT_FAILS: "Bank debit that fails",
}

_INVALID = ' aria-invalid="true" aria-describedby="problem" autofocus'
_NOTHING_TO_PAY = "<p>There is nothing to pay.</p>"

_FOLDER = Path(__file__).parent
_PAGE = Template((_FOLDER / "checkout.html").read_text("utf-8"))
_FORM = Template((_FOLDER / "form.html").read_text("utf-8"))
_PAYMENT = Template((_FOLDER / "payment.html").read_text("utf-8"))
_PROMOTION = Template((_FOLDER / "promotion.html").read_text("utf-8"))
STYLESHEET = (_FOLDER / "checkout.css").read_text("utf-8")


def success_url(session: Json) -> str:
    """The address for the customer after the payment, with the session's id if its creator asked for that."""
    url: str = session["success_url"]
    return url.replace("{CHECKOUT_SESSION_ID}", session["id"])


def methods(session: Json) -> list[str]:
    """The payment methods that the page offers for a session."""
    offered = [CARD] if "card" in session["payment_method_types"] else []
    if any(kind != "card" for kind in session["payment_method_types"]):
        offered += [DEBIT_SUCCEEDS, DEBIT_FAILS]
    return offered


def form(
    session: Json,
    items: list[Json],
    typed: Mapping[str, str],
    problem: str | None = None,
    *,
    is_code: bool = False,
) -> str:
    """The checkout form, with what the customer typed before and what was wrong with it: with the promotion
    code if `is_code`. `session` has what will be paid; `items` are line items, each with its
    `product_description`."""
    amount = money.display(session["amount_total"], session["currency"])
    action = f"/c/pay/{escape(session['id'])}"
    content = _FORM.substitute(
        product=escape(items[0]["description"] if len(items) == 1 else "Your order"),
        descriptions="".join(_description(item) for item in items),
        amount=escape(amount),
        items="".join(_item(item) for item in items) if len(items) > 1 or items[0]["quantity"] > 1 else "",
        totals="".join(_totals(session)),
        alert=f'<p role="alert" id="problem">{escape(problem)}</p>' if problem else "",
        promotion=_promotion(session, action, typed, is_refused=is_code),
        action=action,
        email=escape(typed.get("email") or session["customer_email"] or ""),
        payment=_payment(session, typed, is_refused=bool(problem) and not is_code)
        if session["amount_total"]
        else _NOTHING_TO_PAY,
        submit=escape(f"Pay {amount}") if session["amount_total"] else "Complete order",
        back=_link(session["cancel_url"], "Back without paying"),
    )
    return _PAGE.substitute(title=escape(f"Pay {amount}"), content=content)


def _payment(session: Json, typed: Mapping[str, str], *, is_refused: bool) -> str:
    offered = methods(session)
    chosen = typed.get("payment_method", offered[0])
    return _PAYMENT.substitute(
        methods="\n    ".join(_method(name, name == chosen) for name in offered),
        card_number=escape(typed.get("card_number", "")),
        card_expiry=escape(typed.get("card_expiry", "")),
        name=escape(typed.get("name", "")),
        invalid=_INVALID if is_refused and chosen == CARD else "",
    )


def _promotion(session: Json, action: str, typed: Mapping[str, str], *, is_refused: bool) -> str:
    """A form of its own: Enter in it applies the code, and Enter elsewhere pays."""
    if not session["allow_promotion_codes"]:
        return ""
    return _PROMOTION.substitute(
        action=action,
        code=escape(typed.get("promotion_code", "")),
        invalid=_INVALID if is_refused else "",
        applied='<p role="status">A code is applied. Apply an empty one to remove it.</p>'
        if session["discounts"]
        else "",
    )


def _totals(session: Json) -> Iterator[str]:
    """What leads from the subtotal to the total, if they differ or contain tax."""
    details, currency = session["total_details"], session["currency"]
    discount, tax = details["amount_discount"], details["amount_tax"]
    if discount or tax:
        yield _total("Subtotal", session["amount_subtotal"], currency)
    if discount:
        yield _total("Discount", -discount, currency)
    if tax:
        is_on_top = session["amount_total"] > session["amount_subtotal"] - discount
        yield _total("Tax" if is_on_top else "Tax, included", tax, currency)


def _total(name: str, amount: int, currency: str) -> str:
    return f"<li>{name}: {escape(money.display(amount, currency))}</li>"


def already_complete(session: Json) -> str:
    return _notice(
        "You're all done here", "This payment was already submitted.", _link(success_url(session), "Continue")
    )


def expired(session: Json) -> str:
    text = "Nothing was paid. Go back and start again."
    return _notice("This checkout has expired", text, _link(session["cancel_url"], "Back"))


def unknown() -> str:
    return _notice("No such checkout", "The address is incomplete, or belongs to another simulator.", "")


def not_a_form() -> str:
    return _notice("Not understood", "The body is not a form (application/x-www-form-urlencoded).", "")


def _notice(title: str, text: str, link: str) -> str:
    content = f'<h1>{escape(title)}</h1>\n<p role="status">{escape(text)}</p>\n{link}'
    return _PAGE.substitute(title=escape(title), content=content)


def _item(item: Json) -> str:
    amount = money.display(item["amount_total"], item["currency"])
    return f"<li>{item['quantity']} × {escape(item['description'])}: {escape(amount)}</li>"


def _description(item: Json) -> str:
    text = item.get("product_description")
    return f'<p class="description">{escape(text)}</p>' if text else ""


def _method(name: str, chosen: bool) -> str:
    attributes = f'type="radio" name="payment_method" value="{name}"' + (" checked" if chosen else "")
    return f"<label><input {attributes}>{_METHOD_LABELS[name]}</label>"


def _link(url: str | None, text: str) -> str:
    return f'<p><a href="{escape(url)}">{escape(text)}</a></p>' if url else ""
