"""The tests' one way to wait."""

from collections.abc import Callable

from local.waiting import until


def eventually(
    condition: Callable[[], object], seconds: float = 60.0, describe: Callable[[], object] = lambda: ""
) -> None:
    """Wait until something is true; the failure shows what `describe` returns."""
    assert until(condition, seconds), f"not within {seconds:g} s: {describe()}"
