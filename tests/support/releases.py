"""The code of releases before this one, as git has it."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest

from simulation.upgraded import release_before as history
from tests.support.project import ROOT

MIGRATIONS = ROOT / history.MIGRATIONS
BRINGS_PRICES = f"{history.MIGRATIONS}/checkout/0014_price.sql"

Found = TypeVar("Found")


def release_before() -> str:
    """The newest tag, else the state before the newest migrations. Skips the test if the history is not
    here."""

    def newest() -> str:
        tags = history.git("tag", "--merged", "HEAD", "--sort=-v:refname", "--list", "v*").decode().split()
        return tags[0] if tags else history.commit()

    return _or_skip(newest)


def before_prices() -> str:
    """The state before credit and price could differ. Skips the test if the history is not here."""
    return _or_skip(lambda: history.before(BRINGS_PRICES))


def extract(release: str, folder: Path, *parts: str) -> None:
    """These files and folders of it. Skips the test if the history is not here."""
    _or_skip(lambda: history.unpack(release, folder, *parts))


def _or_skip(ask: Callable[[], Found]) -> Found:
    try:
        return ask()
    except history.NoHistory:
        pytest.skip("the history is not here: a shallow clone, or no git")
