"""Runs each function under its own role of PostgreSQL, so what the role may not do fails."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from checkout.base.postgres import Database
from checkout.release import privileges

_acting = threading.local()


@contextmanager
def acting_as(function: str) -> Iterator[None]:
    """Run this thread's transactions under the function's role, once `enforce` was called."""
    known = privileges.CHECKOUT.keys() | privileges.APPLICATION.keys()
    before = getattr(_acting, "role", None)
    _acting.role = privileges.role_of(function) if function in known else None
    try:
        yield
    finally:
        _acting.role = before


def enforce(patch: pytest.MonkeyPatch) -> None:
    settings = Database._settings

    def with_role(database: Database, *, durable: bool) -> list[str]:
        role = getattr(_acting, "role", None)
        return settings(database, durable=durable) + ([] if role is None else [f"SET LOCAL ROLE {role}"])

    patch.setattr(Database, "_settings", with_role)
