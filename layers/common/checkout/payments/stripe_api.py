"""Stripe's API: the few calls we make, and its errors by what they mean for the idempotency key."""

import netrc  # noqa: F401 - `requests` imports it at its first call, if not here
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple, cast

import requests
import stripe
import stripe._object_classes
import stripe._telemetry_id
import urllib3

from checkout.base import timing
from checkout.base.errors import (
    StripeError,
    StripeKeyInUse,
    StripeKeyTaken,
    StripeNotReached,
    StripeObjectMissing,
    StripeOutcomeUnknown,
    StripeRefused,
    StripeRefusedField,
    StripeRefusedForGood,
)
from checkout.payments.stripe_event import API_VERSION

PAGE = 100
"""The most that Stripe gives at once."""

_CODES_OF_AMOUNT = frozenset({"amount_too_small", "amount_too_large", "invalid_charge_amount"})
"""https://docs.stripe.com/error-codes; the least amount depends on the account's settlement currency."""


# The SDK imports each of these at its first use, which thus is at init and not in the first event.
_v1 = stripe.StripeClient("unused").v1
_USED = (
    *(stripe.checkout.Session, _v1.checkout.sessions, _v1.payment_intents, _v1.refunds, _v1.disputes),
    *(_v1.events, _v1.balance_transactions),
)

Listing = Callable[[stripe.StripeClient], Callable[[Any], Any]]


class CreatedSession(NamedTuple):
    id: str
    url: str | None
    expires_at: datetime | None


class _Session(requests.Session):
    """Records whether a call may have reached Stripe. The SDK retries automatically, and its error describes
    only the last attempt."""

    may_have_arrived = False
    """True if any attempt of the current call may have."""

    def request(self, *args: Any, **kwargs: Any) -> requests.Response:
        try:
            answer = super().request(*args, **kwargs)
        except Exception as error:
            self.may_have_arrived = self.may_have_arrived or not _never_connected(error)
            raise
        self.may_have_arrived = True
        return answer


class StripeApi:
    """Raises only StripeError and its kin. `secret_key` is asked at every call, since it may be rotated."""

    def __init__(self, secret_key: Callable[[], str], base: str | None = None) -> None:
        """`base` is the origin of the API, where it is not Stripe's own."""
        self._secret_key = secret_key
        self._base = base
        self._client: tuple[str, stripe.StripeClient] | None = None
        self._session = _Session()

    def create_session(self, parameters: dict[str, Any], idempotency_key: str) -> CreatedSession:
        """https://docs.stripe.com/api/checkout/sessions/create"""
        session = self._asked(
            lambda client: client.v1.checkout.sessions.create(
                cast(Any, parameters), {"idempotency_key": idempotency_key}
            )
        )
        expires_at = session.get("expires_at")
        return CreatedSession(
            session["id"], session.get("url"), datetime.fromtimestamp(expires_at, UTC) if expires_at else None
        )

    def session(self, session_id: str) -> dict[str, Any]:
        """The Checkout session as it is now. Raises StripeObjectMissing if there is none."""
        return self._fetched(lambda client: client.v1.checkout.sessions.retrieve(session_id))

    def payment_intent(self, payment_intent_id: str) -> dict[str, Any]:
        """Raises StripeObjectMissing if there is none."""
        return self._fetched(lambda client: client.v1.payment_intents.retrieve(payment_intent_id))

    def refund(self, refund_id: str) -> dict[str, Any]:
        """Raises StripeObjectMissing if there is none."""
        return self._fetched(lambda client: client.v1.refunds.retrieve(refund_id))

    def create_refund(self, parameters: dict[str, Any], idempotency_key: str) -> dict[str, Any]:
        """https://docs.stripe.com/api/refunds/create. Raises StripeObjectMissing if there is no such payment
        intent."""
        return self._fetched(
            lambda client: client.v1.refunds.create(
                cast(Any, parameters), {"idempotency_key": idempotency_key}
            )
        )

    def refunds_of(self, payment_intent_id: str) -> list[dict[str, Any]]:
        """All of them. Raises StripeObjectMissing if there is no such payment intent."""
        return self._all(lambda client: client.v1.refunds.list, {"payment_intent": payment_intent_id})

    def dispute(self, dispute_id: str) -> dict[str, Any]:
        """With its balance transactions. Raises StripeObjectMissing if there is none."""
        return self._fetched(lambda client: client.v1.disputes.retrieve(dispute_id))

    def disputes_of(self, payment_intent_id: str) -> list[dict[str, Any]]:
        """All of them. Raises StripeObjectMissing if there is no such payment intent."""
        return self._all(lambda client: client.v1.disputes.list, {"payment_intent": payment_intent_id})

    def events(
        self, *, since: int, types: Sequence[str], starting_after: str | None
    ) -> tuple[list[dict[str, Any]], bool]:
        """A page of at most 100 events created at or after `since` (epoch seconds), newest first, and whether
        there are more. Stripe keeps events for 30 days."""
        parameters = {"created": {"gte": since}, "types": list(types)}
        return self._page(lambda client: client.v1.events.list, parameters, starting_after)

    def balance_transactions(
        self, *, since: int, starting_after: str | None
    ) -> tuple[list[dict[str, Any]], bool]:
        """A page of at most 100 created at or after `since` (epoch seconds), newest first, their sources
        expanded; and whether there are more."""
        parameters = {"created": {"gte": since}, "expand": ["data.source"]}
        return self._page(lambda client: client.v1.balance_transactions.list, parameters, starting_after)

    def balance_transaction(self, transaction_id: str) -> dict[str, Any]:
        """With its source expanded. Raises StripeObjectMissing if there is none."""
        return self._fetched(
            lambda client: client.v1.balance_transactions.retrieve(transaction_id, {"expand": ["source"]})
        )

    def _all(self, listing: Listing, parameters: dict[str, Any]) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        has_more = True
        while has_more:
            page, has_more = self._page(listing, parameters, found[-1]["id"] if found else None)
            found += page
        return found

    def _page(
        self, listing: Listing, parameters: dict[str, Any], starting_after: str | None
    ) -> tuple[list[dict[str, Any]], bool]:
        asked = {**parameters, "limit": PAGE}
        if starting_after is not None:
            asked["starting_after"] = starting_after
        page = self._fetched(lambda client: listing(client)(asked))
        return page["data"], page["has_more"]

    def _fetched(self, call: Callable[[stripe.StripeClient], Any]) -> dict[str, Any]:
        try:
            return self._asked(call)
        except StripeRefusedForGood as refusal:
            # A list by an id that Stripe does not know is a 400.
            if getattr(refusal.__cause__, "code", None) == "resource_missing":
                raise StripeObjectMissing("Stripe knows no such object.") from refusal
            raise

    def _asked(self, call: Callable[[stripe.StripeClient], Any]) -> dict[str, Any]:
        client = self._connected()
        self._session.may_have_arrived = False
        try:
            answer: dict[str, Any] = call(client).to_dict(for_json=True)
            return answer
        except stripe.StripeError as error:
            raise _mapped(error, may_have_arrived=self._session.may_have_arrived) from error

    def _connected(self) -> stripe.StripeClient:
        key = self._secret_key()
        if self._client is None or self._client[0] != key:
            client = stripe.StripeClient(
                key,
                stripe_version=API_VERSION,
                max_network_retries=timing.STRIPE_RETRIES,
                base_addresses={"api": self._base} if self._base else {},
                http_client=stripe.RequestsClient(
                    timeout=(timing.STRIPE_CONNECT, timing.STRIPE_READ), session=self._session
                ),
            )
            self._client = (key, client)
        return self._client[1]


