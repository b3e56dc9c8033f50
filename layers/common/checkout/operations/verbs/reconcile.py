"""`reconcile` and `look-again`: what the schedule does, now, for longer, or for one payment."""

import time
from argparse import Namespace
from collections.abc import Callable
from dataclasses import asdict

from checkout.base import timing
from checkout.base.errors import InvalidRequest, NotFound, Unavailable
from checkout.operations import text
from checkout.operations.verb import BY_RULE, Outcome, Verbs, a_text, moment
from checkout.reconciliation import uncredited_payments_table as payments
from checkout.reconciliation.lost_entries_position import Progress
from checkout.system import System


def declare(verbs: Verbs) -> None:
    run = verbs.add(
        "reconcile",
        "do what the schedule does: find and mend what was missed",
        reconcile,
        changes=BY_RULE,
    )
    run.add_argument("--dry-run", action="store_true", help="change nothing, only count what is due")
    run.add_argument(
        "--since",
        type=moment,
        metavar="TIME",
        help="read all of Stripe's events and compare all our entries since then: 2026-11-23T12:00:00Z",
    )
    run.add_argument(
        "--wait", action="store_true", help="with --since: until all of it is entered in the ledger"
    )
    verbs.add(
        "look-again",
        "compare a payment with the ledger in the next run, and emit what is missing",
        look_again,
        changes=BY_RULE,
    ).add_argument("request_id", type=a_text)


def reconcile(given: Namespace, system: System) -> Outcome:
    if given.since is not None and given.since > time.time():
        raise InvalidRequest("--since is in the future; without an offset the time is UTC.")
    if given.wait and given.since is None:
        raise InvalidRequest("--wait goes with --since.")
    run = system.reconcile(
        deadline=time.monotonic() + (given.most_seconds if given.wait else timing.OPERATION),
        dry_run=given.dry_run,
        since=given.since,
        wait=given.wait,
        report=_every_second(given.say),
    )
    if run.nothing_was_done:
        raise Unavailable("; ".join(sorted({failure.reason for failure in run.failed})))
    return Outcome(run.as_dict(), clean=run.is_whole)


def _every_second(say: Callable[[str], None]) -> Callable[[Progress], None]:
    said = -1.0

    def report(progress: Progress) -> None:
        nonlocal said
        if time.monotonic() - said >= 1:
            said = time.monotonic()
            say(text.for_people({"progress": asdict(progress)}))

    return report


def look_again(given: Namespace, system: System) -> Outcome:
    """The next run of the reconciler compares the payment and its reversals with the ledger and emits what is
    not there, even if it was there once. Raises NotFound if no such payment succeeded."""
    with system.checkout_database.transaction() as tx:
        if not payments.retry(tx, given.request_id.lower()):
            raise NotFound(f"There is no succeeded payment {given.request_id}.")
    return Outcome({"request_id": given.request_id, "next": "the reconciler looks for it in the ledger"})
