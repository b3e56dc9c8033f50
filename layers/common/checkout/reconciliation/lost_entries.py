"""Find the ledger entries that a restore took away, and have them emitted again: `reconcile --since`.

Everything that may have had an entry is compared with the ledger, a page at a time. What is missing becomes
due, in one commit with the position, and the usual re-emission emits it. If the process dies, the next run
goes on from the position. Payments come first, and reversals once every payment is entered or parked, so no
reversal overtakes its credit. The search is complete when nothing is left to be entered.
"""

import time
from collections.abc import Callable
from dataclasses import replace

from checkout.base import timing
from checkout.base.postgres import Database, Transaction
from checkout.outbox.delivery import Delivery
from checkout.reconciliation import comparisons_table as comparisons
from checkout.reconciliation import lost_entries_table as lost_entries
from checkout.reconciliation import missed_events, stripe_lists
from checkout.reconciliation.decisions import Decisions
from checkout.reconciliation.evidence import FindEvidence
from checkout.reconciliation.failures import Failures
from checkout.reconciliation.lost_entries_page import LedgerComparison
from checkout.reconciliation.lost_entries_position import (
    DONE,
    MARGIN_SECONDS,
    PAYMENTS,
    Position,
    Progress,
    load,
    locked,
    save,
)
from checkout.reconciliation.uncredited import Compared, Reemission

_OVERLAP = stripe_lists.OVERLAP_SECONDS
SAME_MOMENT_SECONDS = 5
"""Times are given in whole seconds."""

MOST_UNCREDITED = 10_000
"""How much is emitted ahead of the consumers, which have new payments to enter, too."""

PAUSE_SECONDS = 1.0

Report = Callable[[Progress], None]


