"""A run of the reconciler, and what must hold of it."""

from collections.abc import Callable
from typing import Any

from checkout.base.errors import CheckoutError
from simulation import publications
from simulation.answers import credited
from simulation.broken import Broken
from simulation.contested import contested
from simulation.kafka import FINISHED
from simulation.processes import ENVIRONMENTS, Died
from simulation.stored import PAID_BY
from simulation.world import World

RUN_SECONDS = 240.0
UNCREDITED_SECONDS = 1800
"""After so long an alarm is raised."""

_UNCREDITED = (
    f"SELECT request_id, {PAID_BY} AS paid_by, extract(epoch FROM completed_at)::float8 AS since"
    " FROM checkout_transactions WHERE status = 'payment_succeeded' AND credited_at IS NULL"
    "   AND purpose = 'balance_topup'"
)
_PARKED = (
    "SELECT payment_intent_id, user_id, amount_cents FROM parked_events"
    " WHERE resolution IS NULL AND starts_with(effect_key, 'success:') AND payment_intent_id = ANY(%s)"
)
"""Nobody has decided about these."""
_DUE = (
    "SELECT request_id FROM checkout_transactions t"
    " WHERE status = 'payment_succeeded' AND credited_at IS NULL AND purpose = 'balance_topup'"
    "   AND COALESCE(recheck_at, completed_at + interval '15 minutes') <= to_timestamp(%s)"
    "   AND EXISTS (SELECT FROM stripe_events e WHERE e.event_id = t.paid_event_id AND e.outcome = 'applied'"
    "     AND e.request_id = t.request_id)"
    "   AND NOT EXISTS (SELECT FROM outbox o WHERE o.effect_key = 'success:' || t.request_id)"
)
"""Whether these are in the ledger is to be seen now."""
_ENTERED_OR_PARKED = (
    "SELECT effect_key, payment_intent_id FROM ledger_entries WHERE kind = 'success'"
    " UNION SELECT effect_key, payment_intent_id FROM parked_events WHERE starts_with(effect_key, 'success:')"
)


def reconcile(world: World, *, seconds: float | None = None, since: int | None = None) -> Any:
    """A run, which ends soon after so many seconds."""
    if seconds is None:
        seconds = RUN_SECONDS if world.is_calm else world.tape.pick((RUN_SECONDS, RUN_SECONDS, 0.5, 1.5))
    deadline = world.clock.epoch + seconds
    judge = _watch(world, since)
    is_whole = since is None and seconds == RUN_SECONDS and world.is_calm and world.swarm.page is not None
    due = _due(world, world.clock.epoch) if is_whole else set()
    began, interruptions = world.clock.epoch, world.interruptions
    found = world.processes.run(lambda system: system.reconcile(deadline=deadline, since=since))
    judge(found)
    if isinstance(found, CheckoutError):
        raise Broken("a part of a run that fails ends no other", f"{found!r}")
    if isinstance(found, Died):
        world.say("reconcile → Died")
    else:
        seen = {name: value for name, value in found.as_dict().items() if value}
        world.say(f"reconcile → {seen}")
        is_whole = is_whole and not found.failed and world.interruptions == interruptions
        if is_whole and (left := due & _due(world, began)):
            raise Broken("a run compares all that is due", f"{sorted(left)}")
    return found


def _due(world: World, epoch: float) -> set[str]:
    return {row["request_id"] for row in world.checkout.rows(_DUE, [epoch])}


def require_whole_run(world: World) -> None:
    """A run of the reconciler fails in no part, but for those of processes whose connection leads to a server
    that is read-only now."""
    for _ in range(ENVIRONMENTS + 1):
        found = reconcile(world)
        if not found.failed:
            return
    raise Broken("once nothing fails, no part of a run does", f"{found.failed}")


def _watch(world: World, since: int | None) -> Callable[[Any], None]:
    """Call what this returns with the result of a run that begins now."""
    # Each time would make a world slower than it is worth.
    is_asked = world.is_alone and not world.has_release_before and world.tape.chance(0.5)
    rows = world.checkout.rows(_UNCREDITED) if is_asked else []
    parked = world.application.rows(_PARKED, [[one["paid_by"] for one in rows]]) if rows else []
    known = len(world.topics[FINISHED].published)
    old = [one for one in rows if one["since"] < world.clock.epoch - UNCREDITED_SECONDS]
    if old:
        found = world.application.rows(_ENTERED_OR_PARKED)
        # After a restore another payment can have its key, and it the key of another one.
        done = {one["payment_intent_id"] or one["effect_key"] for one in found}
        old = [one for one in old if (one["paid_by"] or f"success:{one['request_id']}") not in done]
    exempt = world.decided | contested(world) if old else set()
    must = [one["since"] for one in old if one["paid_by"] not in exempt]
    least = int(world.clock.epoch - min(must)) - 1 if must else 0
    interruptions, faults = world.interruptions, len(world.tape.faults)

    def judge(found: Any) -> None:
        if isinstance(found, BaseException) or world.has_release_before:
            return
        run = world.metrics.last
        skipped = sum(run.values("ReconcilerSkipped"))
        if skipped != found.skipped_count:
            raise Broken("what a run skips is counted", f"{skipped} of {found.skipped_count}")
        if "oldest_uncredited" in {one.what for one in found.failed}:
            return
        measured = run.values("OldestUncreditedPayment")
        if len(measured) != 1:
            raise Broken("each run measures how long a payment has waited for its credit", f"{measured}")
        if world.interruptions != interruptions or not is_asked:
            return
        values = world.topics[FINISHED].published[known:]
        # Credits that a restore took away are looked for last.
        if since is None and (credit := publications.overtaken(values)) is not None:
            raise publications.ahead_of(credit)
        emitted = [credited(value) for value in values]
        if again := [one for one in parked if tuple(one.values()) in emitted]:
            raise Broken("what is parked is not emitted again", f"{again}")
        if measured[0] < least:
            raise Broken("what is uncredited for long is measured", f"{measured}, and {least} s ago")
        # A payment that somebody has credited to another user is uncredited, whatever the ledger has of it.
        is_quiet = not old and not world.usurped and len(world.tape.faults) == faults
        if is_quiet and measured[0] > UNCREDITED_SECONDS:
            raise Broken("nothing is measured that is not uncredited", f"{measured}")

    return judge
