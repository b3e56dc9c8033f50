"""What `verify` found and a person has looked at: it stays as it is, and does not count any more."""

from collections.abc import Callable, Mapping
from typing import Any

from checkout.base.errors import NotFound
from checkout.base.postgres import Database, Transaction
from checkout.operations import findings_table as findings

Facts = Mapping[str, Any]


class AcceptFindings:
    def __init__(self, checkout: Database) -> None:
        self._checkout = checkout

    def accept(self, finding_id: str, *, reason: str, operator: str) -> Facts:
        """Its name and facts. With any other facts it is another finding, and counts. Raises NotFound."""
        return self._changed(
            lambda tx: findings.accept(tx, finding_id, reason=reason, operator=operator),
            f"verify has shown no finding {finding_id} in the last {findings.KEPT_DAYS} days.",
        )

    def withdraw(self, finding_id: str) -> Facts:
        """Its name and facts: it counts again. Raises NotFound."""
        return self._changed(
            lambda tx: findings.withdraw(tx, finding_id),
            f"No finding {finding_id} was accepted.",
        )

    def shown(self, finding_id: str) -> Facts:
        """Its name and facts, accepted or not. Raises NotFound."""
        return self._changed(
            lambda tx: findings.shown(tx, finding_id),
            f"verify has shown no finding {finding_id} in the last {findings.KEPT_DAYS} days.",
        )

    def _changed(self, change: Callable[[Transaction], Facts | None], otherwise: str) -> Facts:
        with self._checkout.transaction() as tx:
            found = change(tx)
        if found is None:
            raise NotFound(otherwise)
        return found
