"""Find the ledger entries that a restore took away, and have them emitted again: `reconcile --since`.

All that may have had an entry is compared with the ledger, a page at a time. What is missing is made due to
be looked for, in one commit with the position: the usual re-emission takes it up, and a run that is killed is
gone on with from there. Payments come first, and reversals once every payment is entered or parked, so no
reversal overtakes its credit. It is complete when nothing of it is left to be entered.
"""

import time
from collections.abc import Callable, Collection, Sequence, Set
from dataclasses import replace

from checkout.base.postgres import Database, Transaction
from checkout.ledger import parking, whereabouts
from checkout.ledger.parked import Parked
from checkout.ledger.whereabouts import Place
from checkout.outbox.delivery import Delivery
from checkout.outbox.finished_event import TOPIC
from checkout.outbox.record import Record
from checkout.payments import reversals_table as reversals
from checkout.payments import table as payments_table
from checkout.payments.recording import success_event
from checkout.reconciliation import lost_entries_table as lost_entries
from checkout.reconciliation import missed_events, rechecks
from checkout.reconciliation import stripe_lists as passes
from checkout.reconciliation.decisions import Decisions
from checkout.reconciliation.evidence import FindEvidence
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
from checkout.reconciliation.lost_entries_table import Movement
from checkout.reconciliation.setbacks import Setbacks
from checkout.reconciliation.uncredited import Looked, Reemission

SAME_MOMENT_SECONDS = 5
"""Times are given in whole seconds."""

ROWS_A_PAGE = 5_000
MOST_UNCREDITED = 10_000
"""So much is emitted ahead of the consumers, who have new payments to enter, too."""

PAUSE_SECONDS = 1.0
RELAY_SECONDS = 10

