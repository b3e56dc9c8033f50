"""Who may import whom, and what nothing that runs on AWS may know of."""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LAYER = ROOT / "layers" / "common"
FUNCTIONS = sorted((ROOT / "functions").glob("*/**/*.py"))
SHARED = sorted((LAYER / "checkout").glob("**/*.py"))

OUTSIDE_WORLD = frozenset({"http", "socket", "ssl", "subprocess", "os", "asyncio", "threading", "logging"})
"""Modules of the standard library that pure code has no use for."""

DRIVERS = frozenset({"stripe", "psycopg2", "kafka", "jwt", "boto3", "botocore", "requests", "urllib3"})


def imports(path: Path) -> Iterator[str]:
    """Names of all modules that a file imports anywhere in it, what is imported from packages included."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def within(module: str, package: str) -> bool:
    return module == package or module.startswith(f"{package}.")


def part(path: Path) -> str:
    """`domain`, `services`, `adapters`, or the name of a module beside them."""
    return path.relative_to(LAYER / "checkout").parts[0].removesuffix(".py")


def paths(name: str) -> list[Path]:
    found = [path for path in SHARED if part(path) == name]
    assert found
    return found


def short(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", paths("domain"), ids=short)
def test_the_domain_imports_itself_and_pure_standard_library_only(path: Path) -> None:
    for module in imports(path):
        top = module.partition(".")[0]
        is_pure = top in sys.stdlib_module_names and top not in OUTSIDE_WORLD
        assert is_pure or within(module, "checkout.domain"), module
        assert not within(module, "urllib.request"), module


@pytest.mark.parametrize("path", [*FUNCTIONS, *SHARED], ids=short)
def test_drivers_are_imported_by_adapters_only(path: Path) -> None:
    used = {module.partition(".")[0] for module in imports(path)} & DRIVERS

    assert not used or "adapters" in path.parts


@pytest.mark.parametrize("path", paths("adapters"), ids=short)
def test_adapters_know_neither_services_nor_wiring(path: Path) -> None:
    for module in imports(path):
        assert not any(
            within(module, f"checkout.{name}") for name in ("services", "bootstrap", "http", "config")
        ), module


@pytest.mark.parametrize("path", paths("services"), ids=short)
def test_services_know_neither_http_nor_wiring(path: Path) -> None:
    for module in imports(path):
        assert not any(within(module, f"checkout.{name}") for name in ("bootstrap", "http")), module


@pytest.mark.parametrize("path", FUNCTIONS, ids=short)
def test_functions_import_what_they_share_and_never_each_other(path: Path) -> None:
    for module in imports(path):
        assert module.partition(".")[0] in {*sys.stdlib_module_names, "checkout"}, module


@pytest.mark.parametrize("path", [*FUNCTIONS, *SHARED], ids=short)
def test_nothing_knows_what_it_runs_on(path: Path) -> None:
    assert not re.search(r"simulat|localhost|127\.0\.0\.1", path.read_text(), re.IGNORECASE)
    assert not any(within(module, name) for module in imports(path) for name in ("local", "tests"))


def test_one_place_reads_the_environment() -> None:
    readers = {
        short(path)
        for path in [*FUNCTIONS, *SHARED]
        if re.search(r"\benviron\b(?!ment)|getenv", re.sub(r"Config\(os\.environ\)", "", path.read_text()))
    }

    assert readers == set()
