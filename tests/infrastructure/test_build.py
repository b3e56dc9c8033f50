"""What `sam build` makes is complete, small, and free of what only development needs."""

import os
import re
import subprocess
import sys
from importlib.util import cache_from_source
from pathlib import Path

import pytest

from deployment.sam import compile_modules
from tests.infrastructure.interpreter import RUNTIME, interpreter
from tests.infrastructure.transformed import ROOT, parsed, source

MOST_BYTES = 100 * 1024 * 1024
FUNCTIONS = sorted(
    name
    for name, resource in source()["Resources"].items()
    if resource["Type"] == "AWS::Serverless::Function"
)


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = interpreter()
    if folder is None:
        pytest.skip(f"{RUNTIME}, the functions' runtime, is not on this machine")
    target = tmp_path_factory.mktemp("build") / "build"
    done = subprocess.run(
        [sys.executable, "-m", "samcli", "build", "--no-cached", "--build-dir", target],
        cwd=ROOT,
        env={**os.environ, "PATH": f"{folder}:{os.environ['PATH']}", "SAM_CLI_TELEMETRY": "0"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    compile_modules(target, f"{folder}/{RUNTIME}")
    return target


@pytest.fixture(scope="module")
def layer(build: Path) -> Path:
    return build / "CommonLayer" / "python"


def size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def normalized(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_the_layer_has_exactly_the_pinned_packages(layer: Path) -> None:
    locked = (ROOT / "layers" / "common" / "requirements.txt").read_text()
    pinned = {
        (normalized(name), normalized(version))
        for name, version in re.findall(r"^([\w.-]+)==(\S+)", locked, re.MULTILINE)
    }
    installed = {
        tuple(normalized(part) for part in path.name.removesuffix(".dist-info").split("-"))
        for path in layer.glob("*.dist-info")
    }

    assert installed == pinned


def test_the_layer_has_our_code_with_its_migrations_and_certificates(layer: Path) -> None:
    ours = ROOT / "layers" / "common" / "checkout"
    kinds = (".py", ".sql", ".typed", ".pem")
    wanted = {path.relative_to(ours) for path in ours.rglob("*") if path.suffix in kinds}

    assert wanted <= {path.relative_to(layer / "checkout") for path in (layer / "checkout").rglob("*")}


def test_no_function_brings_packages_of_its_own(build: Path) -> None:
    for name in FUNCTIONS:
        assert list((build / name).rglob("*.dist-info")) == []
        assert not (build / name / "requirements.txt").exists()


def test_every_module_comes_with_its_bytecode(build: Path) -> None:
    """Functions cannot write it, and would compile every module at each cold start."""
    modules = list(build.rglob("*.py"))
    assert len(modules) > 1000
    assert [path for path in modules if not Path(cache_from_source(path)).exists()] == []


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_with_its_layer_is_small(build: Path, layer: Path, name: str) -> None:
    print(f"{name}: {size(build / name) / 1e6:.2f} MB, and the layer's {size(layer) / 1e6:.1f} MB")
    assert size(build / name) + size(layer) < MOST_BYTES


def test_everything_compiled_is_of_the_template_s_architecture(build: Path) -> None:
    """By default that of Graviton; test_runtime.py runs a build for this machine."""
    compiled = list(build.rglob("*.so*"))
    # The machine's number in an ELF header: 183 is AArch64.
    machines = {path.name: int.from_bytes(path.read_bytes()[18:20], "little") for path in compiled}

    assert source()["Parameters"]["Architecture"]["Default"] == "arm64"
    assert len(machines) > 5
    assert [name for name, machine in machines.items() if machine != 183] == []


def test_the_built_template_names_the_handlers(build: Path) -> None:
    built = parsed(build / "template.yaml")

    assert built["Globals"]["Function"]["Handler"] == "app.handler"
    for name in FUNCTIONS:
        assert built["Resources"][name]["Properties"]["CodeUri"] == name
