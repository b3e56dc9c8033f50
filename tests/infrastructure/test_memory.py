"""The functions' memory is the cheapest that is fast enough, by the measurement in docs/performance.md."""

import re

import pytest

from benchmarks import slow_cpu
from checkout.base import timing
from tests.infrastructure import transformed
from tests.infrastructure.transformed import ROOT

TABLE = {
    int(size.replace(",", "")): (int(first.replace(",", "")) / 1000, int(warm) / 1000)
    for size, first, warm in re.findall(
        r"^\| ([\d,]+) \| ([\d,]+) \| (\d+) \|$",
        (ROOT / "docs" / "performance.md").read_text().partition("## Memory")[2].partition("\n## ")[0],
        re.MULTILINE,
    )
}
"""Memory in MB to seconds of a first event and of a warm one."""


def memory(function: str) -> int:
    defaults = transformed.source()["Globals"]["Function"]
    own = transformed.source()["Resources"][function]["Properties"]
    return int(own.get("MemorySize", defaults["MemorySize"]))


def test_every_size_was_measured() -> None:
    assert tuple(TABLE) == slow_cpu.SIZES


def test_the_webhook_has_the_cheapest_size_that_is_fast_enough() -> None:
    assert memory("StripeWebhookFunction") == slow_cpu.cheapest(TABLE)


def test_a_message_is_published_at_once_although_the_sign_in_is_cold() -> None:
    """A whole first event takes less than the producer alone may."""
    first, _ = TABLE[memory("StripeWebhookFunction")]
    assert first * slow_cpu.MARGIN < timing.PUBLISH_AT_ONCE


def test_a_size_that_is_too_slow_is_not_chosen() -> None:
    assert slow_cpu.cheapest({512: (1.3, 0.05), 768: (1.0, 0.09), 1024: (0.9, 0.06)}) == 1024
    with pytest.raises(ValueError, match="empty"):
        slow_cpu.cheapest({512: (1.6, 0.01)})
    assert slow_cpu.first(0.1, 512) == pytest.approx(0.1 * 1769 / 512 + slow_cpu.WAITS_FIRST)
    assert slow_cpu.warm(0.01, 4096) == pytest.approx(0.01 + slow_cpu.WAITS_WARM)
