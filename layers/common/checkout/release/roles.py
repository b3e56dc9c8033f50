"""A role for each function, with what it may do and no more."""

from collections.abc import Mapping

from checkout.base import telemetry
from checkout.base.postgres import Database
from checkout.release import privileges
from checkout.release import roles_table as roles
from checkout.release.privileges import Grants


class GrantRoles:
    def __init__(self, checkout: Database, application: Database) -> None:
        self._checkout = checkout
        self._application = application

    def __call__(self) -> None:
        """Once the tables are there. One transaction a database, so that no function is ever without.

        The checkout database is closed to roles that have nothing in it; the application's own is left as it
        is. Repeating it is harmless. Raises ConfigurationError, DatabaseUnavailable.
        """
        _grant(self._checkout, privileges.CHECKOUT)
        _grant(self._application, privileges.APPLICATION)
        with self._checkout.transaction() as tx:
            roles.begin(tx)
            if not roles.close_database(tx):
                telemetry.logger.warning(
                    "the checkout database stays open to every role of its server: its owner is somebody else"
                )


def _grant(database: Database, wanted: Mapping[str, Grants]) -> None:
    targets = {target for grants in wanted.values() for target in grants}
    with database.transaction() as tx:
        roles.begin(tx)
        for function in sorted(privileges.CHECKOUT.keys() | privileges.APPLICATION.keys()):
            role = privileges.role_of(function)
            roles.ensure(tx, role)
            sequences = privileges.SEQUENCES.get(function, privileges.NUMBER)
            roles.grant(tx, role, wanted.get(function, {}), targets, sequences)
            if function in wanted:
                roles.open_schemas(tx, role, targets)
