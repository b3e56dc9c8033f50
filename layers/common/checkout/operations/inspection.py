"""One payment's whole story, or one user's, from both databases, in the order in which it happened."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from checkout.base.errors import NotFound
from checkout.base.postgres import Database
from checkout.base.text import identifier, user_id_from_digits
from checkout.operations import story
from checkout.operations.story import Row
from checkout.outbox.effects import success_key

NEWEST = 50
"""Of a user's payments, entries and parked records; more are not shown."""


@dataclass(frozen=True, slots=True)
class Story:
    """`balances` are of the users who occur; a step is a row, with its table and when it came there."""

    balances: list[Row]
    steps: list[dict[str, Any]]


class Inspect:
    def __init__(self, checkout: Database, application: Database) -> None:
        self._checkout = checkout
        self._application = application

    def __call__(self, reference: str) -> Story:
        """`reference` is a request_id, Stripe's session or payment intent, or a user's number; digits may be
        a request_id's, too.

        Raises NotFound where nothing anywhere is about it.
        """
        if identifier(reference) is None:
            raise NotFound("That is no reference.")
        user_id = user_id_from_digits(reference)
        with self._checkout.transaction() as tx:
            payments = story.payments(tx, reference, user_id, NEWEST)
            requests = _named(payments, "request_id") | {reference.lower()}
            intents = _named(payments, "payment_intent_id") | {reference}
            sessions = _named(payments, "stripe_session_id")
            events = story.events(tx, requests, intents, sessions)
            reversals = story.reversals(tx, intents)
            outbox = story.outbox(tx, requests)
        effect_keys = {success_key(request_id) for request_id in requests} | _named(reversals, "effect_key")
        with self._application.transaction() as tx:
            entries = story.entries(tx, effect_keys, user_id, NEWEST)
            parked = story.parked(tx, requests, effect_keys, user_id, NEWEST)
            users = {row["user_id"] for row in (*payments, *entries)} | ({user_id} if user_id else set())
            balances = story.balance(tx, users)
        steps = [
            *_steps("checkout_transactions", "created_at", payments),
            *_steps("stripe_events", "received_at", events),
            *_steps("reversals", "created_at", reversals),
            *_steps("outbox", "created_at", outbox),
            *_steps("ledger_entries", "created_at", entries),
            *_steps("parked_events", "created_at", parked),
        ]
        if not steps and not balances:
            raise NotFound(f"Nothing is known about {reference}.")
        return Story(balances, sorted(steps, key=lambda step: step["at"]))


def _named(rows: Iterable[Row], column: str) -> set[str]:
    return {row[column] for row in rows if row[column] is not None}


def _steps(table: str, time_column: str, rows: Iterable[Row]) -> Iterable[dict[str, Any]]:
    for row in rows:
        fields = {name: value for name, value in row.items() if name != time_column and value is not None}
        yield {"at": row[time_column], "table": table, **fields}
