"""The statements of a connection, each planned once: planning takes PostgreSQL longer than executing, and a
world has the same few hundred statements over and over.

A statement is prepared when it is first seen, so its plan is the same in whatever world that is.
"""

import re
from collections.abc import Sequence
from typing import Any

import psycopg2
from psycopg2.extensions import TRANSACTION_STATUS_IDLE, TRANSACTION_STATUS_INERROR

_PREPARABLE = re.compile(rb"\s*(SELECT|INSERT|UPDATE|DELETE|WITH)\b")
_PLACEHOLDER = re.compile(rb"%(?:\((\w+)\))?s|%%")


class Plans:
    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._known: dict[bytes, tuple[bytes, list[str | None]] | None] = {}
        """By text: what executes it, and the names of its parameters."""
        self._of_schemas = {0: self._known}
        self._made = 0

    def executing(self, text: bytes, parameters: Any) -> tuple[bytes, Sequence[Any]] | None:
        """What executes this statement by its plan, with its parameters; None if it has no plan."""
        if text not in self._known:
            if self._connection.info.transaction_status == TRANSACTION_STATUS_INERROR:
                return None
            self._known[text] = self._prepared(text, has_parameters=parameters is not None)
        known = self._known[text]
        if known is None:
            return None
        execute, names = known
        if isinstance(parameters, dict):
            return execute, [parameters[name] for name in names]
        return execute, tuple(parameters or ())

    def use_those_of(self, schema: int) -> None:
        """The database has this one now: of another one a statement's result can have other columns."""
        self._known = self._of_schemas.setdefault(schema, {})

    def _prepared(self, text: bytes, *, has_parameters: bool) -> tuple[bytes, list[str | None]] | None:
        if not _PREPARABLE.match(text):
            return None
        names: list[str | None] = []

        def numbered(found: re.Match[bytes]) -> bytes:
            if found[0] == b"%%":
                return b"%"
            names.append(found[1].decode() if found[1] else None)
            return b"$%d" % len(names)

        body = _PLACEHOLDER.sub(numbered, text) if has_parameters else text
        self._made += 1
        plan = b"plan_%d" % self._made
        if not self._prepare(b"PREPARE %s AS %s" % (plan, body)):
            return None
        return b"EXECUTE %s%s" % (plan, b"(%s)" % b", ".join([b"%s"] * len(names)) if names else b""), names

    def _prepare(self, statement: bytes) -> bool:
        """False if it cannot be: a parameter's type does not follow from the text, or it is several
        statements."""
        is_alone = self._connection.info.transaction_status == TRANSACTION_STATUS_IDLE
        with self._connection.cursor() as cursor:
            try:
                cursor.execute(
                    statement if is_alone else b"SAVEPOINT plan; %s; RELEASE SAVEPOINT plan" % statement
                )
            except psycopg2.Error:
                if not is_alone:
                    cursor.execute(b"ROLLBACK TO SAVEPOINT plan; RELEASE SAVEPOINT plan")
                return False
        return True
