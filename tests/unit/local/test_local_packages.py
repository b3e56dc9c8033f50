"""What a fresh clone installs is enough: the tests' own environment has far more."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
ONLY_THOSE_OF = """
import re, sys
from importlib.metadata import packages_distributions

def key(name):
    return re.sub("[-_.]+", "-", name).lower()

installed = set(map(key, sys.argv[2:]))

class Refuse:
    def find_spec(self, name, path=None, target=None):
        owners = OWNERS.get(name.partition(".")[0])
        if owners and not installed & set(map(key, owners)):
            raise ModuleNotFoundError(f"{name} is not installed", name=name)

OWNERS = packages_distributions()
sys.meta_path.insert(0, Refuse())
__import__(sys.argv[1])
"""


@pytest.mark.parametrize(
    "module", ["local.__main__", "stripe_simulator.__main__", "checkout.operations.__main__"]
)
def test_the_command_line_starts_with_what_make_run_installs(module: str) -> None:
    locked = re.findall(r"^([\w.-]+)==", (ROOT / "local" / "requirements.txt").read_text(), re.MULTILINE)
    done = subprocess.run(
        [sys.executable, "-c", f"import local\n{ONLY_THOSE_OF}", module, *locked],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
