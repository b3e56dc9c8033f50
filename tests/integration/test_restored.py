"""`restored`: no number of a row is given out twice after a restore."""

import time
from typing import Any

import pytest

from checkout.operations.verbs.restored import NUMBERS_A_SECOND
from tests.support.functions import Functions, finished
from tests.support.stripe_events import event, session_object

ADA = ("--operator", "ada")


def restored(fns: Functions, *arguments: str) -> Any:
    return fns.invoke("operations", {"verb": "restored", "arguments": [*ADA, *arguments]})


def newest(fns: Functions) -> dict[str, int]:
    tables = {
        "checkout_transactions": fns.checkout,
        "ledger_entries": fns.application,
        "parked_events": fns.application,
    }
    return {table: query(f"SELECT max(id) AS id FROM {table}")[0]["id"] for table, query in tables.items()}


def write(fns: Functions, name: str) -> None:
    """A row of each table that has numbers."""
    fns.webhook(event(session_object(name)))
    fns.consume(finished(name), finished(f"{name}-parked", user_id=404))


def test_the_next_row_of_each_table_comes_far_behind_the_last_one(fns: Functions) -> None:
    write(fns, "before")
    before = newest(fns)

    began = int(time.time())
    assert "beyond all that can have been numbered" in restored(fns)["plan"]
    assert newest(fns) == before
    moved = restored(fns, "--yes")["result"]["moved_on"]
    write(fns, "after")

    assert moved.keys() == before.keys() | {"outbox"}
    assert newest(fns) == {table: moved[table] + 1 for table in before}
    assert all(number >= began * NUMBERS_A_SECOND for number in moved.values())


def test_after_another_restore_to_the_same_time_no_number_comes_again(fns: Functions) -> None:
    """It also takes away that the first one moved the numbers on."""
    assert restored(fns, "--yes")["clean"]
    write(fns, "lost")
    lost = newest(fns)
    for table in ("ledger_entries", "parked_events"):
        fns.application(
            "SET LOCAL session_replication_role = replica; UPDATE users SET balance = 0;"
            f" DELETE FROM {table};"
            f" SELECT setval(pg_get_serial_sequence('{table}', 'id'), 1, false)"
        )

    moved = restored(fns, "--yes")["result"]["moved_on"]
    assert all(moved[table] >= lost[table] for table in lost)


@pytest.mark.parametrize("table", ["ledger_entries", "parked_events"])
def test_a_sequence_behind_its_table_is_moved_on_from_the_table(fns: Functions, table: str) -> None:
    sequence = f"pg_get_serial_sequence('{table}', 'id')"
    fns.application(f"SELECT setval({sequence}, {10**15})")
    write(fns, "before")
    fns.application(f"SELECT setval({sequence}, 1)")

    assert restored(fns, "--yes")["result"]["moved_on"][table] == newest(fns)[table] == 10**15 + 1


def test_an_empty_table_is_moved_on_as_well(fns: Functions) -> None:
    began = int(time.time())
    assert all(
        number >= began * NUMBERS_A_SECOND for number in restored(fns, "--yes")["result"]["moved_on"].values()
    )
