"""The final checks: every good payment is in the ledger, and nothing else is left over."""

import json
from collections import Counter
from collections.abc import Iterator

from local.waiting import until
from tests.fuzz.payments import GoodPayments
from tests.fuzz.run import Tally
from tests.fuzz.topics import Stuck, Topics
from tests.support.running_stack import RunningStack

QUIET_SECONDS = 180.0


def settle(stack: RunningStack, topics: Topics, good: GoodPayments) -> Iterator[str]:
    """Wait until nothing is on its way any more; returns what never arrived."""
    try:
        if not until(lambda: not good.pay_asked(), QUIET_SECONDS, 0.2):
            yield "good requests on checkout.requests have no session"
            return
        topics.settle()
        if not until(lambda: not (stack.in_outbox() or good.wrong()), QUIET_SECONDS, 0.5):
            yield f"never came: {sorted(stack.in_outbox() or good.wrong())[:5]}"
            return
        topics.settle()
    except Stuck as error:
        yield f"a partition is stuck: {error}"


def problems(stack: RunningStack, good: GoodPayments, tally: Tally) -> Iterator[str]:
    yield from good.wrong()
    for row in stack.application(
        "SELECT users.id, balance, COALESCE(sum(amount_cents), 0) AS entered FROM users"
        " LEFT JOIN ledger_entries ON user_id = users.id GROUP BY users.id HAVING balance <>"
        " COALESCE(sum(amount_cents), 0)"
    ):
        yield f"a balance is not the sum of its entries: {row}"
    parked = stack.application("SELECT value, reason FROM parked_events")
    known = {bytes(row["value"]) for row in parked}
    for row in parked:
        if bytes(row["value"]) not in tally.records and _is_good(bytes(row["value"]), good):
            yield f"a good payment is parked: {row['reason']}: {bytes(row['value'])[:300]!r}"
    for value, given in tally.records.items():
        if not _is_object(value) and value not in known:
            yield f"{given}: a record that is no JSON object is not parked: {value[:300]!r}"
    for row in stack.checkout(
        "SELECT request_id, status FROM checkout_transactions"
        " WHERE user_id = ANY(%s) AND status <> 'payment_succeeded'",
        (list(good.user_ids),),
    ):
        yield f"a good request is not paid: {row}"


def _is_object(value: bytes) -> bool:
    try:
        return isinstance(json.loads(value), dict)
    except (ValueError, RecursionError):
        return False


def _is_good(value: bytes, good: GoodPayments) -> bool:
    return _is_object(value) and json.loads(value).get("user_id") in good.user_ids


def in_log(stack: RunningStack) -> Iterator[str]:
    """Errors without an HTTP answer, of functions that Kafka and the schedules invoke."""
    found = Counter(
        line.partition("] ")[2][:160] or line[9:169]
        for line in stack.log.splitlines()
        if any(
            word in line for word in ("Traceback", "unexpected error", "InvariantBroken", "Task timed out")
        )
    )
    yield from (f"in the log, {count} times: {line}" for line, count in found.most_common(10))


def summary(stack: RunningStack, good: GoodPayments, tally: Tally, topics: Topics, seconds: float) -> str:
    lines = [f"{'kind':<10} {'inputs':>8}  statuses"]
    for kind, statuses in sorted(tally.statuses.items()):
        told = ", ".join(f"{status}: {count:,}" for status, count in sorted(statuses.items()) if status)
        lines.append(f"{kind:<10} {statuses.total():>8,}  {told}")
    [parked] = stack.application(
        "SELECT count(*) AS records, count(DISTINCT reason) AS reasons FROM parked_events"
    )
    outcomes = stack.checkout(
        "SELECT outcome, count(*) AS n FROM stripe_events GROUP BY outcome ORDER BY outcome"
    )
    entries = stack.application("SELECT kind, count(*) AS n FROM ledger_entries GROUP BY kind ORDER BY kind")
    lines += [
        f"good payments: {sum(good.made.values()):,} ("
        + ", ".join(f"{kind} {count}" for kind, count in sorted(good.made.items()))
        + f"), {sum(map(len, good.expected.values())):,} entries of {len(good.expected)} users",
        f"records: {dict(topics.produced)}; {parked['records']:,} parked for {parked['reasons']} reasons",
        f"events: { ({row['outcome']: row['n'] for row in outcomes}) }",
        f"entries: { ({row['kind']: row['n'] for row in entries}) }",
        f"{tally.done:,} inputs in {seconds:.0f} s",
    ]
    return "\n".join(lines)
