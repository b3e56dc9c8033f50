"""SAM's command line, with exactly the packages of the lock file; what it builds is compiled.

`sam build` checks the hashes of its downloads for this machine, but fetches compiled packages for Lambda's by
version only. So all packages are fetched and checked before, and it may use no others.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from deployment import ROOT

BUILD = ROOT / ".aws-sam" / "build"
LOCK = ROOT / "layers" / "common" / "requirements.txt"
WHEELS = ROOT / ".aws-sam" / "wheels"
MACHINES = ("aarch64", "x86_64")
MANYLINUX = ("manylinux2014", "manylinux_2_17", "manylinux_2_28", "manylinux_2_34")
PYTHON = "3.13"
RUNTIME = ("--implementation", "cp", "--python-version", PYTHON, "--abi", f"cp{PYTHON.replace('.', '')}")


class SamFailed(RuntimeError):
    """A command failed; sam or pip have printed why."""


def sam(*arguments: str) -> None:
    """Run a command of sam; what it has built is compiled. Raises SamFailed, also if a package differs from
    the lock file."""
    environment = {**os.environ, "SAM_CLI_TELEMETRY": "0"}
    # sam looks for the runtime's interpreter, which is the virtual environment's, by its name.
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    if arguments[0] == "build":
        fetch_wheels(WHEELS)
        environment |= {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(WHEELS)}
    done = subprocess.run(
        [sys.executable, "-m", "samcli", *arguments], cwd=ROOT, env=environment, check=False
    )
    if done.returncode:
        raise SamFailed(f"sam {arguments[0]} failed with status {done.returncode}")
    if arguments[0] == "build":
        python = shutil.which(f"python{PYTHON}", path=environment["PATH"])
        if python is None:
            raise SamFailed(f"python{PYTHON}, the functions' runtime, is not on this machine")
        compile_modules(BUILD, python)


def compile_modules(build: Path, python: str) -> None:
    """Add the bytecode of all modules by an interpreter of the runtime's version. Raises SamFailed.

    Functions cannot write theirs to Lambda's file system, so each cold start would compile every module, and
    take twice the time. The bytecode is not checked against the sources, whose times change on their way, so
    the digest of the build includes it.
    """
    for folder in [*build.rglob("__pycache__")]:
        shutil.rmtree(folder)  # From the working tree, of whatever was run there.
    command = [python, "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash"]
    # Bytecode names its source: by the path in the build, the same sources always give the same bytecode.
    if subprocess.run([*command, "-s", str(build), str(build)], check=False).returncode:
        raise SamFailed(f"the modules in {build} cannot be compiled")


def fetch_wheels(folder: Path) -> None:
    """Fetch the locked packages for this machine and for each of Lambda's architectures into an empty folder.

    Raises SamFailed if one cannot be fetched as it is locked.
    """
    shutil.rmtree(folder, ignore_errors=True)
    for platforms in ([], *map(_platforms, MACHINES)):
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
        locked = ["--require-hashes", "--no-deps", "--only-binary=:all:", "-r", str(LOCK)]
        target = [*RUNTIME, *platforms, "--dest", str(folder)]
        if subprocess.run([*command, *locked, *target], check=False).returncode:
            raise SamFailed(f"the packages of {LOCK.name} cannot be fetched as they are locked")


def _platforms(machine: str) -> list[str]:
    return [part for one in MANYLINUX for part in ("--platform", f"{one}_{machine}")]
