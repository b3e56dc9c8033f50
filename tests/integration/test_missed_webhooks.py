"""The metrics that show that webhooks do not arrive: late events, and webhooks that were refused."""

import json
import time
from typing import Any
from uuid import uuid4

import pytest

from checkout.base import telemetry, timing
from checkout.payments.events import StripeEvents
from checkout.payments.stripe_api import StripeApi
from checkout.reconciliation import missed_events
from checkout.reconciliation.failures import Failures
from checkout.reconciliation.missed_events import DELIVERED_WITHIN_SECONDS
from tests.support.functions import Functions, system
from tests.support.roles import acting_as
from tests.support.stripe_events import event, session_object
from tests.support.stripe_simulator import Simulator

MISSED = "MissedEvents"
LATE = DELIVERED_WITHIN_SECONDS + 60


class Listed:
    """What Stripe lists; no webhook brings it."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self._found: list[dict[str, Any]] = []
        patch.setattr(StripeApi, "events", lambda *_, **__: (list(self._found), False))

    def add(self, *, age: int) -> None:
        found = event(session_object(str(uuid4())))
        self._found.insert(0, {**found, "created": int(time.time()) - age})


@pytest.fixture
def listed(fns: Functions, silent: Simulator, monkeypatch: pytest.MonkeyPatch) -> Listed:
    """Of a stack whose reconciler has run before."""
    found = Listed(monkeypatch)
    fns.invoke("reconciler", {})
    return found


class SlowClock:
    """Moves only when the test moves it."""

    time = staticmethod(time.time)
    now = 1000.0

    def monotonic(self) -> float:
        return self.now


def counted(capsys: pytest.CaptureFixture[str]) -> dict[str, int]:
    """Sums of our metrics in what was logged since the last time."""
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if "_aws" in line]
    names = {"EventsReceived", "InvalidSignature", MISSED, "UnknownSource"}
    sums = {name: int(sum(value for line in lines for value in line.get(name, []))) for name in names}
    return {name: found for name, found in sums.items() if found}


def test_what_no_webhook_brought_is_counted_once(
    fns: Functions, listed: Listed, capsys: pytest.CaptureFixture[str]
) -> None:
    listed.add(age=LATE)
    listed.add(age=LATE)
    capsys.readouterr()

    fns.invoke("reconciler", {})
    assert counted(capsys) == {MISSED: 2}
    fns.invoke("reconciler", {})
    assert counted(capsys) == {}


def test_a_page_that_takes_longer_than_the_run_is_recorded_by_several(
    fns: Functions, listed: Listed, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A slow Stripe can take half a minute for each event of a page, of which there are a hundred: Lambda
    would end the function in the middle, and all that comes after it would never be done."""
    for _ in range(4):
        listed.add(age=LATE)
    clock = SlowClock()
    monkeypatch.setattr(missed_events, "time", clock)
    record = StripeEvents.record

    def slow(*arguments: Any, **options: Any) -> str:
        clock.now += timing.GRACE + 2
        return record(*arguments, **options)

    monkeypatch.setattr(StripeEvents, "record", slow)
    capsys.readouterr()
    catch_up = system().reconcile._missed.catch_up
    with acting_as("reconciler"):
        runs = [catch_up(deadline=clock.now + 20, failures=Failures()) for _ in range(3)]
    assert runs == [(2, False), (2, True), (0, True)]
    telemetry.metrics.flush_metrics()
    assert counted(capsys) == {MISSED: 4}


def test_an_event_whose_webhook_may_be_on_its_way_is_recorded_and_not_missed(
    fns: Functions, listed: Listed, capsys: pytest.CaptureFixture[str]
) -> None:
    """A run meets some at any time, if much is sold."""
    listed.add(age=0)
    capsys.readouterr()

    assert fns.invoke("reconciler", {})["missed_events"] == 1
    assert counted(capsys) == {}


def test_what_happened_before_the_first_run_is_not_missed(
    fns: Functions, silent: Simulator, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The account may be older than the stack."""
    Listed(monkeypatch).add(age=LATE)
    capsys.readouterr()

    assert fns.invoke("reconciler", {})["missed_events"] == 1
    assert counted(capsys) == {}


@pytest.mark.parametrize("options", [{"dry_run": True}, {"since": 0}])
def test_what_an_operator_looks_for_is_not_missed(listed: Listed, options: dict[str, Any]) -> None:
    listed.add(age=LATE)

    with acting_as("operations"):
        assert system().reconcile(**options).missed_events == 1
    assert MISSED not in telemetry.metrics.provider.metric_set


def test_webhooks_are_counted_and_refused_ones_by_the_reason(
    fns: Functions, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    paid = event(session_object(str(uuid4())))

    assert fns.webhook(paid).status == 200
    assert counted(capsys) == {"EventsReceived": 1}
    assert fns.webhook(paid, "t=1,v1=00").status == 400
    assert counted(capsys) == {"InvalidSignature": 1}
    fns.set(STRIPE_WEBHOOK_SOURCES="192.0.2.1")
    assert fns.webhook(paid).status == 403
    assert counted(capsys) == {"UnknownSource": 1}
