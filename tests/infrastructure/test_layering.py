"""Who may import whom, and what nothing that runs on AWS may know of."""

import re
import sys
from pathlib import Path

import pytest

from tests.infrastructure.imports import ROOT, imports, short, within

LAYER = ROOT / "layers" / "common"
FUNCTIONS = sorted((ROOT / "functions").glob("*/**/*.py"))
SHARED = sorted((LAYER / "checkout").glob("**/*.py"))

STATIONS = ("base", "outbox", "ledger", "payments", "sessions", "reconciliation", "operations")
"""The rooms in their order: each imports itself and those before it."""

MAY_IMPORT = {room: {*STATIONS[: place + 1]} for place, room in enumerate(STATIONS)} | {
    "api": {"base", "outbox", "ledger", "payments", "sessions", "api"},
    "release": {"base", "outbox", "release"},
}
MAY_IMPORT["operations"].add("system")
MAY_IMPORT["console"] = {"base", "operations", "console"}

HOMES = {
    "stripe": {"payments/stripe_api.py"},
    "psycopg2": {
        "base/postgres.py",
        "base/postgres_errors.py",
        "base/postgres_url.py",
        "release/roles_table.py",
    },
    "confluent_kafka": {"outbox/producer.py", "outbox/complaints.py"},
    "kafka": {
        "outbox/administration.py",
        "outbox/triggers.py",
        "release/topics.py",
    },
    "jwt": {"api/tokens.py", "api/key_set.py"},
    "cryptography": {"api/key_set.py"},
}
"""The only modules that import a driver: its exceptions stop there."""

HELPERS = {"psycopg2.extras", "psycopg2.extensions"}
"""What SQL is sent with; raises nothing of its own."""


def in_checkout(path: Path) -> str:
    return path.relative_to(LAYER / "checkout").as_posix()


IN_ROOMS = [path for path in SHARED if "/" in in_checkout(path)]


@pytest.mark.parametrize("path", IN_ROOMS, ids=short)
def test_a_room_imports_itself_and_those_before_it(path: Path) -> None:
    may = MAY_IMPORT[in_checkout(path).split("/")[0]]
    for module in imports(path):
        if within(module, "checkout"):
            assert module.split(".")[1] in may, module


@pytest.mark.parametrize("path", [*FUNCTIONS, *SHARED], ids=short)
def test_a_driver_is_imported_where_its_exceptions_stop(path: Path) -> None:
    for module in imports(path):
        driver = module.partition(".")[0]
        if not any(within(module, helper) for helper in HELPERS):
            assert driver not in HOMES or in_checkout(path) in HOMES[driver], module


@pytest.mark.parametrize("path", FUNCTIONS, ids=short)
def test_functions_import_what_they_share_and_never_each_other(path: Path) -> None:
    for module in imports(path):
        assert module.partition(".")[0] in {*sys.stdlib_module_names, "checkout"}, module


ON_AWS = [path for path in SHARED if not in_checkout(path).startswith("console/")]
"""The console runs on an operator's own machine."""


@pytest.mark.parametrize("path", [*FUNCTIONS, *ON_AWS], ids=short)
def test_nothing_knows_what_it_runs_on(path: Path) -> None:
    assert not re.search(r"simulat|localhost|127\.0\.0\.1", path.read_text(), re.IGNORECASE)
    tools = {"local", "stripe_simulator", "deployment", "simulation", "tests"}
    assert not {module.partition(".")[0] for module in imports(path)} & tools


def test_one_place_reads_the_environment() -> None:
    readers = {
        short(path)
        for path in [*FUNCTIONS, *SHARED]
        if re.search(r"\benviron\b(?!ment)|getenv", re.sub(r"Config\(os\.environ\)", "", path.read_text()))
    }

    assert readers == set()
