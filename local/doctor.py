"""What this machine has, what it lacks, and what each missing thing would enable: `make doctor`.

Needs no package, so it can say what is wrong before any is installed.
"""

import os
import re
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from checkout.base import terminal
from checkout.base.text import printable
from local import processes
from local.kafka import jars

ROOT = Path(__file__).parents[1]
OLDEST_PYTHON = (3, 11)
RUNTIME = (3, 13)
"""Lambda's Python, with which `sam build` builds."""

DISK_GB = 1
"""For what `make run` installs, and its data."""

PORTS = {"PORT": 9996, "STRIPE_PORT": 9997}
HEADLESS = "chromium-headless-shell"
"""The same without windows, which takes a third of the time."""

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", HEADLESS)
SECONDS = 5.0
"""For a program to say its version: an engine that hangs counts as one that is not there."""

MOST_SAID = 60
"""Characters of a version."""

_COLORS = re.compile("\x1b\\[[0-9;]*m")


@dataclass(frozen=True)
class Finding:
    """One thing. Without `enables`, `make run` needs it."""

    name: str
    is_there: bool
    says: str
    """Its version or state; what to do about it if it is missing."""
    enables: str = ""

    @property
    def is_needed(self) -> bool:
        return not self.enables


Check = Callable[[], Finding]


def main(environment: Mapping[str, str] = os.environ, root: Path = ROOT) -> int:
    """Print the findings; 1 if `make run` could not work, else 0."""
    found = examine(environment, root)
    width = max(len(one.name) for one in found)
    for one in found:
        state = "ok" if one.is_there else "MISSING" if one.is_needed else "missing"
        enables = f"; it would enable {one.enables}" if one.enables and not one.is_there else ""
        terminal.say(f"{state:<8} {one.name:<{width}}  {printable(one.says)}{enables}")
    lacking = [one.name for one in found if one.is_needed and not one.is_there]
    terminal.say(f"\nmake run cannot work: see {', '.join(lacking)}" if lacking else "\nmake run works here.")
    return 1 if lacking else 0


def examine(environment: Mapping[str, str], root: Path) -> list[Finding]:
    """All findings, those that `make run` needs first."""
    path = environment.get("PATH")
    checks: list[Check] = [
        _python,
        lambda: _packages(root),
        lambda: _postgresql(path),
        *(partial(_port, name, environment, root) for name in PORTS),
        lambda: _disk(root),
        lambda: _runtime(path),
        _other_postgresqls,
        lambda: _java(path),
        lambda: _program(path, "Maven", ("mvn",), "--version", "make run KAFKA=apache the first time"),
        lambda: _docker(path),
        lambda: _program(path, "browser", BROWSERS, "--version", "the tests of the pages in Chromium"),
        lambda: _program(
            path, "Stripe CLI", ("stripe",), "version", "webhooks of Stripe itself: stripe listen"
        ),
        lambda: _program(path, "AWS CLI", ("aws",), "--version", "the aws commands of docs/deploy.md"),
        lambda: _sam(root),
    ]
    with ThreadPoolExecutor(len(checks)) as pool:
        return list(pool.map(lambda check: check(), checks))


def _python() -> Finding:
    is_there = sys.version_info >= OLDEST_PYTHON
    version = ".".join(map(str, sys.version_info[:3]))
    return Finding(
        "Python", is_there, version if is_there else f"{version}; install 3.11 or later, 3.13 at best"
    )


def _packages(root: Path) -> Finding:
    python = root / ".venv" / "bin" / "python"
    if (python.parent.parent / "run.stamp").exists():
        return Finding("packages", True, "in .venv")
    can = shutil.which("make") is not None
    return Finding("packages", can, "make run installs them into .venv" if can else "install make")


def _postgresql(path: str | None) -> Finding:
    """The embedded one comes with the packages; as root it needs a program to run as another user."""
    if os.geteuid() == 0 and shutil.which("setpriv", path=path) is None:
        says = "PostgreSQL does not run as root: install setpriv (package util-linux), or be another user"
        return Finding("PostgreSQL", False, says)
    return Finding("PostgreSQL", True, "comes with the packages")


