"""`make simulate` plays worlds that can be repeated, and finds a mistake."""

import re
import subprocess
import sys

from tests.mutants import simulated
from tests.support.project import ROOT


def simulate(*options: str) -> str:
    command = [sys.executable, "-m", "simulation", "--processes", "1", *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return re.sub(r"in \d+ s, .* a second", "", done.stdout)


def test_a_seed_is_a_world() -> None:
    world = simulate("--seed", "8")
    assert "every rule held" in world
    assert world == simulate("--seed", "8")
    assert world != simulate("--seed", "9")


def test_steps_that_are_left_out_do_not_happen() -> None:
    world = simulate("--seed", "8", "--steps", "3,17", "--mended", "3.0")
    assert re.findall(r"^step (\d+)$", world, re.MULTILINE) == ["3", "17"]


def test_a_mistake_is_found() -> None:
    assert simulated.main(["a refund is credited", "--seeds", "20"]) == 0
