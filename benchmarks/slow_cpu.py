"""What an event takes on the share of a CPU that Lambda gives for a memory size, from its time on a full one.

Lambda gives memory/1769 of a vCPU, and throttles a function within periods of some ms. That needs the right
to make cgroups, which few machines give. So the CPU time of the function's process is divided by the share;
what it waits for others, which is the same with any share, is added.
"""

from collections.abc import Mapping, Sequence

FULL = 1_769
"""MB of memory with a whole vCPU (AWS Lambda Developer Guide, "Configure Lambda function memory")."""

SIZES = (512, 768, 1_024, 1_769)
MOST_FIRST, MOST_WARM = 1.5, 0.1
MARGIN = 1.25
"""For CPUs of Lambda that are slower than those of the measurement."""

WAITS_FIRST = 0.35
"""Seconds of a first event on AWS, all but CPU: Secrets Manager 30 ms, PostgreSQL 20 ms, and twice 150 ms for
a connection to a broker of MSK, whose check of a token takes 100 ms of them."""

WAITS_WARM = 0.02
"""Four round trips to PostgreSQL with a commit, and the acknowledgement of three brokers."""


def first(cpu: float, size: int) -> float:
    """Seconds that a first event takes after the init phase, from its CPU time."""
    return cpu * max(1.0, FULL / size) + WAITS_FIRST


def warm(cpu: float, size: int) -> float:
    return cpu * max(1.0, FULL / size) + WAITS_WARM


def cheapest(table: Mapping[int, Sequence[float]]) -> int:
    """The least memory size whose (first, warm) seconds are short enough, with the margin. Raises ValueError
    if none is."""
    return min(
        size
        for size, (cold, often) in table.items()
        if cold * MARGIN <= MOST_FIRST and often * MARGIN <= MOST_WARM
    )
