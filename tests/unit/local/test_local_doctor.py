"""`make doctor`: what is there and missing, without any package."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from local import doctor

ROOT = Path(__file__).parents[3]


@pytest.fixture
def taken() -> Iterator[int]:
    """A port on which a program listens."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        yield int(listening.getsockname()[1])


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The environment of a user on a machine without any program, and with free ports."""
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / ".venv" / "run.stamp").touch()
    free = [socket.create_server(("127.0.0.1", 0)) for _ in doctor.PORTS]
    ports = [str(one.getsockname()[1]) for one in free]
    for one in free:
        one.close()
    return {"PATH": str(tmp_path / "programs"), **dict(zip(doctor.PORTS, ports, strict=True))}


def program(root: Path, name: str, prints: str, status: int = 0) -> None:
    (root / "programs").mkdir(exist_ok=True)
    (root / "programs" / name).write_text(f"#!/bin/sh\necho '{prints}'\nexit {status}\n")
    (root / "programs" / name).chmod(0o755)


def test_it_needs_no_package() -> None:
    done = subprocess.run(
        [sys.executable, "-S", "-m", "local.doctor"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert "Docker engine" in done.stdout, done.stderr
    assert done.returncode in (0, 1)


def test_what_is_missing_but_not_needed_names_what_it_would_enable(
    machine: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert doctor.main(machine, tmp_path) == 0
    lines = capsys.readouterr().out.splitlines()
    [stripe] = [line for line in lines if "Stripe CLI" in line]
    assert stripe.startswith("missing")
    assert "stripe listen" in stripe
    assert lines[-1] == "make run works here."


def test_what_is_there_is_named_with_its_version(machine: dict[str, str], tmp_path: Path) -> None:
    program(tmp_path, "java", 'openjdk version "21.0.5"')
    program(tmp_path, "docker", "27.3.1")
    program(tmp_path, "stripe", "stripe version 1.2.3")
    found = {one.name: one for one in doctor.examine(machine, tmp_path)}
    assert [(found[name].is_there, found[name].says) for name in ("Java", "Docker engine", "Stripe CLI")] == [
        (True, "version 21"),
        (True, "version 27.3.1"),
        (True, "stripe version 1.2.3"),
    ]


def test_a_version_is_shown_without_colors_and_the_name_of_a_build(
    machine: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    program(tmp_path, "mvn", "\x1b[1mApache Maven 3.9.9\x1b[m")
    program(tmp_path, "chromium", "Chromium 140.0 built on Debian GNU/Linux 13 (trixie)")
    program(tmp_path, "aws", "aws-cli/2.15.30 Python/3.11.6 Linux/6.1.0-18-amd64 exe/x86_64 botocore/2.4.5")
    doctor.main(machine, tmp_path)
    lines = capsys.readouterr().out.splitlines()
    assert any(line.endswith("aws-cli/2.15.30 Python/3.11.6 Linux/6.1.0-18-amd64 …") for line in lines)
    assert any(line.endswith("Apache Maven 3.9.9") for line in lines)
    assert any(line.endswith("Chromium 140.0") for line in lines)


@pytest.mark.parametrize(
    ("name", "prints", "status"),
    [("docker", "Cannot connect to the Docker daemon", 1), ("java", 'version "11.0.2"', 0)],
)
def test_what_does_not_work_is_not_there(
    machine: dict[str, str], tmp_path: Path, name: str, prints: str, status: int
) -> None:
    program(tmp_path, name, prints, status)
    found = {one.name: one.is_there for one in doctor.examine(machine, tmp_path)}
    assert not found["Java"]
    assert not found["Docker engine"]


def test_a_port_that_is_taken_is_why_make_run_cannot_work(
    machine: dict[str, str], tmp_path: Path, taken: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert doctor.main({**machine, "PORT": str(taken)}, tmp_path) == 1
    shown = capsys.readouterr().out
    assert f"{taken} is taken by another program: make run PORT=… takes another one" in shown
    assert shown.splitlines()[-1] == "make run cannot work: see PORT"


def test_a_port_may_be_the_stacks_own_or_be_set_in_the_file(
    machine: dict[str, str], tmp_path: Path, taken: int
) -> None:
    del machine["PORT"]
    (tmp_path / ".env").write_text(f"PORT={taken}\n")
    assert doctor.main(machine, tmp_path) == 1
    (tmp_path / ".local").mkdir()
    (tmp_path / ".local" / "stack.json").write_text(f'{{"api_url": "http://127.0.0.1:{taken}"}}')
    assert doctor.main(machine, tmp_path) == 0


def test_root_needs_a_program_to_run_postgresql_as_another_user(
    machine: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)
    assert doctor.main(machine, tmp_path) == 1
    program(tmp_path, "setpriv", "")
    assert doctor.main(machine, tmp_path) == 0


def test_defaults_are_those_of_the_stack() -> None:
    text = (ROOT / "local" / "stack" / "settings.py").read_text()
    assert all(f'"{name}", {port}' in text for name, port in doctor.PORTS.items())
