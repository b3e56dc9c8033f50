"""Find and mend what went wrong before a user has to notice."""

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from checkout.base import telemetry
from checkout.reconciliation.evidence import FindEvidence
from checkout.reconciliation.failures import Failure, Failures, Part, run_each
from checkout.reconciliation.lost_entries import LostEntries, Report
from checkout.reconciliation.lost_entries_position import Progress
from checkout.reconciliation.missed_events import MissedEvents
from checkout.reconciliation.stripe_books import StripeBooks
from checkout.reconciliation.uncredited import Compared, Reemission
from checkout.reconciliation.unfinished import Unfinished

Comparison = tuple[Progress | None, Compared]
NOT_COMPARED: Comparison = None, Compared(0, 0, 0)


@dataclass(frozen=True, slots=True)
class Reconciled:
    """The result of a run: how many events no webhook brought; how many stored events could be settled now;
    how many payments Stripe was asked about; how many effects were compared with the ledger, by what became
    of them; how long the oldest payment that is not in it has waited (None if that is unknown).

    `complete` is False if the next run goes on. `failed` are the parts of the run that ended early, and
    `skipped` the first of `skipped_count` single items that a later run retries. `lost_entries` says how far
    the search for entries that a restore took away has come; None if that was not asked for.
    `nothing_was_done` is True if all parts failed, or the first one of a run `since` a restore; it is not in
    the answer.
    """

    missed_events: int
    settled_events: int
    unfinished: int
    credited: int
    parked: int
    emitted: int
    oldest_uncredited_seconds: int | None
    complete: bool
    failed: Sequence[Failure]
    skipped: Sequence[Failure]
    skipped_count: int
    lost_entries: Progress | None
    nothing_was_done: bool

    @property
    def is_whole(self) -> bool:
        """True if nothing is left for a later run or for a person."""
        lost = self.lost_entries
        to_decide = lost is not None and bool(lost.to_decide or lost.events_before)
        return self.complete and not self.failed and not self.skipped and not to_decide

    def as_dict(self) -> dict[str, Any]:
        return {name: value for name, value in asdict(self).items() if name != "nothing_was_done"}


@dataclass(frozen=True, slots=True)
class Reconcile:
    _missed: MissedEvents
    _unfinished: Unfinished
    _evidence: FindEvidence
    _reemission: Reemission
    _books: StripeBooks
    _lost_entries: LostEntries

    def __call__(
        self,
        *,
        deadline: float | None = None,
        dry_run: bool = False,
        since: int | None = None,
        wait: bool = False,
        report: Report | None = None,
    ) -> Reconciled:
        """One bounded run. Ends soon after time.monotonic() passes `deadline`. With `dry_run` nothing is
        changed, and the counts say what would be done.

        `since` (epoch seconds) is for what was lost then, when a database was restored for example: Stripe's
        events since then are read again, and everything that may have had a ledger entry is compared with
        the ledger. A run that is not complete is continued by the next; with `wait` it waits for the
        consumers. `report` is called with each step.

        Each part stands alone: what fails is named in the result, and the others are done. Only if the
        discards that a restore took away cannot be brought back, nothing is applied. Raises NotYetConfigured.
        """
        failures = Failures()
        if since is None:
            comparison = Part("reemission", lambda by: self._compared(by, dry_run), otherwise=NOT_COMPARED)
        else:
            comparison = Part(
                "lost_entries",
                lambda by: self._lost(since, by, dry_run, wait, report, failures),
                otherwise=NOT_COMPARED,
            )
        oldest = Part("oldest_uncredited", lambda _: self._oldest_seconds(dry_run), otherwise=None)
        # The next run emits what this one finds evidence of.
        evidence = Part(
            "evidence",
            lambda by: self._evidence(deadline=by, dry_run=dry_run, failures=failures),
            otherwise=0,
        )
        missed = Part(
            "missed_events", lambda by: self._events(by, since, dry_run, failures), otherwise=(0, False)
        )
        settled = Part(
            "waiting_events",
            lambda by: self._missed.retry_waiting(deadline=by, dry_run=dry_run, failures=failures),
            otherwise=0,
        )
        unfinished = Part(
            "unfinished_payments",
            lambda by: self._unfinished(deadline=by, dry_run=dry_run, failures=failures),
            otherwise=0,
        )
        books = Part("stripe_books", lambda by: self._books.copy(deadline=by), otherwise=False)
        # First what does not need Stripe, so it is done on a stack that has no values of Stripe's yet; the
        # search for lost entries is last, because it may wait.
        parts: list[Part[Any]] = [oldest, evidence, missed, settled, unfinished]
        if not dry_run:
            parts.append(books)
        parts.insert(0 if since is None else len(parts), comparison)
        deadline = time.monotonic() + 3600 if deadline is None else deadline
        may_apply = True
        if since is not None and not dry_run:
            begun = Part("decisions", lambda _: self._lost_entries.begin(since), otherwise=None)
            run_each([begun], deadline=deadline, failures=failures)
            may_apply = begun.result is not None
        run_each(parts if may_apply else [oldest], deadline=deadline, failures=failures)
        lost, compared = comparison.result
        return Reconciled(
            missed_events=missed.result[0],
            settled_events=settled.result,
            unfinished=unfinished.result,
            credited=compared.credited,
            parked=compared.parked,
            emitted=compared.emitted,
            oldest_uncredited_seconds=oldest.result,
            complete=missed.result[1]
            and (dry_run or books.result)
            and (since is None or (lost is not None and lost.complete)),
            failed=failures.failed,
            skipped=failures.skipped,
            skipped_count=failures.skipped_count,
            lost_entries=lost,
            nothing_was_done=not may_apply or len(failures.failed) == len(parts),
        )

    def _compared(self, deadline: float, dry_run: bool) -> Comparison:
        return None, self._reemission(deadline=deadline, dry_run=dry_run)

    def _oldest_seconds(self, dry_run: bool) -> int | None:
        oldest = self._reemission.oldest_uncredited_seconds()
        if not dry_run:
            telemetry.measure_seconds("OldestUncreditedPayment", oldest)
        return oldest

    def _events(
        self, deadline: float, since: int | None, dry_run: bool, failures: Failures
    ) -> tuple[int, bool]:
        if since is None or dry_run:
            return self._missed.catch_up(deadline=deadline, since=since, dry_run=dry_run, failures=failures)
        position = self._lost_entries.begin(since)
        if position.events_until is not None:
            return 0, True
        missed, complete = self._missed.catch_up(
            deadline=deadline, since=position.events_from, failures=failures
        )
        if complete:
            self._lost_entries.events_are_read(since)
        return missed, complete

    def _lost(
        self,
        since: int,
        deadline: float,
        dry_run: bool,
        wait: bool,
        report: Report | None,
        failures: Failures,
    ) -> Comparison:
        if dry_run:
            progress = self._lost_entries.dry_run(since, deadline=deadline)
            return progress, Compared(0, 0, emitted=progress.missing)
        return self._lost_entries(since, deadline=deadline, wait=wait, report=report, failures=failures)
