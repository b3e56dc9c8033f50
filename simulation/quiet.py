"""Neither logs nor metrics of the code are printed: a world has hundreds of lines of its own."""

from typing import Any

from checkout.base import telemetry


def be_quiet(of: Any = telemetry) -> None:
    """From now on, in this process. `of` is the module of whichever release."""

    def add(name: str, unit: str, value: int) -> None:
        del name, unit, value

    of._add = add
    of.logger.setLevel("CRITICAL")
