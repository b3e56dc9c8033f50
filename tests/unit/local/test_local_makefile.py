"""The Makefile's promises, with a Python that only prints its arguments."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    shutil.copy(ROOT / "Makefile", tmp_path)
    for name in ("local/requirements.txt", "layers/common/requirements.txt", "requirements-dev.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text('#!/bin/sh\necho "PORT=$PORT${KAFKA:+ KAFKA=$KAFKA} python $*"\n')
    python.chmod(0o755)
    return tmp_path


def make(project: Path, *arguments: str, **variables: str) -> list[str]:
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in ("PORT", "KAFKA", "MAKEFLAGS", "MAKELEVEL")
    }
    done = subprocess.run(
        ["make", *arguments],
        cwd=project,
        env={**environment, **variables},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.splitlines()


def test_help_is_the_default_and_lists_every_target(project: Path) -> None:
    listed = [line.split()[1] for line in make(project)]
    [phony] = re.findall(r"^\.PHONY: (.*)$", (project / "Makefile").read_text(), re.MULTILINE)

    assert listed == phony.split()
    assert {"run", "demo", "test", "lint"} < set(listed)


def test_the_doctor_installs_nothing(project: Path) -> None:
    assert make(project, "doctor") == ["PORT= python -m local.doctor"]


def test_both_ways_to_set_a_port_are_the_same(project: Path) -> None:
    make(project, "run")

    assert make(project, "run", "PORT=1234") == ["PORT=1234 python -m local run"]
    assert make(project, "run", PORT="1234") == ["PORT=1234 python -m local run"]


def test_the_broker_can_be_chosen_on_the_command_line(project: Path) -> None:
    make(project, "run")

    for target in ("run", "demo"):
        assert make(project, target, "KAFKA=apache") == [f"PORT= KAFKA=apache python -m local {target}"]


def test_run_installs_only_what_the_stack_needs_and_only_once(project: Path) -> None:
    first, second = make(project, "run"), make(project, "run")

    installed = [line for line in first if "pip install" in line]
    assert len(installed) == 1
    assert installed[0].endswith("-r local/requirements.txt")
    assert second == ["PORT= python -m local run"]


def test_a_changed_requirement_is_installed(project: Path) -> None:
    make(project, "run")
    changed = project / "layers" / "common" / "requirements.txt"
    later = (project / ".venv" / "run.stamp").stat().st_mtime + 10
    os.utime(changed, (later, later))

    assert any("pip install" in line for line in make(project, "run"))


def test_tests_install_the_development_requirements_too(project: Path) -> None:
    installed = [line.split()[-1] for line in make(project, "test") if "pip install" in line]

    assert installed == ["local/requirements.txt", "requirements-dev.txt"]


def test_clean_forgets_the_data_and_nothing_else(project: Path) -> None:
    (project / ".local" / "postgres").mkdir(parents=True)

    make(project, "clean")

    assert not (project / ".local").exists()
    assert (project / ".venv").exists()


def test_clean_leaves_the_data_of_a_stack_that_runs(project: Path) -> None:
    (project / ".local" / "postgres").mkdir(parents=True)
    python = project / ".venv" / "bin" / "python"
    python.write_text('#!/bin/sh\n[ "$*" != "-m local.clean" ]\n')

    with pytest.raises(subprocess.CalledProcessError):
        make(project, "clean")

    assert (project / ".local" / "postgres").exists()


def test_a_virtual_environment_is_made_with_a_python_that_works(project: Path) -> None:
    shutil.rmtree(project / ".venv")
    programs = project / "programs"
    programs.mkdir()
    broken, working = programs / "python3.13", programs / "python3.12"
    broken.write_text("#!/bin/sh\nexit 127\n")
    working.write_text(
        '#!/bin/sh\n[ "$1" = -m ] && mkdir -p .venv/bin && cp "$0" .venv/bin/python\necho "working $*"\n'
    )
    for program in (broken, working):
        program.chmod(0o755)

    printed = make(project, "run", PATH=f"{programs}:/usr/bin:/bin", PYENV_ROOT=str(project / "nowhere"))

    assert "working -m venv .venv" in printed
    assert printed[-1] == "working -m local run"
