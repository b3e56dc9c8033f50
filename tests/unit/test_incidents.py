"""tests/incidents: each incident is named, has its safeguard, and fails without it; the README names them."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.mutants.catalogue import MUTANTS

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "tests" / "incidents").glob("test_*.py"))
REFERENCE = re.compile(r"([\w.-]+/[\w.-]+) (#\d+(?:, #\d+)*)")


@dataclass(frozen=True)
class Incident:
    file: str
    name: str
    says: str
    """Its docstring in one line."""

    @property
    def node_id(self) -> str:
        return f"{self.file}::{self.name}"


def incidents_of(file: Path) -> Iterator[Incident]:
    for node in ast.parse(file.read_text()).body:
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            says = " ".join((ast.get_docstring(node) or "").split())
            yield Incident(file.relative_to(ROOT).as_posix(), node.name, says)


def references(text: str) -> set[str]:
    """`owner/repo #1, #2` is two of them."""
    return {
        f"{repository} {number}"
        for repository, numbers in REFERENCE.findall(text)
        for number in numbers.split(", ")
    }


TESTS = [test for file in FILES for test in incidents_of(file)]


def test_there_are_many() -> None:
    assert len(TESTS) >= 25
    assert len({reference for test in TESTS for reference in references(test.says)}) >= 40


@pytest.mark.parametrize("test", TESTS, ids=lambda test: test.name)
def test_each_names_its_incident_and_fails_without_its_safeguard(test: Incident) -> None:
    incident, _, sentence = test.says.partition(": ")
    assert references(incident), test.says
    assert sentence.endswith(".")
    assert test.node_id in {mutant.caught_by for mutant in MUTANTS}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_the_files_table_has_each_incident_with_its_safeguard(file: Path) -> None:
    table = ast.get_docstring(ast.parse(file.read_text())) or ""
    rows = [line.strip("|").split(" | ") for line in table.splitlines() if REFERENCE.search(line)]
    assert all(len(row) == 3 for row in rows)
    assert [references(row[0]) for row in rows] == [
        references(test.says.partition(": ")[0]) for test in incidents_of(file)
    ]


def test_the_readme_names_them() -> None:
    section = (ROOT / "README.md").read_text().partition("## Why not write it yourself?")[2]
    rows = [line.split(" | ") for line in section.partition("\n## ")[0].splitlines() if "](" in line]
    assert len(rows) >= 10
    for _, where, replayed in rows:
        [file] = re.findall(r"\]\((.+?)\)", replayed)
        named = references(" ".join(test.says for test in TESTS if test.file == file))
        assert references(where) - named == set()
