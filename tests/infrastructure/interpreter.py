"""The functions' runtime on this machine."""

import shutil
import subprocess
import sys
from pathlib import Path

from tests.infrastructure.transformed import source

RUNTIME = source()["Globals"]["Function"]["Runtime"]


def interpreter() -> str | None:
    """A folder with a working interpreter of the functions' runtime, by its own name."""
    beside = Path(sys.executable).parent / RUNTIME
    found = str(beside) if beside.exists() else shutil.which(RUNTIME)
    works = found and subprocess.run([found, "-m", "pip", "--version"], capture_output=True, check=False)
    return str(Path(found).parent) if found and works and works.returncode == 0 else None
