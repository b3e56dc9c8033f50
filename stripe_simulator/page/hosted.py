"""`/c/pay/<session id>`: GET shows the checkout, POST pays.

The form's fields, for people and scripts alike (application/x-www-form-urlencoded):

    payment_method  card (default), bank_debit_succeeds, bank_debit_fails
    card_number     a test card, spaces allowed; the only one a card payment needs
    card_expiry     MM/YY or MM/YYYY, the slash and blanks optional; left out or empty, a valid one is assumed
    card_cvc        3 or 4 digits; likewise
    name, email     likewise
    promotion_code  one of `/v1/promotion_codes`, if the session allows them
    apply           with any value: the code is applied, or removed if there is none, and nothing is paid

If a code leaves nothing to pay, only name and email count.

POST answers 303 to `success_url` once the session is complete (also when it already was), 200 with the page
after `apply`, 402 with the page and the message for a declined card, 400 for a field that is wrong, 410 for
an expired session, 404 for an unknown one, 415 for a body that is no form.
"""

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlsplit

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from stripe_simulator import content_types
from stripe_simulator.page import view
from stripe_simulator.resources import cards, checkout_sessions, coupons, payments, pricing
from stripe_simulator.resources.payment_methods import Payer
from stripe_simulator.resources.payments import Completed, Declined, NotOpen
from stripe_simulator.storage.database import Database
from stripe_simulator.storage.transaction import Json, Transaction
from stripe_simulator.webhooks.dispatcher import Dispatcher

# Digits alone are read as Stripe's field does: a first one that can begin a month of two digits does.
_EXPIRY = re.compile(r"((?>0[1-9]|1[0-2]|[1-9])) */? *((?:20)?[0-9]{2})")
_ASSUMED_NAME, _ASSUMED_EMAIL = "Jenny Rosen", "jenny.rosen@example.com"


class FieldRefused(ValueError):
    """What the customer typed is refused; the message is for them."""


@dataclass(frozen=True)
class HostedPage:
    database: Database
    dispatcher: Dispatcher
    redirect_wait_seconds: float

    async def show(self, request: Request) -> Response:
        found = await self._find(request)
        if found is None:
            return _html(view.unknown(), 404)
        session, items = found
        if session["status"] == "open":
            return _html(view.form(session, items, {}), session=session)
        if session["status"] == "complete":
            return _html(view.already_complete(session))
        return _html(view.expired(session), 410)

    async def pay(self, request: Request) -> Response:
        found = await self._find(request)
        if found is None:
            return _html(view.unknown(), 404)
        session, items = found
        if session["status"] != "open":
            return _ended(session)
        body = await request.body()
        if body and content_types.of(request) != content_types.FORM:
            return _html(view.not_a_form(), 415)
        typed = dict(parse_qsl(body.decode(errors="replace")))
        try:
            if "apply" in typed:
                await self.database.run(lambda transaction: _with_code(transaction, session, typed))
                return await self.show(request)
            outcome = await self.database.run(lambda transaction: _pay(transaction, session, typed))
        except coupons.CodeRefused as error:
            return _html(view.form(session, items, typed, str(error), is_code=True), 400, session)
        except (FieldRefused, cards.CardNumberRefused) as error:
            return _html(view.form(session, items, typed, str(error)), 400, session)
        if isinstance(outcome, Declined):
            session, items = await self._find(request) or (session, items)
            return _html(view.form(session, items, typed, outcome.message), 402, session)
        if isinstance(outcome, Completed):
            await self.dispatcher.wait_until_answered(outcome.event_ids, self.redirect_wait_seconds)
        return _ended(outcome.session)

    async def _find(self, request: Request) -> tuple[Json, list[Json]] | None:
        session_id: str = request.path_params["session_id"]

        def find(transaction: Transaction) -> tuple[Json, list[Json]] | None:
            session = transaction.find("checkout.session", session_id)
            if session is None:
                return None
            if session["status"] == "open":
                session, _ = pricing.quoted(transaction, session)
            return (session, checkout_sessions.shown_items(transaction, session_id))

        return await self.database.run(find)


