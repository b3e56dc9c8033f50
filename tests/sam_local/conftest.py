"""One stack for all, its functions in Lambda's own containers; skipped where there is no Docker engine."""

import os
import platform
from collections.abc import Iterator

import pytest

from local.sam.engine import GATEWAY, address
from local.stack.assembly import StackError
from tests.support.running_stack import RunningStack


@pytest.fixture(scope="session")
def engine() -> dict[str, str]:
    """What a stack must be told of it."""
    if platform.python_version_tuple()[:2] != ("3", "13"):
        pytest.skip("sam build needs Python 3.13, the functions' runtime")
    try:
        address()
    except StackError as error:
        pytest.skip(str(error))
    return {name: os.environ[name] for name in ("DOCKER_HOST", GATEWAY) if name in os.environ}


@pytest.fixture(scope="session")
def stack(engine: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    with RunningStack(tmp_path_factory.mktemp("sam") / "project", command="sam", **engine) as running:
        yield running
