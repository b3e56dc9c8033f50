"""The stack when nobody reads its output."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.support.project import Project, alive, children


def test_a_closed_terminal_stops_it_tidily(tmp_path: Path) -> None:
    project = Project(tmp_path / "project")
    terminal, its_side = os.openpty()
    process = project.launch(stdout=its_side, stderr=subprocess.PIPE)
    os.close(its_side)
    try:
        project.wait_for(process)
        started = children(process)

        os.close(terminal)
        project.get("/health")

        assert process.wait(30) == 0
    finally:
        process.kill()
    assert process.stderr is not None
    assert process.stderr.read() == b""
    process.stderr.close()
    assert project.written is None
    assert not alive(started)


def test_without_standard_output_it_serves(tmp_path: Path) -> None:
    project = Project(tmp_path / "project")
    process = subprocess.Popen(
        ["sh", "-c", f"exec {sys.executable} -m local run >&-"],
        cwd=project.folder,
        env=project.environment,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        project.wait_for(process)
        assert project.get("/health").status_code == 200
    finally:
        process.send_signal(signal.SIGINT)
        status = process.wait(30)
    assert process.stderr is not None
    assert (status, process.stderr.read()) == (0, b"")
    process.stderr.close()