class LostEntries:
    def __init__(
        self,
        checkout: Database,
        application: Database,
        delivery: Delivery,
        evidence: FindEvidence,
        reemission: Reemission,
        decisions: Decisions,
    ) -> None:
        self._checkout = checkout
        self._application = application
        self._delivery = delivery
        self._evidence = evidence
        self._reemission = reemission
        self._decisions = decisions
        self._comparison = LedgerComparison(application)

    def begin(self, since: int) -> Position:
        """The position of the search since then (epoch seconds), if there is one that is not complete; else
        of a new one, before which what was discarded is discarded again. Raises DatabaseUnavailable."""
        with self._checkout.autocommit() as tx:
            known = load(tx, since)
        if known is not None and known.phase != DONE:
            return known
        self._decisions.restore(since - MARGIN_SECONDS)
        fresh = self._fresh(since)
        with self._checkout.transaction() as tx:
            save(tx, fresh)
        return fresh

    def events_are_read(self, since: int) -> None:
        """Note that Stripe's events since then are stored, so their payments must be entered, too."""
        with self._checkout.transaction() as tx:
            save(tx, replace(locked(tx, since), events_until=lost_entries.clock(tx)))

    def __call__(
        self,
        since: int,
        *,
        deadline: float,
        failures: Failures,
        wait: bool = False,
        report: Report | None = None,
    ) -> tuple[Progress, Compared]:
        """One run: until the search is complete, time.monotonic() passes `deadline`, or only the consumers
        have something left to do. With `wait` it waits for them.

        `report` is called with every step. Returns the progress, and what this run compared. Raises
        DatabaseUnavailable.
        """
        total = Compared(0, 0, 0)
        position = self._hurry(self.begin(since))
        while True:
            before = position
            uncredited = self._reemission.still_uncredited(position.before)
            position = self._compare(position, uncredited.total, deadline, failures, report)
            compared = Compared(0, 0, 0)
            if (most := MOST_UNCREDITED - uncredited.emitted) > 0:
                self._evidence(deadline=deadline, failures=failures)
                compared = self._reemission(deadline=deadline, most_emitted=most)
                total = total + compared
                uncredited = self._reemission.still_uncredited(position.before)
            position = self._advance(position, uncredited.total)
            progress = position.progress(uncredited.total)
            if report is not None:
                report(progress)
            if progress.complete or time.monotonic() > deadline:
                return progress, total
            if position.done == before.done and not compared.emitted:
                if not wait:
                    return progress, total
                # A run that was killed may have left something in the outbox.
                self._delivery.relay(time.monotonic() + timing.RELAY_IN_RECONCILER)
                time.sleep(PAUSE_SECONDS)

    def dry_run(self, since: int, *, deadline: float) -> Progress:
        """Compare everything, and change nothing."""
        position = self._fresh(since)
        while position.phase != DONE and time.monotonic() < deadline:
            with self._checkout.transaction(commit=False) as tx:
                position, _, missing = self._comparison.page(tx, position)
            position = replace(position, missing=position.missing + len(missing))
            if position.is_compared:
                position = replace(position, phase=position.phase + 1, is_compared=False)
        return position.progress(position.missing)

    def _fresh(self, since: int) -> Position:
        before = since + SAME_MOMENT_SECONDS
        with self._application.transaction() as tx:
            newest = lost_entries.newest_user_of_entries(tx, before)
        with self._checkout.transaction() as tx:
            read_until = stripe_lists.read_until(tx, missed_events.LIST)
            began = lost_entries.clock(tx)
            # What the last runs before the restore have read may be lost, too; and if none had read all, an
            # event of any age may have come by a late webhook that is lost now.
            known_until = read_until or int(began) - stripe_lists.STRIPE_KEEPS_SECONDS + _OVERLAP
            position = Position(
                since=since,
                began=began,
                events_from=min(since, known_until) - _OVERLAP,
                last_id=lost_entries.last_payment_id(tx),
                newest_user=max(newest, lost_entries.newest_user_of_sessions(tx, before)),
            )
            return replace(position, of=lost_entries.count(tx, position.scope))

    def _hurry(self, position: Position) -> Position:
        """Make due what was never seen in the ledger: its next retry can be a day away. First, what may go to
        another person is parked."""
        if position.is_hurried:
            return position
        with self._checkout.transaction() as tx:
            doubtful = self._comparison.park_unseen(tx, position)
        self._reemission.still_uncredited(position.before, hurry=True)
        with self._checkout.transaction() as tx:
            position = locked(tx, position.since)
            missing, to_decide = position.missing + doubtful, position.to_decide + doubtful
            position = replace(position, is_hurried=True, missing=missing, to_decide=to_decide)
            save(tx, position)
        return position

    def _compare(
        self,
        position: Position,
        uncredited: int,
        deadline: float,
        failures: Failures,
        report: Report | None,
    ) -> Position:
        """Compare a page at least, up to the end of the phase or until enough is missing to keep the
        consumers busy."""
        most_missing = position.missing + MOST_UNCREDITED - uncredited
        while not position.is_compared and position.missing < most_missing:
            with self._checkout.transaction() as tx:
                # Another run may have moved it on.
                position = locked(tx, position.since)
                if position.is_compared:
                    break
                position, left = self._settle_page(tx, position)
                save(tx, position)
            if left:
                failures.skip(f"{left} payments or reversals that are missing", "they are locked")
            if report is not None:
                report(position.progress(uncredited))
            if time.monotonic() > deadline:
                break
        return position

    def _settle_page(self, tx: Transaction, position: Position) -> tuple[Position, int]:
        """Make due what is missing of the next page. Returns the position behind the page, and how many rows
        of it are locked."""
        after, doubtful, missing = self._comparison.page(tx, position)
        self._comparison.park(tx, doubtful)
        if position.phase == PAYMENTS:
            due = comparisons.PAYMENTS.retry_at_once(tx, [movement.request_id for movement in missing])
        else:
            due = comparisons.REVERSALS.retry_at_once(tx, [movement.effect_key for movement in missing])
        left = len(missing) - due
        after = replace(
            after,
            missing=position.missing + due + len(doubtful),
            to_decide=position.to_decide + len(doubtful),
            left=position.left + left,
        )
        return after, left

    def _advance(self, position: Position, uncredited: int) -> Position:
        """Go on to the next phase if this one has nothing left to be entered, or through this phase again if
        rows were locked."""
        with self._checkout.transaction() as tx:
            position = locked(tx, position.since)
            if not position.is_compared or uncredited:
                return position
            if position.left:
                position = replace(position, passes=position.passes + 1, left=0, is_compared=False)
            elif position.phase == PAYMENTS or position.events_until is not None:
                position = replace(position, phase=position.phase + 1, passes=1, is_compared=False)
            save(tx, position)
        return position
