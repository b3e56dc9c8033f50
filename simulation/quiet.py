"""Neither logs nor metrics of the code are printed: a world has hundreds of lines of its own."""

from checkout.base import telemetry


def be_quiet() -> None:
    """From now on, in this process."""

    def add(name: str, unit: str, value: int) -> None:
        del name, unit, value

    telemetry._add = add
    telemetry.logger.setLevel("CRITICAL")
