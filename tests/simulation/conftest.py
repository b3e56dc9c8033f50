"""The same real parts as the integration tests."""

from collections.abc import Iterator

import pytest

from checkout.base import telemetry
from tests.integration.conftest import broker, databases, fns, simulator, stripe, tail
from tests.support.stripe_simulator import Simulator

__all__ = ["broker", "databases", "fns", "simulator", "stripe", "tail"]


@pytest.fixture(scope="module")
def living(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    """A Stripe in which a payment's life is over soon."""
    with Simulator(
        tmp_path_factory.mktemp("stripe"), debit_seconds=0.05, refund_seconds=0.05, dispute_seconds=0.05
    ) as living:
        yield living


@pytest.fixture
def quiet() -> Iterator[None]:
    """Tens of thousands of events are not worth a line each."""
    level = telemetry.logger.log_level
    telemetry.logger.setLevel("ERROR")
    yield
    telemetry.logger.setLevel(level)