def _port(name: str, environment: Mapping[str, str], root: Path) -> Finding:
    text = environment.get(name) or _in_file(name, root / ".env") or str(PORTS[name])
    if not text.isdecimal() or not 0 < int(text) < 65536:
        return Finding(name, False, f"{text!r} is no port: 1 to 65535")
    if processes.is_free(int(text)):
        return Finding(name, True, f"{text} is free")
    if f"127.0.0.1:{text}" in _text(root / ".local" / "stack.json"):
        return Finding(name, True, f"{text} is used by the stack of this folder")
    return Finding(name, False, f"{text} is taken by another program: make run {name}=… takes another one")


def _disk(root: Path) -> Finding:
    free = shutil.disk_usage(root).free / 1e9
    says = f"{free:.1f} GB free"
    return Finding("disk", free >= DISK_GB, says if free >= DISK_GB else f"{says}; {DISK_GB} GB are needed")


def _runtime(path: str | None) -> Finding:
    name = "python{}.{}".format(*RUNTIME)
    is_there = sys.version_info[:2] == RUNTIME or shutil.which(name, path=path) is not None
    return Finding("Python 3.13", is_there, "Lambda's runtime", "make deploy, make check-aws, make sam-local")


def _other_postgresqls() -> Finding:
    found = sorted(folder.parent.name for folder in Path("/usr/lib/postgresql").glob("*/bin"))
    says = f"versions {', '.join(found)}" if found else "none in /usr/lib/postgresql"
    return Finding("other PostgreSQLs", bool(found), says, "make test-postgres")


def _java(path: str | None) -> Finding:
    version = jars.java_version(_said(path, "java", "-version"))
    is_there = version is not None and version >= jars.OLDEST_JAVA
    says = "not found" if version is None else f"version {version}"
    says += "" if is_there else f"; {jars.OLDEST_JAVA} or later"
    return Finding("Java", is_there, says, "make run KAFKA=apache, make test-kafka")


def _docker(path: str | None) -> Finding:
    version = _said(path, "docker", "version", "--format", "{{.Server.Version}}")
    is_there = re.fullmatch(r"[\w.+-]+", version) is not None
    says = f"version {version}" if is_there else "no engine answers"
    return Finding("Docker engine", is_there, says, "make sam-local, make test-sam-local, compose.yaml")


def _sam(root: Path) -> Finding:
    is_there = (root / ".venv" / "dev.stamp").exists()
    says = "in .venv" if is_there else "make lint installs it into .venv"
    return Finding("SAM CLI, test tools", is_there, says, "make test, make deploy")


def _program(path: str | None, name: str, programs: tuple[str, ...], option: str, enables: str) -> Finding:
    for program in programs:
        if shutil.which(program, path=path) and (said := _said(path, program, option)):
            version = said.splitlines()[0].split(" built on ")[0]
            return Finding(name, True, textwrap.shorten(version, MOST_SAID, placeholder=" …"), enables)
    return Finding(name, False, f"no {programs[0]} on PATH", enables)


def _said(path: str | None, program: str, *arguments: str) -> str:
    """What the program printed; empty if it is not there, fails or takes too long."""
    found = shutil.which(program, path=path)
    if found is None:
        return ""
    try:
        done = subprocess.run(
            [found, *arguments], capture_output=True, text=True, timeout=SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return _COLORS.sub("", done.stdout + done.stderr).strip() if done.returncode == 0 else ""


def _in_file(name: str, file: Path) -> str | None:
    found = re.search(rf"^\s*{name}\s*=\s*(\d+)", _text(file), re.MULTILINE)
    return found and found[1]


def _text(file: Path) -> str:
    try:
        return file.read_text(errors="replace")
    except OSError:
        return ""


if __name__ == "__main__":
    raise SystemExit(main())
