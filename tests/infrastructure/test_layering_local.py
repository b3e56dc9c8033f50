"""Who may import whom among the tools: the rooms of local/, the simulator, the deployment, the simulation and
the tests."""

from pathlib import Path

import pytest

from tests.infrastructure.imports import ROOT, circles, imports, short, within

LONGEST_MODULE = 250
ROOMS = ("lambda_runtime", "gateway", "kafka", "stack", "sam")
"""The rooms of local/ in their order: each imports itself, those before it, and BASE."""

BASE = {"processes", "waiting", "lock_file", "http_client"}
SHARED = sorted((ROOT / "layers" / "common" / "checkout").rglob("*.py"))
LOCAL = sorted((ROOT / "local").rglob("*.py"))
SIMULATOR = sorted((ROOT / "stripe_simulator").rglob("*.py"))
DEPLOYMENT = sorted((ROOT / "deployment").rglob("*.py"))
SIMULATION = sorted((ROOT / "simulation").rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))


@pytest.mark.parametrize("path", [path for path in LOCAL if path.parent.name in ROOMS], ids=short)
def test_a_room_imports_itself_and_those_before_it(path: Path) -> None:
    may = {*BASE, *ROOMS[: ROOMS.index(path.parent.name) + 1]}
    for module in imports(path):
        if within(module, "local"):
            assert module.split(".")[1] in may, module


@pytest.mark.parametrize("path", [path for path in LOCAL if path.stem in BASE], ids=short)
def test_a_module_that_all_rooms_share_imports_none(path: Path) -> None:
    assert not [module for module in imports(path) if within(module, "local")]


@pytest.mark.parametrize("path", SIMULATOR, ids=short)
def test_the_simulator_imports_nothing_of_the_rest(path: Path) -> None:
    others = {"checkout", "local", "deployment", "tests", "functions"}
    assert not {module.partition(".")[0] for module in imports(path)} & others


@pytest.mark.parametrize("path", SIMULATION, ids=short)
def test_the_simulation_knows_the_code_and_its_postgresql(path: Path) -> None:
    others = {"stripe_simulator", "deployment", "tests", "functions"}
    assert not {module.partition(".")[0] for module in imports(path)} & others
    assert {module for module in imports(path) if within(module, "local")} <= {
        "local.stack.postgres.Postgres"
    }


@pytest.mark.parametrize("path", SIMULATION, ids=short)
def test_the_checker_shares_no_code_with_the_system(path: Path) -> None:
    if path.stem in ("checker", "truth"):
        assert not [module for module in imports(path) if within(module, "checkout")]


@pytest.mark.parametrize("path", TESTS, ids=short)
def test_no_module_imports_a_test_module(path: Path) -> None:
    for module in imports(path):
        assert not (within(module, "tests") and module.split(".")[2:3][0].startswith("test_")), module


@pytest.mark.parametrize("path", [*SHARED, *LOCAL, *SIMULATOR, *DEPLOYMENT, *SIMULATION], ids=short)
def test_no_module_is_long(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= LONGEST_MODULE


def test_no_modules_import_each_other_in_a_circle() -> None:
    assert circles([*LOCAL, *SIMULATOR, *DEPLOYMENT, *SIMULATION]) == []
