"""Counts what the functions execute in their databases."""

from typing import Any

import pytest
from psycopg2.extensions import cursor as PlainCursor  # noqa: N812 - a class

from checkout.base import postgres
from tests.support import functions


class Statements:
    """Of all functions, from when it is made until `patch` is undone."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.executed = 0
        self.failed = 0
        statements = self

        class Cursor(PlainCursor):
            def execute(self, query: Any, variables: Any = None) -> None:
                statements.executed += 1
                try:
                    super().execute(query, variables)
                except Exception:
                    statements.failed += 1
                    raise

        patch.setattr(postgres, "Cursor", Cursor)
        functions.forget_wiring()

    def clear(self) -> None:
        self.executed = self.failed = 0
