"""A simulated account in memory, with a clock that the test sets."""

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from stripe_simulator.resources import checkout_sessions, timers
from stripe_simulator.settings import Settings
from stripe_simulator.storage.schema import SCHEMA
from stripe_simulator.storage.transaction import Environment, Json, Origin, Transaction
from stripe_simulator.webhooks.spoiling import Spoiler

NOON = 1_800_000_000.0


@dataclass
class Account:
    """An account whose transactions are never committed; `time` is their clock."""

    connection: sqlite3.Connection
    settings: Settings
    spoiler: Spoiler
    time: float = NOON

    def begin(self) -> Transaction:
        return Transaction(
            self.connection, Environment(self.settings, self.spoiler, lambda: self.time), Origin()
        )

    def create_session(self, **params: Any) -> Json:
        price = {"currency": "eur", "unit_amount": 500, "product_data": {"name": "500 coins"}}
        wanted = {"line_items": [{"price_data": price}], "success_url": "https://example.com", **params}
        return checkout_sessions.create(self.begin(), wanted)

    def session(self, session_id: str) -> Json:
        return self.begin().get("checkout.session", session_id)

    def events(self) -> list[str]:
        return [event["type"] for event in self.begin().all("event")]

    def pass_seconds(self, seconds: float) -> float | None:
        """Let time pass and run what is due; returns the time of the next timer."""
        self.time += seconds
        return timers.run_due(self.begin())


@pytest.fixture
def account() -> Iterator[Account]:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.executescript(SCHEMA)
    yield Account(connection, Settings(data=Path("unused")), Spoiler())
    connection.close()
