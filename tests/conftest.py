"""How pytest-xdist spreads the tests over processes, and how patient Hypothesis is."""

import hypothesis
import pytest
from xdist.scheduler import LoadFileScheduling

# What they assert says what was found, too.
pytest.register_assert_rewrite("tests.support", "tests.contracts")

# How long an example takes says more about the machine than about what is tested.
hypothesis.settings.register_profile("patient", deadline=None)
hypothesis.settings.load_profile("patient")


class Scheduling(LoadFileScheduling):  # type: ignore[misc]
    """Files stay together, since their tests share what is expensive to start. Simulations share nothing and
    take long: each goes wherever a process is free."""

    def _split_scope(self, nodeid: str) -> str:
        return nodeid if nodeid.startswith("tests/simulation/") else super()._split_scope(nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> Scheduling | None:
    return Scheduling(config, log) if config.getvalue("dist") == "loadfile" else None
