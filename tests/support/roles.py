"""Each function under its own role, whoever is signed in: what its role may not do, fails."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg2.extensions
import pytest

from checkout.base.postgres import Cursor, Database
from checkout.release import privileges

_acting = threading.local()


@contextmanager
def acting_as(function: str) -> Iterator[None]:
    """Transactions of this thread are those of the function, where `enforce` was called."""
    known = privileges.CHECKOUT.keys() | privileges.APPLICATION.keys()
    before = getattr(_acting, "role", None)
    _acting.role = privileges.role_of(function) if function in known else None
    try:
        yield
    finally:
        _acting.role = before


def enforce(patch: pytest.MonkeyPatch) -> None:
    begin_on = Database._begin_on

    def begin_as_role(connection: psycopg2.extensions.connection) -> Cursor:
        cursor = begin_on(connection)
        if (role := getattr(_acting, "role", None)) is not None:
            # Not by that cursor: whoever counts the statements of a function counts its own alone.
            with connection.cursor() as other:
                other.execute(f"SET LOCAL ROLE {role}")
        return cursor

    patch.setattr(Database, "_begin_on", staticmethod(begin_as_role))
