"""`reconcile --since` among many payments, killed twice on the way: `make drill` takes a million of them."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from checkout.release import privileges
from tests.support.brokers import AnyBroker
from tests.support.functions import Functions
from tests.support.stripe_simulator import Simulator
from tests.support.tail import Tail
from tests.support.waiting import eventually

ROOT = Path(__file__).parents[2]
PAYMENTS = int(os.environ.get("DRILL_PAYMENTS", "20000"))
LOST_EVERY = 33 if PAYMENTS < 100_000 else 50
"""606 of 20,000, and 20,000 of a million."""

USERS = PAYMENTS // 100
REVERSED_EVERY = 200
RECORDS_A_BATCH = 1_000
SAY_EVERY_SECONDS = 2

pytestmark = pytest.mark.timeout(max(240, PAYMENTS // 500))

STEP = re.compile(r"progress: (.+)")


def make(fns: Functions, at: int) -> None:
    """All was paid before then, but the reconciler saw it there later, so all is to be looked for. One of 200
    was refunded in part. What is lost was paid by anybody, at any time; some of it was never seen, and its
    next look is a day away."""
    numbers = {"count": PAYMENTS, "users": USERS, "at": at, "every": REVERSED_EVERY, "lost": LOST_EVERY}
    fns.checkout(
        "INSERT INTO stripe_events (event_id, type, payload, payment_intent_id, request_id, outcome)"
        " SELECT 'evt_' || n, 'checkout.session.completed', '{}', 'pi_' || n, 'r' || n, 'applied'"
        " FROM generate_series(1, %(count)s) AS n",
        numbers,
    )
    fns.checkout(
        "INSERT INTO checkout_transactions (request_id, user_id, amount_cents, currency, purpose, status,"
        "  stripe_session_id, payment_intent_id, paid_cents, paid_currency, paid_event_id, created_at,"
        "  completed_at, credited_at, rechecks, recheck_at)"
        " SELECT 'r' || n, 1 + n %% %(users)s, 100 + n %% 900, 'eur', 'balance_topup', 'payment_succeeded',"
        "  'cs_' || n, 'pi_' || n, 100 + n %% 900, 'eur', 'evt_' || n, paid_at, paid_at,"
        "  CASE WHEN n %% (3 * %(lost)s) <> 0 THEN to_timestamp(%(at)s) + interval '10 minutes' END,"
        "  9, now() + interval '1 day'"
        " FROM (SELECT n, to_timestamp(%(at)s - 86400) + n * interval '80 ms' AS paid_at"
        "   FROM generate_series(1, %(count)s) AS n) AS paid",
        numbers,
    )
    fns.checkout(
        "INSERT INTO reversals (effect_key, kind, source_id, amount_cents, currency, payment_intent_id,"
        "  state, emitted_at, credited_at)"
        " SELECT 'refunded:re_' || n, 'refunded', 're_' || n, 50, 'eur', 'pi_' || n, 'emitted',"
        "  to_timestamp(%(at)s - 3600), to_timestamp(%(at)s + 600)"
        " FROM generate_series(%(every)s, %(count)s, %(every)s) AS n",
        numbers,
    )
    fns.application(
        "INSERT INTO users (id, email) SELECT n, n || '@example.com' FROM generate_series(2, %(users)s) AS n",
        numbers,
    )
    fns.application(
        "INSERT INTO ledger_entries (effect_key, user_id, amount_cents, currency, kind, request_id,"
        "  source_id, payment_intent_id, created_at)"
        " SELECT 'success:r' || n, 1 + n %% %(users)s, 100 + n %% 900, 'eur', 'success', 'r' || n,"
        "  NULL::text, 'pi_' || n, to_timestamp(%(at)s - 3600)"
        " FROM generate_series(1, %(count)s) AS n WHERE n %% %(lost)s <> 0"
        " UNION ALL"
        " SELECT 'refunded:re_' || n, 1 + n %% %(users)s, -50, 'eur', 'refunded', 'r' || n, 're_' || n,"
        "  'pi_' || n, to_timestamp(%(at)s - 3600)"
        " FROM generate_series(%(every)s, %(count)s, %(every)s) AS n WHERE n %% (2 * %(every)s) <> 0",
        numbers,
    )
    fns.application(
        "UPDATE users SET balance = total FROM"
        " (SELECT user_id, sum(amount_cents) AS total FROM ledger_entries GROUP BY user_id) AS entries"
        " WHERE user_id = id"
    )
    for database in (fns.checkout, fns.application):
        database("ANALYZE")


def expected(fns: Functions) -> dict[int, int]:
    """By user, from what the checkout database says was paid and taken back."""
    rows = fns.checkout(
        "SELECT user_id, sum(paid_cents)::bigint AS cents FROM checkout_transactions GROUP BY user_id"
    )
    taken_back = fns.checkout(
        "SELECT user_id, sum(r.amount_cents)::bigint AS cents FROM reversals r"
        " JOIN checkout_transactions USING (payment_intent_id) GROUP BY user_id"
    )
    balances = {row["user_id"]: row["cents"] for row in rows}
    for row in taken_back:
        balances[row["user_id"]] -= row["cents"]
    return balances


class Operator:
    """Types the command, and watches how far it is."""

    def __init__(self, settings: dict[str, str], since: str, say: Callable[[str], None]) -> None:
        role = f"?options=-c%20role%3D{privileges.role_of('operations')}"
        urls = {name: settings[name] + role for name in ("CHECKOUT_DATABASE_URL", "DATABASE_URL")}
        self._environment = {
            **os.environ,
            **settings,
            **urls,
            "PYTHONPATH": str(ROOT / "layers" / "common"),
        }
        self._command = [sys.executable, "-m", "checkout.operations", "--operator", "ada"]
        self._command += ["reconcile", "--since", since, "--wait", "--json"]
        self.seen: list[dict[str, int]] = []
        self._say = say
        self._said_at = time.monotonic()

    def _see(self, line: str) -> dict[str, int] | None:
        """The step that a line tells, which is said every few seconds."""
        step = _step(line)
        if step is not None:
            self.seen.append(step)
            if time.monotonic() - self._said_at > SAY_EVERY_SECONDS:
                self._said_at = time.monotonic()
                self._say(f"{step['looked_at']:,} looked at, {step['missing']:,} missing")
        return step

    def kill_when(self, is_far_enough: Callable[[dict[str, int]], bool]) -> dict[str, int]:
        """SIGKILL, as soon as the progress says so."""
        with self._running() as process:
            assert process.stderr is not None
            for line in process.stderr:
                step = self._see(line)
                if step is not None and is_far_enough(step):
                    process.send_signal(signal.SIGKILL)
                    self._say(f"killed at {step['looked_at']:,}")
                    return step
            raise AssertionError(f"it ended before: {self.seen}")

    def finish(self) -> Any:
        """What it answers in the end."""
        with self._running() as process:
            assert process.stderr is not None
            assert process.stdout is not None
            for line in process.stderr:
                self._see(line)
            answer = process.stdout.read()
        assert process.returncode == 0, answer
        return json.loads(answer)

    @contextmanager
    def _running(self) -> Iterator["subprocess.Popen[str]"]:
        with subprocess.Popen(
            self._command,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            try:
                yield process
            except BaseException:
                process.kill()
                raise


def _step(line: str) -> dict[str, int] | None:
    found = STEP.match(line)
    if found is None:
        return None
    pairs = (pair.split("=") for pair in found[1].split())
    return {name: int(value) for name, value in pairs if value.isdigit()}


@contextmanager
def consumers(fns: Functions, tail: Tail) -> Iterator[None]:
    """And a relay for what a killed run has left in the outbox."""
    ended = threading.Event()

    def work() -> None:
        while not ended.is_set():
            records = tail.read()
            for start in range(0, len(records), RECORDS_A_BATCH):
                fns.consume(*records[start : start + RECORDS_A_BATCH])
            fns.invoke("outbox_relay", {}, remaining_millis=55_000)

    consuming = threading.Thread(target=work)
    consuming.start()
    try:
        yield
    finally:
        ended.set()
        consuming.join()


def test_among_many_payments_what_is_lost_is_entered_to_the_cent_however_often_the_search_is_killed(
    fns: Functions,
    broker: AnyBroker,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def say(text: str) -> None:
        with capsys.disabled():
            print(text, flush=True)

    at = int(time.time()) - 7200
    began = time.monotonic()
    say(f"\nmaking {PAYMENTS:,} payments")
    make(fns, at)
    balances = expected(fns)
    never_seen, taken_back = PAYMENTS // (3 * LOST_EVERY), PAYMENTS // (2 * REVERSED_EVERY)
    lost = PAYMENTS // LOST_EVERY - never_seen
    made = time.monotonic() - began
    say(f"made in {made:.0f} s; searching for what is lost")
    tail = Tail(broker.address)
    with Simulator(tmp_path / "stripe") as simulator:
        fns.set(STRIPE_API_BASE=simulator.url)
        fns.settings["STRIPE_API_BASE"] = simulator.url
        operator = Operator(fns.settings, datetime.fromtimestamp(at, UTC).isoformat(), say)
        began = time.monotonic()

        first = operator.kill_when(lambda step: step["looked_at"] >= PAYMENTS // 20)
        second = operator.kill_when(lambda step: step["missing"] >= min(3_000, lost))
        with consumers(fns, tail):
            answer = operator.finish()
            seconds = time.monotonic() - began
            # What was entered, but acknowledged too late for the search, the relay publishes once more.
            eventually(lambda: fns.checkout("SELECT 1 FROM outbox") == [], 60, lambda: "the outbox")
    tail.close()

    found = answer["lost_entries"]
    assert answer["complete"]
    assert found["looked_at"] == found["of"] == PAYMENTS + PAYMENTS // REVERSED_EVERY
    assert (found["missing"], found["uncredited"], found["to_decide"]) == (lost + taken_back, 0, 0)
    looked_at = [step["looked_at"] for step in operator.seen]
    assert looked_at == sorted(looked_at), "each run goes on where the one before was killed"
    assert 0 < first["looked_at"] <= second["looked_at"] < found["looked_at"], "killed on the way"
    rows = fns.application("SELECT id, balance FROM users")
    assert {row["id"]: row["balance"] for row in rows} == balances
    [entries] = fns.application("SELECT count(*) AS n FROM ledger_entries")
    assert entries["n"] == PAYMENTS + PAYMENTS // REVERSED_EVERY
    assert fns.application("SELECT 1 FROM parked_events") == []
    findings = fns.invoke("operations", {"verb": "verify"})["result"]["findings"]
    assert [one for one in findings if one["count"] and "Stripe" not in one["name"]] == []
    say(
        f"{PAYMENTS:,} payments, {lost + never_seen + taken_back:,} entries lost: made in {made:.0f} s,"
        f" found and entered in {seconds:.0f} s; killed at {first['looked_at']:,}"
        f" and {second['looked_at']:,}"
    )
