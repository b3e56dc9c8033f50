"""Two releases in one Python."""

import subprocess
import sys
from pathlib import Path

import pytest

from checkout.base.errors import CheckoutError, Conflict
from simulation.own import as_ours, own
from simulation.running import ONE_IN, is_upgraded
from simulation.upgraded import release_before
from tests.mutants.mutant import CHECKOUT, Worlds
from tests.support import releases
from tests.support.project import ROOT

ALL = """
import importlib, pkgutil, sys
sys.path[:0] = sys.argv[1:]
import checkout_before
for found in pkgutil.walk_packages(checkout_before.__path__, "checkout_before."):
    if not found.name.endswith("__main__"):
        importlib.import_module(found.name)
print(*(name for name in sys.modules if name == "checkout" or name.startswith("checkout.")))
"""


def of_before(name: str, *bases: type[Exception]) -> type[Exception]:
    return type(name, bases or (Exception,), {"__module__": f"{release_before.PACKAGE}.base.errors"})


def test_the_release_before_imports_nothing_of_this_one(tmp_path: Path) -> None:
    releases.release_before()
    release_before.prepare(tmp_path)
    done = subprocess.run(
        [sys.executable, "-c", ALL, str(tmp_path)], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout.strip()) == (0, ""), done.stderr


def new_migrations() -> list[Path]:
    """Those that the release before lacks, below the package."""
    releases.release_before()
    listed = release_before.git(
        "ls-tree", "-r", "--name-only", release_before.commit(), "--", release_before.MIGRATIONS
    )
    now = {path.relative_to(ROOT) for path in releases.MIGRATIONS.glob("*/*.sql")}
    return [path.relative_to(CHECKOUT) for path in sorted(now - {*map(Path, listed.decode().split())})]


def test_it_lacks_a_migration_of_each_database() -> None:
    assert {path.parent.name for path in new_migrations()} == {"checkout", "application"}


def test_what_nobody_has_added_has_no_release_before() -> None:
    with pytest.raises(release_before.NoHistory):
        release_before.before("no/such/file")


def test_an_error_of_the_release_before_is_known_by_its_name() -> None:
    theirs = of_before("Conflict")("in the way")
    found = as_ours(theirs)
    assert (type(found), str(found)) == (Conflict, "in the way")
    ours = Conflict("ours")
    assert as_ours(ours) is ours


def test_an_error_that_is_no_more_is_the_nearest_that_is() -> None:
    assert type(as_ours(of_before("Gone", of_before("Conflict"))("gone"))) is Conflict
    assert type(as_ours(of_before("Gone", of_before("CheckoutError"))("gone"))) is CheckoutError
    assert as_ours(ValueError("a mistake")) is None


def test_a_system_gets_what_is_of_its_own_release() -> None:
    assert own(Conflict("a system"), "base.errors").Conflict is Conflict


def test_each_kind_of_world_has_seeds_of_its_own() -> None:
    upgraded, serial = set(Worlds.UPGRADED.seeds), set(Worlds.SERIAL.seeds)
    assert all(is_upgraded(seed) and seed % ONE_IN for seed in upgraded)
    assert not upgraded & (serial | set(Worlds.INTERLEAVED.seeds))
    assert len(upgraded) == len(serial)
