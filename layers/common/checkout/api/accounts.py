"""What users may read: their sessions, transactions and balance."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from checkout.api.seal import opened, sealed
from checkout.base.errors import InvalidRequest, NotFound, UnknownUser
from checkout.base.postgres import Database
from checkout.base.text import positive_bigint, request_identifier
from checkout.base.user_ids import UserId
from checkout.ledger import table as ledger
from checkout.ledger import whereabouts
from checkout.ledger.whereabouts import Place
from checkout.outbox.effects import success_key
from checkout.outbox.finished_event import iso_utc
from checkout.payments import table as payments_table
from checkout.payments.payment import Payment

DEFAULT_LIMIT = 20
MAX_LIMIT = 100


class Accounts:
    def __init__(
        self, checkout: Database, application: Database, currency: str, secrets: Callable[[], Sequence[str]]
    ) -> None:
        """The first of the `secrets` seals cursors; cursors that another one sealed are still accepted."""
        self._checkout = checkout
        self._application = application
        self._currency = currency
        self._secrets = secrets

    def session(self, user_id: UserId, request_id: str) -> dict[str, Any]:
        """The session of this request. Raises NotFound if there is none or it is another user's."""
        known_as = request_identifier(request_id)
        row = None
        if known_as is not None:
            with self._checkout.autocommit() as tx:
                row = payments_table.find(tx, known_as)
        if row is None or row.user_id != user_id:
            raise NotFound("There is no such session.")
        return self._resources([row])[0]

    def transactions(self, user_id: UserId, query: Mapping[str, str]) -> dict[str, Any]:
        """One page, newest first. `query` may have `limit` and `cursor`. Raises InvalidRequest."""
        limit = _limit(query.get("limit"))
        before_id = self._before_id(user_id, query.get("cursor"))
        with self._checkout.autocommit() as tx:
            rows = payments_table.page_of_user(tx, user_id, before_id=before_id, limit=limit + 1)
        page = rows[:limit]
        return {
            "transactions": self._resources(page),
            "next_cursor": self._cursor(user_id, page[-1].id) if len(rows) > limit else None,
        }

    def balance(self, user_id: UserId) -> dict[str, Any]:
        """The balance in minor units, which may be negative. Raises NotFound if there is no such user."""
        with self._application.autocommit() as tx:
            balance = ledger.balance(tx, user_id)
        if balance is None:
            raise UnknownUser
        return {"user_id": user_id, "balance_cents": balance, "currency": self._currency}

    def _cursor(self, user_id: UserId, row_id: int) -> str:
        """A sealed row id: ids are counted over all users, and nobody shall read from them how many there
        are."""
        return sealed(self._secrets()[0], _context(user_id), row_id)

    def _before_id(self, user_id: UserId, cursor: str | None) -> int | None:
        if cursor is None:
            return None
        before_id = positive_bigint(opened(self._secrets(), _context(user_id), cursor))
        if before_id is None:
            raise InvalidRequest("cursor must be a next_cursor of an earlier page, or absent.")
        return before_id

    def _resources(self, rows: Sequence[Payment]) -> list[dict[str, Any]]:
        credits = [credit for row in rows if (credit := row.credit) is not None]
        places: Mapping[str, Place] = {}
        if credits:
            with self._application.autocommit() as tx:
                places = whereabouts.in_ledger(tx, credits)
        return [_resource(row, places.get(success_key(row.request_id))) for row in rows]


def _resource(row: Payment, credit: Place | None) -> dict[str, Any]:
    """`credit` is the place of its credit; None if it is not credited or will not be."""
    return {
        "request_id": row.request_id,
        "status": row.status,
        "amount_cents": row.amount_cents,
        "credit_cents": row.price.credit_cents if row.paid_cents is None else row.credited_cents,
        "currency": row.currency,
        "purpose": row.purpose,
        "credited": credit is Place.ENTERED,
        "paid_cents": row.paid_cents,
        "tax_cents": row.tax_cents,
        "discount_cents": row.discount_cents,
        "paid_currency": row.paid_currency,
        "refunded_cents": row.refunded_cents,
        "disputed_cents": row.disputed_cents,
        "session_id": row.stripe_session_id,
        "url": row.payable_url,
        "expires_at": row.expires_at and iso_utc(row.expires_at),
        "error_message": row.error_message,
        "created_at": iso_utc(row.created_at),
        "updated_at": iso_utc(row.updated_at),
        "completed_at": row.completed_at and iso_utc(row.completed_at),
    }


def _limit(text: str | None) -> int:
    if text is None:
        return DEFAULT_LIMIT
    if text.isascii() and text.isdigit() and len(text) <= 3 and 1 <= int(text) <= MAX_LIMIT:
        return int(text)
    raise InvalidRequest(f"limit must be a whole number from 1 to {MAX_LIMIT}.")


def _context(user_id: UserId) -> str:
    return f"transactions of {user_id}"
