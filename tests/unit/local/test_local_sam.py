import stat
import tomllib
from pathlib import Path

import pytest

from local.sam import command, engine
from local.stack.assembly import StackError
from tests.support.settings import put

ROOT = Path(__file__).parents[3]


def docker(folder: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A PATH whose only program is a `docker` that runs this script."""
    program = folder / "docker"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(stat.S_IRWXU)
    put(monkeypatch, PATH=str(folder), **{engine.GATEWAY: None})


def test_the_engine_is_asked_for_its_bridge(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    docker(tmp_path, "echo 172.17.0.1", monkeypatch)

    assert engine.address() == "172.17.0.1"


def test_an_address_that_is_given_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    put(monkeypatch, **{engine.GATEWAY: "10.9.8.7"})

    assert engine.address() == "10.9.8.7"


def test_without_docker_it_says_what_needs_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(monkeypatch, PATH=str(tmp_path), **{engine.GATEWAY: None})

    with pytest.raises(StackError, match=r"Docker is needed.*make run"):
        engine.address()


@pytest.mark.parametrize("script", ["echo no daemon >&2; exit 1", "echo"])
def test_an_engine_that_does_not_answer_is_named(
    script: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    docker(tmp_path, script, monkeypatch)

    with pytest.raises(StackError, match="no Docker engine answers"):
        engine.address()


def test_containers_get_every_variable_and_this_machine_by_name() -> None:
    names = ["DATABASE_URL", "PUBLIC_ORIGIN", "RELEASE", "POWERTOOLS_SERVICE_NAME", "AWS_LAMBDA_EXEC_WRAPPER"]
    ours = {
        "DATABASE_URL": "postgresql://127.0.0.1:5432/application",
        "PUBLIC_ORIGIN": "http://127.0.0.1:9996",
        "PATH": "/bin",
    }

    assert command.for_containers(names, ours) == {
        "DATABASE_URL": f"postgresql://{command.NAME}:5432/application",
        "PUBLIC_ORIGIN": "http://127.0.0.1:9996",
        "RELEASE": "",
    }


def test_what_sam_is_told_without_us_is_what_we_tell_it() -> None:
    config = tomllib.loads((ROOT / "samconfig.toml").read_text())["default"]
    ours = command.local("invoke", Path(".local"), "host-gateway")

    local = {name: told["parameters"] for name, told in config.items() if name.startswith("local_")}
    assert local == {
        "local_invoke": {
            "env_vars": ours[ours.index("--env-vars") + 1],
            "add_host": [ours[ours.index("--add-host") + 1]],
        }
    }
