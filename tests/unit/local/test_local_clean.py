"""`make clean` leaves the data of what runs."""

import subprocess
import sys
from pathlib import Path

import pytest

from local import clean, lock_file
from local.stack import description

ROOT = Path(__file__).parents[3]


def test_nothing_runs(tmp_path: Path) -> None:
    assert clean.main(tmp_path) == 0

    with description.locked(tmp_path / ".local"):
        pass
    assert clean.main(tmp_path) == 0


def test_a_stack_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with description.locked(tmp_path / ".local"):
        assert clean.main(tmp_path) == 1

    assert f"A stack already runs in {tmp_path} (it is just starting)" in capsys.readouterr().err


def test_apache_kafka_runs_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = tmp_path / ".local" / "kafka"
    data.mkdir(parents=True)
    held = lock_file.hold(data / "lock")
    assert held is not None
    with held:
        assert clean.main(tmp_path) == 1

    assert "make kafka" in capsys.readouterr().err


def test_it_needs_no_package(tmp_path: Path) -> None:
    asking = f"import pathlib, local.clean as c; raise SystemExit(c.main(pathlib.Path({str(tmp_path)!r})))"
    done = subprocess.run([sys.executable, "-S", "-c", asking], cwd=ROOT, check=False)

    assert done.returncode == 0