def _mapped(error: stripe.StripeError, *, may_have_arrived: bool) -> StripeError:
    """Stripe replays what it has answered, its 500s included, unless the request never began (401, 409, 429,
    other parameters under a known key): https://docs.stripe.com/api/idempotent_requests

    401, 409 and 429 are about the key or the account of the moment, so they pass for every request at once;
    other parameters under a known key never do."""
    if isinstance(error, stripe.APIConnectionError):
        if not may_have_arrived:
            return StripeNotReached("Stripe could not be reached; try again.")
        return StripeOutcomeUnknown("Stripe did not answer; try again with the same request_id.")
    if error.http_status == 409:
        return StripeKeyInUse("Stripe is still working on this request; try again.")
    if error.http_status == 404:
        return StripeObjectMissing("Stripe knows no such object.")
    if isinstance(error, stripe.IdempotencyError):
        return StripeKeyTaken("Stripe knows this request_id with other parameters (idempotency_error).")
    what = f"{type(error).__name__}, HTTP {error.http_status}" + (
        f", code {error.code}" if error.code else ""
    )
    if isinstance(error, stripe.AuthenticationError | stripe.RateLimitError):
        return StripeNotReached(f"Stripe did not take the request ({what}); try again.")
    if isinstance(error, stripe.PermissionError):
        return StripeRefused(f"Our key may not do this ({what}): docs/stripe.md says what it must.")
    if isinstance(error, stripe.InvalidRequestError) and error.param == "expires_at":
        return StripeRefused(f"Stripe refused the request, which was too old ({what}); try again.")
    if isinstance(error, stripe.InvalidRequestError):
        if (field := _field(error)) is not None:
            return StripeRefusedField(f"{field} is not what Stripe takes: {error.user_message or what}")
        named = f", parameter {error.param}" if error.param else ""
        return StripeRefusedForGood(f"Stripe refused the request ({what}{named}).")
    return StripeRefused(f"Stripe refused the request ({what}); try again.")


def _field(error: stripe.InvalidRequestError) -> str | None:
    """The caller's own field that Stripe refuses; None if it is none of theirs."""
    parameter = error.param or ""
    if error.code in _CODES_OF_AMOUNT or "unit_amount" in parameter:
        return "amount_cents"
    return "currency" if parameter.endswith("[currency]") else None


def _never_connected(cause: BaseException | None) -> bool:
    if isinstance(cause, requests.exceptions.ConnectTimeout):
        return True
    reason = getattr(cause.args[0], "reason", None) if cause is not None and cause.args else None
    return isinstance(reason, urllib3.exceptions.NewConnectionError)
