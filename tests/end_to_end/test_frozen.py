"""Between two events an execution environment is frozen, and brokers forget its connections meanwhile."""

import signal
import statistics
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from checkout.base import timing
from local.kafka import TOPICS
from local.kafka.apache import ApacheKafka
from tests.support.apache_kafka import share_jars
from tests.support.running_stack import RunningStack

pytestmark = pytest.mark.timeout(400)  # The first test may have to wait for the download.

FREEZES = 20
IDLE_SECONDS = 1
FROZEN_SECONDS = 2.0
BOUND_SECONDS = timing.PUBLISH_AT_ONCE + 5.0
"""For the publish, and for all else that a webhook does, on a machine that may have other work, too."""


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[RunningStack]:
    """Brokers and producer both keep idle connections for a second; each function has one environment."""
    data = tmp_path / "kafka"
    share_jars(data)
    kafka = ApacheKafka(TOPICS, data, properties={"connections.max.idle.ms": f"{IDLE_SECONDS * 1000}"})
    kafka.start()
    with RunningStack(
        tmp_path / "project",
        KAFKA="apache",
        KAFKA_BROKERS=kafka.address,
        KAFKA_IDLE_SECONDS=str(IDLE_SECONDS),
        FUNCTION_ENVIRONMENTS="1",
    ) as running:
        yield running
    kafka.stop()


def test_the_first_webhook_after_a_thaw_is_answered_in_time_and_credited_once(
    stack: RunningStack, capsys: pytest.CaptureFixture[str]
) -> None:
    user = stack.add_user()
    stack.pay(stack.create(user))  # Now the producer has connections.
    webhook = stack.child("functions/stripe_webhook")
    answered, paid = [], []
    for _ in range(FREEZES):
        session = stack.create(user)
        webhook.send_signal(signal.SIGSTOP)
        # What is waited for is that the time passes.
        time.sleep(FROZEN_SECONDS)
        webhook.send_signal(signal.SIGCONT)
        began = time.monotonic()
        stack.pay(session)
        answered.append(time.monotonic() - began)
        paid.append(session)
    stack.until_credited(*paid)
    stack.until_settled()
    typical, slowest = statistics.median(answered), max(answered)
    with capsys.disabled():
        print(f"\nslowest answer after a thaw: {slowest:.3f} s of {BOUND_SECONDS} s; median {typical:.3f} s")

    assert slowest < BOUND_SECONDS
    assert typical < timing.PUBLISH_AT_ONCE, "a connection that is gone is waited for that long each time"
    assert webhook.pid == stack.child("functions/stripe_webhook").pid, "it was frozen, not replaced"
    deferred = stack.log.count("left to the outbox relay")
    assert deferred <= FREEZES / 10, "first publishes after a thaw succeed, unless the machine stands still"
    assert stack.entries(user) == [500] * (FREEZES + 1)
    stack.check_books()