NEW_NUMBER = (
    "its entry was lost with a restore, and the number of the user is greater than any that was known before:"
    " is it still the same person's?"
)
NO_PARTITION = -1
"""Of a record that never was on Kafka."""

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

    def begin(self, since: int) -> Position:
        """Go on with a run since then (epoch seconds) that was not complete, or begin one; first of all what
        was discarded is discarded again. Raises DatabaseUnavailable."""
        with self._checkout.transaction() as tx:
            known = load(tx, since)
        if known is not None and known.phase != DONE:
            return known
        self._decisions.restore(since - MARGIN_SECONDS)
        fresh = self._fresh(since)
        with self._checkout.transaction() as tx:
            save(tx, fresh)
        return fresh

    def events_are_read(self, since: int) -> None:
        """Stripe's events since then are stored, so their payments must be entered in the end, too."""
        with self._checkout.transaction() as tx:
            save(tx, replace(locked(tx, since), events_until=lost_entries.clock(tx)))

    def __call__(
        self,
        since: int,
        *,
        deadline: float,
        setbacks: Setbacks,
        wait: bool = False,
        report: Report | None = None,
    ) -> tuple[Progress, Looked]:
        """One run: until it is complete, time.monotonic() passes `deadline`, or only the consumers have
        something left to do. With `wait` it waits for them.

        `report` is called with every step. Returns how far it is, and what this run looked for. Raises
        DatabaseUnavailable.
        """
        looked = Looked(0, 0, 0)
        position = self._hurry(self.begin(since))
        while True:
            before = position
            uncredited = self._reemission.still_uncredited(position.before)
            position = self._compare(position, uncredited.total, deadline, setbacks, report)
            found = Looked(0, 0, 0)
            if (most := MOST_UNCREDITED - uncredited.emitted) > 0:
                self._evidence(deadline=deadline, setbacks=setbacks)
                found = self._reemission(deadline=deadline, most_emitted=most)
                looked = looked + found
                uncredited = self._reemission.still_uncredited(position.before)
            position = self._advance(position, uncredited.total)
            progress = position.progress(uncredited.total)
            if report is not None:
                report(progress)
            if progress.complete or time.monotonic() > deadline:
                return progress, looked
            if position.done == before.done and not found.emitted:
                if not wait:
                    return progress, looked
                # A run that was killed may have left something in the outbox.
                self._delivery.relay(time.monotonic() + RELAY_SECONDS)
                time.sleep(PAUSE_SECONDS)

    def dry_run(self, since: int, *, deadline: float) -> Progress:
        """Compare all, and change nothing."""
        position = self._fresh(since)
        while position.phase != DONE and time.monotonic() < deadline:
            with self._checkout.transaction(commit=False) as tx:
                position, _, missing = self._page(tx, position)
            position = replace(position, missing=position.missing + len(missing))
            if position.is_compared:
                position = replace(position, phase=position.phase + 1, is_compared=False)
        return position.progress(position.missing)

    def _fresh(self, since: int) -> Position:
        before = since + SAME_MOMENT_SECONDS
        with self._application.transaction() as tx:
            newest = lost_entries.newest_user_of_entries(tx, before)
        with self._checkout.transaction() as tx:
            read_until = passes.read_until(tx, missed_events.CURSOR)
            position = Position(
                since=since,
                began=lost_entries.clock(tx),
                # The lists of the last runs before the restore may be lost, too.
                events_from=min(since, read_until or since) - passes.OVERLAP_SECONDS,
                last_id=lost_entries.last_payment_id(tx),
                newest_user=max(newest, lost_entries.newest_user_of_sessions(tx, before)),
            )
            return replace(position, of=lost_entries.count(tx, position.scope))

    def _hurry(self, position: Position) -> Position:
        """What was never seen can have a look that is a day away."""
        if position.is_hurried:
            return position
        self._reemission.still_uncredited(position.before, hurry=True)
        with self._checkout.transaction() as tx:
            position = replace(locked(tx, position.since), is_hurried=True)
            save(tx, position)
        return position

    def _compare(
        self,
        position: Position,
        uncredited: int,
        deadline: float,
        setbacks: Setbacks,
        report: Report | None,
    ) -> Position:
        """A page at least, up to the end of the phase or as much as the consumers can be asked to enter."""
        most_missing = position.missing + MOST_UNCREDITED - uncredited
        while not position.is_compared and position.missing < most_missing:
            with self._checkout.transaction() as tx:
                # Another run may have gone on.
                position = locked(tx, position.since)
                if position.is_compared:
                    break
                position, left = self._settle_page(tx, position)
                save(tx, position)
            if left:
                setbacks.skip(f"{left} payments or reversals that are missing", "they are locked")
            if report is not None:
                report(position.progress(uncredited))
            if time.monotonic() > deadline:
                break
        return position

    def _settle_page(self, tx: Transaction, position: Position) -> tuple[Position, int]:
        """The position behind the next page, whose missing ones are due now; and how many are locked."""
        after, doubtful, missing = self._page(tx, position)
        self._park(tx, doubtful)
        if position.phase == PAYMENTS:
            due = rechecks.look_at_once(tx, [movement.request_id for movement in missing])
        else:
            due = reversals.look_at_once(tx, [movement.effect_key for movement in missing])
        left = len(missing) - due
        after = replace(
            after,
            missing=position.missing + due + len(doubtful),
            to_decide=position.to_decide + len(doubtful),
            left=position.left + left,
        )
        return after, left

    def _page(
        self, tx: Transaction, position: Position
    ) -> tuple[Position, Sequence[Movement], Sequence[Movement]]:
        """The position behind the next page; and what was seen and is missing of it: whose user is doubtful,
        and the rest."""
        movements: Sequence[Movement]
        if position.phase == PAYMENTS:
            movements, after_id = lost_entries.payments(
                tx, position.scope, after_id=position.after_id, rows=ROWS_A_PAGE
            )
            after = replace(position, after_id=after_id or 0, is_compared=after_id is None)
        else:
            movements, after_key = lost_entries.reversals(
                tx, position.scope, after_key=position.after_key, rows=ROWS_A_PAGE
            )
            after = replace(position, after_key=after_key or "", is_compared=after_key is None)
        if position.passes == 1:
            after = replace(after, looked_at=position.looked_at + len(movements))
        missing = self._missing([movement for movement in movements if movement.was_seen])
        doubtful = self._doubtful(position, missing) if position.phase == PAYMENTS else frozenset()
        return after, list(doubtful), [movement for movement in missing if movement not in doubtful]

    def _doubtful(self, position: Position, missing: Sequence[Movement]) -> Set[Movement]:
        """Those whose user's number may have been given out anew. If an entry is there that is older than a
        payment whose entry is lost, its user was there at the moment to which the database was restored, and
        so were all with smaller numbers."""
        newer = {movement for movement in missing if movement.user_id > position.newest_user}
        if not newer:
            return newer
        with self._application.transaction() as tx:
            newest = lost_entries.newest_user_of_entries(tx, min(movement.at for movement in newer))
        return {movement for movement in newer if movement.user_id > newest}

    def _missing(self, movements: Collection[Movement]) -> list[Movement]:
        with self._application.transaction() as tx:
            entries = lost_entries.entries(tx, [movement.effect_key for movement in movements])
            others = [one for one in movements if not one.is_in(entries.get(one.effect_key))]
            places = whereabouts.find(tx, [movement.effect for movement in others])
        nowhere = (Place.NOWHERE, Place.ENTERED_OTHERWISE)
        return [movement for movement in others if places[movement.effect_key] in nowhere]

    def _park(self, tx: Transaction, doubtful: Sequence[Movement]) -> None:
        """For an operator to decide. If the process dies before the caller's commit, they are parked, and not
        missing when the page is compared again."""
        if not doubtful:
            return
        rows = payments_table.find_all(tx, [movement.request_id for movement in doubtful])
        events = [success_event(row) for row in rows]
        with self._application.transaction() as there:
            parking.park(
                there,
                [
                    Parked(
                        Record(TOPIC, NO_PARTITION, 0, str(event.user_id).encode(), event.encoded()),
                        NEW_NUMBER,
                        event.effect,
                    )
                    for event in events
                ],
            )

    def _advance(self, position: Position, uncredited: int) -> Position:
        """To the next phase, once this one has nothing left; to another pass, if something was locked."""
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
