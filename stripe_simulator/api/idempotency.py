"""Idempotency keys (https://docs.stripe.com/api/idempotent_requests): the first answer is the answer.

The answer is stored in the transaction of its effect, so a crash leaves both or neither. Refusals that
executed nothing are not stored: failed validation, a key in use, wrong credentials, a rate limit.
"""

import json
from dataclasses import dataclass

from stripe_simulator.api.errors import KeyReused, StripeError
from stripe_simulator.api.forms import Raw
from stripe_simulator.storage.transaction import Transaction

LONGEST = 255


@dataclass(frozen=True)
class Answer:
    status: int
    body: str
    replayed_from: str | None = None
    """The id of the first request with this answer."""


@dataclass(frozen=True)
class KeyedRequest:
    """The part of a request that must be the same when its key is used again."""

    key: str
    path: str
    params: dict[str, Raw]

    @property
    def canonical(self) -> str:
        return json.dumps(self.params, sort_keys=True)


def check_length(key: str) -> None:
    if len(key) > LONGEST:
        raise StripeError(
            f"Idempotency keys must have at most {LONGEST} characters; this one has {len(key)}."
        )


def replay(transaction: Transaction, request: KeyedRequest) -> Answer | None:
    """The stored answer, if this key was used before. Raises `KeyReused` if it was for another request."""
    row = transaction.execute(
        "SELECT path, params, request_id, status, body FROM idempotency_keys WHERE key = ?", request.key
    ).fetchone()
    if row is None:
        return None
    path, params, request_id, status, body = row
    advice = f"Try using a key other than '{request.key}' if you meant to execute a different request."
    if path != request.path:
        raise KeyReused(
            "Keys for idempotent requests can only be used for the same endpoint they were first used for "
            f"('{request.path}' vs '{path}'). {advice}"
        )
    if params != request.canonical:
        raise KeyReused(
            "Keys for idempotent requests can only be used with the same parameters they were first used "
            f"with. {advice}"
        )
    return Answer(status, body, replayed_from=request_id)


def store(transaction: Transaction, request: KeyedRequest, answer: Answer) -> None:
    transaction.execute(
        "INSERT INTO idempotency_keys (key, path, params, request_id, status, body, created_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        request.key,
        request.path,
        request.canonical,
        transaction.origin.request_id,
        answer.status,
        answer.body,
        transaction.time,
    )
