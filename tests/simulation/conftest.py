"""The same real parts as the integration tests."""

from tests.integration.conftest import broker, databases, fns, simulator, stripe

__all__ = ["broker", "databases", "fns", "simulator", "stripe"]
