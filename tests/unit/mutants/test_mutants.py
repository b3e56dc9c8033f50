"""`make mutants`: its list goes with the code, and it reports what no test catches."""

import json
import subprocess
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from tests.mutants.__main__ import main
from tests.mutants.catalogue import MUTANTS
from tests.mutants.mutant import CHECKOUT, Mutant, Worlds, unusable
from tests.mutants.trial import Layers, Workspace, first_failure, try_each
from tests.mutants.worlds import Found, found

ROOT = Path(__file__).parents[3]
TEST = "tests/test_adding.py"


def mutant(**fields: Any) -> Mutant:
    """Of `project`, and good, unless a field says something else."""
    given: dict[str, Any] = {
        "file": "adding.py",
        "text": "one + other",
        "instead": "one - other",
        "breaks": "sums are wrong",
        "caught_by": f"{TEST}::test_a_sum",
    }
    return Mutant(**{**given, **fields})


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    for name, content in (
        (f"{CHECKOUT}/adding.py", "def add(one: int, other: int) -> int:\n    return one + other\n"),
        (
            TEST,
            "import pytest\n\nfrom adding import add\n\n\n"
            "@pytest.mark.parametrize('case', ['a - b'])\n"
            "def test_a_sum(case):\n    assert add(2, 1) == 3\n\n\n"
            "def test_nothing():\n    pass\n\n\n"
            "def test_that_fails():\n    assert False\n",
        ),
        ("pyproject.toml", f'[tool.pytest.ini_options]\npythonpath = ["{CHECKOUT}"]\n'),
    ):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
    subprocess.run(["git", "init", "--quiet"], cwd=folder, check=True)
    return folder


@pytest.fixture
def workspaces(project: Path, tmp_path: Path) -> Iterator[list[Workspace]]:
    with closing(Workspace(project, tmp_path / "copy")) as workspace:
        yield [workspace]


def test_the_list_goes_with_the_code() -> None:
    assert unusable(MUTANTS, ROOT) == []


def test_the_list_is_long_and_names_each_mistake_once_for_a_test() -> None:
    assert len(MUTANTS) >= 60
    mistakes = Counter((one.file, one.text, one.instead, one.caught_by) for one in MUTANTS)
    assert [mistake for mistake, count in mistakes.items() if count > 1] == []


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        ({"text": "one * other"}, "0 times"),
        ({"text": "one"}, "2 times"),
        ({"file": "gone.py"}, "no layers/common/checkout/gone.py"),
        ({"instead": "one + other"}, "changes nothing"),
        ({"instead": "one +"}, "makes no Python"),
        ({"caught_by": f"{TEST}::test_gone"}, f"no {TEST}::test_gone"),
        ({"caught_by": None}, "nothing catches it"),
        ({"caught_by": "tests/gone.py::test_a_sum"}, "no tests/gone.py::test_a_sum"),
    ],
    ids=str,
)
def test_what_does_not_go_with_the_code_is_named(
    project: Path, wrong: dict[str, str | None], complaint: str
) -> None:
    assert unusable([mutant()], project) == []
    [said] = unusable([mutant(**wrong)], project)
    assert complaint in said


def test_a_mutant_is_caught_by_its_own_test_alone(project: Path, workspaces: list[Workspace]) -> None:
    tried = [mutant(), mutant(caught_by=f"{TEST}::test_nothing"), mutant(instead="one + other + 0")]
    verdicts = try_each(tried, workspaces, lambda _: None)
    assert [verdict.is_caught for verdict in verdicts] == [True, False, False]
    assert "assert" in verdicts[0].says
    assert "one + other" in (project / CHECKOUT / "adding.py").read_text(), "only copies are changed"


class World(Workspace):
    """Its worlds find what `found` says."""

    found: Found | None = None

    def simulate(self, mutant: Mutant, seeds: Sequence[int], *, shrinks: bool = True) -> Found | None:
        del mutant, shrinks
        assert len(seeds) == 7
        return self.found


def test_what_worlds_must_show_is_caught_only_if_one_does(project: Path, tmp_path: Path) -> None:
    tried = [mutant(caught_by=None, worlds=Worlds.SERIAL)]
    with closing(World(project, tmp_path / "copy")) as workspace:
        [verdict] = try_each(tried, [workspace], lambda _: None, Layers(worlds=7))
        assert not verdict.is_caught
        assert "7 worlds" in verdict.says
        workspace.found = Found(3, 3, "a rule", 2, 0.5, 1.5)
        [verdict] = try_each(tried, [workspace], lambda _: None, Layers(worlds=7))
        assert verdict.is_caught
        assert verdict.found == workspace.found


def test_what_a_world_says_is_read() -> None:
    said = "a line\nfound: {}\n"
    assert found(said.format("null")) is None
    assert found(said.format(json.dumps(asdict(Found(3, 3, "a rule", 2, 0.5, 1.5))))) is not None
    with pytest.raises(LookupError, match="a line"):
        found("a line\n")


def test_what_keeps_a_test_from_running_is_no_catch(workspaces: list[Workspace]) -> None:
    [verdict] = try_each([mutant(text="def add(", instead="def sum_of(")], workspaces, lambda _: None)
    assert not verdict.is_caught
    assert "ImportError" in verdict.says


def test_a_test_that_fails_without_a_mutant_is_reported_first(workspaces: list[Workspace]) -> None:
    assert first_failure([f"{TEST}::test_a_sum"], workspaces) is None
    said = first_failure([f"{TEST}::test_a_sum", f"{TEST}::test_that_fails"], workspaces)
    assert said is not None
    assert "test_that_fails" in said


def test_help_says_what_a_word_selects(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    assert "only mistakes whose file" in capsys.readouterr().out


@pytest.mark.parametrize("words", [["nothing-has-this"], ["outbox", "nothing-has-this"], ["--all"]])
def test_an_unknown_word_is_refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    assert words[-1] in capsys.readouterr().err


def test_what_there_is_follows_an_unknown_word(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["nothing-has-this"])
    assert "outbox/delivery.py" in capsys.readouterr().err
