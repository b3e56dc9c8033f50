"""`make simulate` plays worlds that can be repeated, and finds a mistake."""

import os
import re
import subprocess
import sys

import pytest

from simulation.__main__ import LEFT_OUT
from tests.mutants.__main__ import main
from tests.support import releases
from tests.support.project import ROOT


def simulate(*options: str, **environment: str) -> str:
    command = [sys.executable, "-m", "simulation", "--processes", "1", *options]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return re.sub(r"in \d+ s, .* a second", "", done.stdout)


@pytest.mark.parametrize("seed", [8, 10], ids=["one after the other", "at once"])
def test_a_seed_is_a_world(seed: int) -> None:
    world = simulate("--seed", f"{seed}")
    assert "every rule held" in world
    assert world == simulate("--seed", f"{seed}")
    assert world != simulate("--seed", f"{seed + 10}")


def test_a_release_is_deployed_in_a_world() -> None:
    releases.release_before()
    seed, world = next(
        (seed, world)
        for seed in range(7, 207, 20)
        if "events go to both releases" in (world := simulate("--seed", f"{seed}"))
    )
    assert "every rule held" in world
    assert re.search(r"^ *migrate → \['", world, re.MULTILINE)
    assert world == simulate("--seed", f"{seed}")


def test_such_worlds_are_left_out_where_git_has_no_history() -> None:
    assert simulate("--seed", "7", GIT_DIR="nowhere") == f"{LEFT_OUT}\n"


def test_steps_that_are_left_out_do_not_happen() -> None:
    world = simulate("--seed", "8", "--steps", "3,17", "--mended", "3.0")
    assert re.findall(r"^step (\d+)$", world, re.MULTILINE) == ["3", "17"]


def test_a_mistake_is_found() -> None:
    assert main(["--only", "worlds", "--seeds", "20", "a refund is credited"]) == 0
