"""The code of releases before this one, as git has it."""

import subprocess
import tarfile
from io import BytesIO
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MIGRATIONS = ROOT / "layers" / "common" / "checkout" / "release" / "migrations"
BRINGS_PRICES = MIGRATIONS / "checkout" / "0014_price.sql"
NO_HISTORY = "the history is not here: a shallow clone, or no git"


def release_before() -> str:
    """The newest tag, else the state before the newest migration. Skips the test if the history is not
    here."""
    tags = _git("tag", "--merged", "HEAD", "--sort=-v:refname", "--list", "v*").decode().split()
    return tags[0] if tags else f"{_git('log', '-1', '--format=%H', '--', str(MIGRATIONS)).decode().strip()}^"


def before_prices() -> str:
    """The state before credit and price could differ. Skips the test if the history is not here."""
    added = _git("log", "--diff-filter=A", "--format=%H", "--", str(BRINGS_PRICES)).decode().split()
    if not added:
        pytest.skip(NO_HISTORY)
    return f"{added[-1]}^"


def extract(release: str, folder: Path, *parts: str) -> None:
    """These files and folders of it. Skips the test if the history is not here."""
    with tarfile.open(fileobj=BytesIO(_git("archive", "--format=tar", release, *parts))) as content:
        content.extractall(folder, filter="data")


def _git(*arguments: str) -> bytes:
    try:
        return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        pytest.skip(NO_HISTORY)
