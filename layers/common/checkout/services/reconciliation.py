"""Find and mend what went wrong before a user has to notice."""

import time
from dataclasses import asdict, dataclass
from typing import Any

from checkout import telemetry
from checkout.services.missed_events import MissedEvents
from checkout.services.reemission import Reemission
from checkout.services.stripe_books import StripeBooks
from checkout.services.unfinished import Unfinished


@dataclass(frozen=True, slots=True)
class Reconciled:
    """What a run found: events that no webhook brought; stored events that could be settled now; transactions
    that Stripe was asked about; effects looked for in the ledger; how long the oldest payment has waited that
    was not found there. `complete` is False where the next run goes on."""

    missed_events: int
    settled_events: int
    unfinished: int
    credited: int
    parked: int
    emitted: int
    oldest_uncredited_seconds: int
    complete: bool

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


class Reconcile:
    def __init__(
        self, missed: MissedEvents, unfinished: Unfinished, reemission: Reemission, books: StripeBooks
    ) -> None:
        self._books = books
        self._missed = missed
        self._unfinished = unfinished
        self._reemission = reemission

    def __call__(
        self, *, deadline: float | None = None, dry_run: bool = False, since: int | None = None
    ) -> Reconciled:
        """One bounded run. Ends soon after time.monotonic() passes `deadline`. With `dry_run` nothing is
        changed, and the counts say what would be looked at. `since` (epoch seconds) is for what was lost
        then, a database restored for example: Stripe's events are gone through anew, and entries that were
        seen in the ledger are looked for anew.

        What needs no Stripe comes first, so that it is done while Stripe is away. Raises DatabaseUnavailable,
        StripeError.
        """
        until = time.monotonic() + 3600 if deadline is None else deadline
        if since is not None and not dry_run:
            self._reemission.forget_seen(since)
        looked = self._reemission(deadline=until, dry_run=dry_run)
        oldest = self._reemission.oldest_uncredited_seconds()
        if not dry_run:
            telemetry.measure_seconds("OldestUncreditedPayment", oldest)
        missed, complete = self._missed.catch_up(deadline=until, since=since, dry_run=dry_run)
        settled = self._missed.try_again(deadline=until, dry_run=dry_run)
        unfinished = self._unfinished(deadline=until, dry_run=dry_run)
        if not dry_run:
            complete = self._books.copy(deadline=until) and complete
        return Reconciled(
            missed_events=missed,
            settled_events=settled,
            unfinished=unfinished,
            credited=looked.credited,
            parked=looked.parked,
            emitted=looked.emitted,
            oldest_uncredited_seconds=oldest,
            complete=complete,
        )
