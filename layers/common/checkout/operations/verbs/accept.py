"""`accept`: leave a finding of `verify` as it is, and do not count it any more."""

from argparse import Namespace
from collections.abc import Callable, Mapping
from typing import Any

from checkout.base.errors import NotFound
from checkout.base.postgres import Transaction
from checkout.operations import findings_table as findings
from checkout.operations.verb import BY_DECISION, Outcome, Verbs, a_text, reasoned
from checkout.system import System

Facts = Mapping[str, Any]


def declare(verbs: Verbs) -> None:
    accept = verbs.add(
        "accept", "leave a finding of verify as it is, and do not count it any more", run, plan, BY_DECISION
    )
    accept.add_argument("finding", type=a_text, help="its id, as verify shows it")
    accept.add_argument("--withdraw", action="store_true", help="count it again")
    reasoned(accept)


def plan(given: Namespace, system: System) -> str:
    finding = AcceptFindings(system).shown(given.finding)
    facts = ", ".join(f"{name} {value}" for name, value in finding["facts"].items())
    return f"{'Count' if given.withdraw else 'No longer count'} as {finding['name']}: {facts}"


def run(given: Namespace, system: System) -> Outcome:
    service = AcceptFindings(system)
    if given.withdraw:
        return Outcome({"counts_again": service.withdraw(given.finding)})
    return Outcome({"accepted": service.accept(given.finding, reason=given.reason, operator=given.operator)})


class AcceptFindings:
    """Each method returns the finding's name and facts, and raises NotFound."""

    def __init__(self, system: System) -> None:
        self._checkout = system.checkout_database

    def accept(self, finding_id: str, *, reason: str, operator: str) -> Facts:
        """With any other facts it is another finding, and counts."""
        return self._one(
            lambda tx: findings.accept(tx, finding_id, reason=reason, operator=operator),
            f"verify has shown no finding {finding_id} in the last {findings.KEPT_DAYS} days.",
        )

    def withdraw(self, finding_id: str) -> Facts:
        """It counts again."""
        return self._one(
            lambda tx: findings.withdraw(tx, finding_id), f"No finding {finding_id} was accepted."
        )

    def shown(self, finding_id: str) -> Facts:
        """Accepted or not."""
        return self._one(
            lambda tx: findings.shown(tx, finding_id),
            f"verify has shown no finding {finding_id} in the last {findings.KEPT_DAYS} days.",
        )

    def _one(self, statement: Callable[[Transaction], Facts | None], otherwise: str) -> Facts:
        with self._checkout.transaction() as tx:
            finding = statement(tx)
        if finding is None:
            raise NotFound(otherwise)
        return finding
