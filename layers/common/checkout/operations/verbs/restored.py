"""`restored`: the first step after a database was restored to a point in time.

A sequence goes back with its database, so numbers that were given out since then would come a second time.
But others may have kept them: a consumer that drops what has an older `entry_id` than it knows, or an
operator who has noted the number of a parked record. So they go on from the time: a number of rows further on
would come a second time after a second restore to before the first `restored`. And a search for lost entries
that a former restore began would go on behind what this one has taken away, so it begins anew. If the process
dies, the same command again moves further on, which does no harm.
"""

from argparse import Namespace
from collections.abc import Sequence

from checkout.base.postgres import Transaction
from checkout.operations.verb import BY_DECISION, Outcome, Verbs
from checkout.reconciliation import lost_entries_position, restores
from checkout.reconciliation import state as reconciler_state
from checkout.system import System

NUMBERS_A_SECOND = 100_000
"""More rows than can be written in one. JavaScript has the numbers exactly until the year 4800."""

OF_CHECKOUT = ("checkout_transactions", "outbox")
OF_APPLICATION = ("ledger_entries", "parked_events")


def declare(verbs: Verbs) -> None:
    verbs.add(
        "restored",
        "the first step after a restore: give no number of a row out a second time, and search anew",
        restored,
        plan,
        BY_DECISION,
    )


def plan(_: Namespace, __: System) -> str:
    tables = ", ".join(sorted((*OF_CHECKOUT, *OF_APPLICATION)))
    return (
        f"Number the next rows of {tables} beyond all that can have been numbered, in both databases, and let"
        " each reconcile --since begin anew"
    )


def restored(_: Namespace, system: System) -> Outcome:
    """Both databases, whichever was restored: gaps mean nothing. The content has the number after which the
    next row of each table comes."""
    moved: dict[str, int] = {}
    for database, tables in (
        (system.checkout_database, OF_CHECKOUT),
        (system.application_database, OF_APPLICATION),
    ):
        with database.transaction() as tx:
            moved |= _moved_on(tx, tables)
    with system.checkout_database.transaction() as tx:
        lost_entries_position.forget(tx)
        reconciler_state.save(tx, restores.NOTE, {})
    return Outcome({"moved_on": moved})


def _moved_on(tx: Transaction, tables: Sequence[str]) -> dict[str, int]:
    moved = {}
    for table in tables:
        tx.execute(
            "SELECT setval(sequence, GREATEST((extract(epoch FROM clock_timestamp()) * %s)::bigint,"
            f"  pg_sequence_last_value(sequence), (SELECT max(id) FROM {table}))) AS id"
            " FROM (SELECT pg_get_serial_sequence(%s, 'id')::regclass AS sequence) AS of_table",
            (NUMBERS_A_SECOND, table),
        )
        moved[table] = int(tx.fetchall()[0]["id"])
    return moved