def _ended(session: Json) -> Response:
    """The answer once there is nothing left to pay."""
    if session["status"] == "complete":
        return RedirectResponse(view.success_url(session), 303)
    return _html(view.expired(session), 410)


def _pay(transaction: Transaction, shown: Json, typed: Mapping[str, str]) -> Completed | Declined | NotOpen:
    """Pay with these fields. Raises `FieldRefused`, `CardNumberRefused`, `CodeRefused`, with nothing
    changed."""
    session = transaction.get("checkout.session", shown["id"])  # Another submission may have come first.
    if session["status"] != "open":
        return NotOpen(session)
    if typed.get("promotion_code", "").strip():
        session = _with_code(transaction, session, typed)
    email = _email(typed) or session["customer_email"] or _ASSUMED_EMAIL
    payer = Payer(typed.get("name") or _ASSUMED_NAME, email)
    session = pricing.price(transaction, session)
    if session["amount_total"] == 0:
        return payments.complete_free(transaction, session, payer)
    offered = view.methods(session)
    method = typed.get("payment_method", offered[0])
    if method not in offered:
        raise FieldRefused("Choose one of the payment methods.")
    if method == view.CARD:
        card = cards.find(typed.get("card_number", ""))
        month, year = _expiry(typed.get("card_expiry", "").strip())
        _check_cvc(typed.get("card_cvc", "").strip())
        return payments.pay_by_card(transaction, session, card, payer, month, year)
    scheme = next(kind for kind in session["payment_method_types"] if kind != "card")
    settles = method == view.DEBIT_SUCCEEDS
    return payments.pay_by_bank_debit(transaction, session, scheme, payer, settles=settles)


def _with_code(transaction: Transaction, shown: Json, typed: Mapping[str, str]) -> Json:
    """The session with the code that was typed, or without one. Raises `CodeRefused`."""
    session = transaction.get("checkout.session", shown["id"])
    if session["status"] != "open":
        return session
    if not session["allow_promotion_codes"]:
        raise coupons.CodeRefused("This checkout takes no promotion codes.")
    code = typed.get("promotion_code", "").strip()
    if not code:
        return pricing.remove_code(transaction, session)
    return pricing.apply_code(transaction, session, coupons.active_code(transaction, code))


def _email(typed: Mapping[str, str]) -> str:
    email = typed.get("email", "").strip()
    if email and not re.fullmatch(r"[^@\s]+@[^@\s]+", email):
        raise FieldRefused("Your email is incomplete.")
    return email


def _expiry(typed: str) -> tuple[int, int]:
    today = time.gmtime()
    if not typed:
        return 12, today.tm_year + 1
    match = _EXPIRY.fullmatch(typed)
    if not match:
        raise FieldRefused("Your card's expiration date is incomplete.")
    month, year = int(match[1]), int(match[2]) % 100 + 2000
    if (year, month) < (today.tm_year, today.tm_mon):
        raise FieldRefused("Your card's expiration date is in the past.")
    return month, year


def _check_cvc(typed: str) -> None:
    if typed and not re.fullmatch(r"[0-9]{3,4}", typed):
        raise FieldRefused("Your card's security code is incomplete.")


def _html(content: str, status: int = 200, session: Json | None = None) -> Response:
    # Browsers also apply form-action to the redirect after the form.
    after = urlsplit(session["success_url"]) if session else None
    policy = (
        "default-src 'none'; style-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'"
        + (f" {after.scheme}://{after.netloc}" if after else "")
    )
    headers = {
        "Content-Security-Policy": policy,
        "Cache-Control": "no-store",
        "Referrer-Policy": "same-origin",  # Without one the form's own origin would be "null".
        "X-Content-Type-Options": "nosniff",
    }
    return HTMLResponse(content, status, headers)
