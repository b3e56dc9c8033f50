"""Supplies: packages by version and hash, actions by commit, one build for all stacks."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from deployment import build, deploy, infrastructure, preflight, sam
from deployment.build import AnotherBuild
from deployment.sam import SamFailed
from tests.support.settings import put

ROOT = Path(__file__).parents[3]
LOCKS = {
    "requirements-dev.in": "requirements-dev.txt",
    "local/requirements.in": "local/requirements.txt",
    "layers/common/requirements.in": "layers/common/requirements.txt",
    "examples/requirements.in": "examples/requirements.txt",
    "infrastructure/checkov.in": "infrastructure/checkov.txt",
    "infrastructure/ministack.in": "infrastructure/ministack.txt",
    ".github/audit.in": ".github/audit.txt",
}
PIN = re.compile(r"^([A-Za-z0-9][\w.-]*)==([^\s;\\]+)", re.MULTILINE)
WORKFLOW = yaml.safe_load((ROOT / ".github" / "workflows" / "deploy.yml").read_text())


def pins(path: Path) -> dict[str, set[str]]:
    """Versions by package; a lock for several Pythons may have two."""
    found: dict[str, set[str]] = {}
    for name, version in PIN.findall(path.read_text()):
        found.setdefault(re.sub(r"[-_.]+", "-", name).lower(), set()).add(version)
    return found


def asked(path: Path) -> dict[str, set[str]]:
    wanted = pins(path)
    for other in re.findall(r"^-r (\S+)", path.read_text(), re.MULTILINE):
        wanted |= asked(path.parent / other)
    return wanted


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_has_what_was_asked_for(name: str) -> None:
    wanted, locked = asked(ROOT / name), pins(ROOT / LOCKS[name])
    assert wanted
    assert {package: locked.get(package) for package in wanted} == wanted, "make lock"


@pytest.mark.parametrize("name", LOCKS.values())
def test_every_package_has_hashes_and_no_address(name: str) -> None:
    text = (ROOT / name).read_text()
    entries = re.split(r"^(?=[A-Za-z0-9])", text, flags=re.MULTILINE)[1:]
    assert len(entries) >= 10
    for entry in entries:
        assert PIN.match(entry), entry.splitlines()[0]
        assert "--hash=sha256:" in entry, entry.splitlines()[0]
    assert "://" not in text
    assert "-index" not in text


def test_the_locks_agree_on_every_version() -> None:
    everything = pins(ROOT / "requirements-dev.txt")
    for name in ("local/requirements.txt", "layers/common/requirements.txt", "examples/requirements.txt"):
        for package, versions in pins(ROOT / name).items():
            assert versions <= everything[package], package


def test_nothing_is_installed_without_its_hash() -> None:
    for name in ("Makefile", ".ci/run", ".github/workflows/deploy.yml"):
        for line in (ROOT / name).read_text().splitlines():
            assert "pip install" not in line or "--require-hashes" in line, line


def steps() -> list[dict[str, Any]]:
    return [step for job in WORKFLOW["jobs"].values() for step in job["steps"]]


def test_every_action_is_a_commit() -> None:
    used = [step["uses"] for step in steps() if "uses" in step]
    assert len(used) > 10
    for action in used:
        assert re.fullmatch(r"[\w.-]+/[\w.-]+@[0-9a-f]{40}", action), action


def test_what_is_deployed_was_built_once_and_without_credentials() -> None:
    jobs = WORKFLOW["jobs"]
    assert WORKFLOW["permissions"] == {"contents": "read"}
    for name in ("test", "mutants", "supplies", "build"):
        assert "permissions" not in jobs[name]
        assert "environment" not in jobs[name]
    for name, option in (("staging", 'BUILT="$DIGEST"'), ("plan", '--built "$DIGEST"')):
        assert "build" in jobs[name]["needs"]
        commands = [step.get("run", "") for step in jobs[name]["steps"]]
        [deployed] = [command for command in commands if "deploy " in command]
        assert option in deployed
        assert not [command for command in commands if "deployment build" in command]
    assert set(jobs["build"]["needs"]) == {"test", "mutants", "supplies"}


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An existing build, so none is made."""
    folder = tmp_path / "build"
    folder.mkdir()
    (folder / "template.yaml").write_text("one")
    monkeypatch.setattr(build, "ROOT", tmp_path)
    monkeypatch.setattr(build, "BUILD", folder)
    return folder


def test_only_the_build_that_was_asked_for_is_taken(made: Path) -> None:
    digest = build.digest("arm64")
    build.require(digest, "arm64")
    with pytest.raises(AnotherBuild, match="x86_64"):
        build.require(digest, "x86_64")
    (made / "template.yaml").write_text("another")
    with pytest.raises(AnotherBuild, match=digest):
        build.require(digest, "arm64")


def test_modules_are_compiled_alike_wherever_they_are_built(tmp_path: Path) -> None:
    for name in ("one", "other"):
        (tmp_path / name / "Layer").mkdir(parents=True)
        (tmp_path / name / "Layer" / "module.py").write_text('VALUE = {"compiled", "from", "this"}\n')
        (tmp_path / name / "Layer" / "__pycache__").mkdir()
        (tmp_path / name / "Layer" / "__pycache__" / "module.cpython-311.pyc").write_text(name)
        sam.compile_modules(tmp_path / name, sys.executable)
    assert build.release_of(tmp_path / "one", {}) == build.release_of(tmp_path / "other", {})


def test_a_compiled_module_is_good_whenever_its_source_is_from(tmp_path: Path) -> None:
    module = tmp_path / "module.py"
    module.write_text("VALUE = 1\n")
    sam.compile_modules(tmp_path, sys.executable)
    module.write_text("raise AssertionError('compiled again')\n")
    command = [sys.executable, "-B", "-c", "import module; print(module.VALUE, module.__file__)"]
    done = subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True)
    assert done.stdout.split() == ["1", str(module)]


def test_a_module_that_cannot_be_compiled_is_not_deployed(tmp_path: Path) -> None:
    (tmp_path / "module.py").write_text("def\n")
    with pytest.raises(SamFailed, match="cannot be compiled"):
        sam.compile_modules(tmp_path, sys.executable)


def test_a_build_is_promoted_and_not_made_again(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[str] = []
    monkeypatch.setattr(deploy, "_sam", lambda *arguments: given.append(arguments[0]))
    monkeypatch.setattr(preflight, "check", lambda *_, **__: iter(()))
    monkeypatch.setattr(preflight, "status_of", lambda _: "UPDATE_COMPLETE")
    monkeypatch.setattr(preflight, "app_id_of", lambda _: "checkout")
    monkeypatch.setattr(preflight, "zones_of", lambda _: "")
    monkeypatch.setattr(preflight, "tags_of", lambda _: {})
    monkeypatch.setattr(infrastructure, "has_functions", lambda _: True)
    monkeypatch.setattr(preflight, "parameters_of", lambda _: {})
    put(monkeypatch, AWS_DEFAULT_REGION="eu-west-1")
