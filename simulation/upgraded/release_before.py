"""The release before the newest migrations, read from git. Its package gets another name, so one process can
import both releases.
"""

import importlib
import re
import subprocess
import sys
import tarfile
from io import BytesIO
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
LAYER = "layers/common"
MIGRATIONS = f"{LAYER}/checkout/release/migrations"
PACKAGE = "checkout_before"

_IMPORT = re.compile(r"^(\s*(?:from|import) )checkout(?=[. ])", re.MULTILINE)


class NoHistory(Exception):
    """A shallow clone, or no git."""


def commit() -> str:
    """The newest one that lacks the newest migration of each database. Raises NoHistory."""
    lacking = [before(f"{MIGRATIONS}/{database}") for database in ("checkout", "application")]
    return git("merge-base", *lacking).decode().strip()


def before(path: str) -> str:
    """The commit before the newest one that added a file there. Raises NoHistory."""
    added = git("log", "--diff-filter=A", "--format=%H", "-1", "--", path).decode().strip()
    if not added:
        raise NoHistory
    return git("rev-parse", "--verify", f"{added}^").decode().strip()


def is_known() -> bool:
    try:
        commit()
    except NoHistory:
        return False
    return True


def unpack(release: str, folder: Path, *parts: str) -> None:
    """These files and folders of it. Raises NoHistory."""
    with tarfile.open(fileobj=BytesIO(git("archive", "--format=tar", release, *parts))) as content:
        content.extractall(folder, filter="data")


def git(*arguments: str) -> bytes:
    """Its output in the project. Raises NoHistory."""
    try:
        return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        raise NoHistory from error


def prepare(folder: Path) -> None:
    """Unpack the package there under its other name. Raises NoHistory."""
    unpack(commit(), folder, f"{LAYER}/checkout")
    package = (folder / LAYER / "checkout").rename(folder / PACKAGE)
    for path in package.rglob("*.py"):
        path.write_text(_IMPORT.sub(rf"\1{PACKAGE}", path.read_text()))


def make_importable(folder: Path) -> None:
    if str(folder) not in sys.path:
        sys.path.append(str(folder))


def module(name: str = "") -> Any:
    """The package, or a module of it: `outbox.record`."""
    return importlib.import_module(f"{PACKAGE}.{name}".rstrip("."))
