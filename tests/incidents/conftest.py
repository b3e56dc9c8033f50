"""The same real parts as the integration tests."""

from collections.abc import Iterator

import pytest

from tests.integration.conftest import broker, databases, fns, known, silent, simulator, stripe
from tests.support.brokers import AnyBroker
from tests.support.functions import Functions
from tests.support.published import Published

__all__ = ["broker", "databases", "fns", "known", "silent", "simulator", "stripe"]


@pytest.fixture
def published(fns: Functions, broker: AnyBroker) -> Iterator[Published]:
    with Published(fns, broker.address) as found:
        yield found
