"""Which containers are removed; the engine is a script."""

import stat
from pathlib import Path

import pytest

from local.sam import engine
from tests.support.settings import put


def test_only_those_that_run_what_was_built_in_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "build").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "build")
    (tmp_path / "listed").write_text(
        f"one {tmp_path}/build/AccountFunction\n"
        f"two /elsewhere,/host_mnt{tmp_path}/build/WebFunction\n"
        f"three {tmp_path}/build-of-another/WebFunction\n"
        f"four /elsewhere{tmp_path}/build/WebFunction\n"
        "five \n"
    )
    program = tmp_path / "docker"
    program.write_text(
        f'#!/bin/sh\ncd {tmp_path}\nif [ "$1" = ps ]; then /bin/cat listed; else echo "$@" >>done; fi\n'
    )
    program.chmod(stat.S_IRWXU)
    put(monkeypatch, PATH=str(tmp_path))

    engine.remove_containers(tmp_path / "link")
    engine.remove_containers(tmp_path / "nothing")

    assert (tmp_path / "done").read_text() == "rm --force one two\n"


def test_without_docker_there_are_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(monkeypatch, PATH=str(tmp_path))

    engine.remove_containers(tmp_path)
