"""Compares a page of payments or reversals with the ledger: which entries are missing, and which of these may
now be another person's."""

from collections.abc import Collection, Sequence, Set
from dataclasses import replace

from checkout.base.postgres import Database, Transaction
from checkout.base.user_ids import BIGINT
from checkout.ledger import parking, whereabouts
from checkout.ledger import table as ledger
from checkout.ledger.entering import is_claimed
from checkout.ledger.parked import Parked
from checkout.ledger.whereabouts import Place
from checkout.outbox.finished_event import TOPIC
from checkout.outbox.record import NO_PARTITION, Record
from checkout.payments import table as payments_table
from checkout.payments.emissions import success_event
from checkout.reconciliation import lost_entries_table as lost_entries
from checkout.reconciliation import restores
from checkout.reconciliation.lost_entries_position import PAYMENTS, Position
from checkout.reconciliation.lost_entries_table import ExpectedEntry

ROWS_A_PAGE = 5_000

NEW_NUMBER = (
    "its entry was lost with a restore, and the number of the user is greater than any that was known before:"
    " is it still the same person's?"
)


def _number(movement: ExpectedEntry) -> int:
    """The user's number, or 0: only numbers of a sequence can later be given to another person."""
    return movement.user_id if isinstance(movement.user_id, int) else 0


class LedgerComparison:
    def __init__(self, application: Database) -> None:
        self._application = application

    def page(
        self, tx: Transaction, position: Position
    ) -> tuple[Position, Sequence[ExpectedEntry], Sequence[ExpectedEntry]]:
        """The position behind the next page; and the movements of the page that were seen in the ledger and
        are missing there: those whose user is doubtful, and the others."""
        movements: Sequence[ExpectedEntry]
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

    def park_unseen(self, tx: Transaction, position: Position) -> int:
        """Park payments that were never seen in the ledger and whose user is doubtful: those of before a
        restore. What was paid since then, a user of today has paid. Returns how many."""
        restored_at = restores.noted_at(tx)
        if tx.user_ids is not BIGINT or not restored_at:
            return 0
        unseen = lost_entries.unseen_payments(
            tx, position.scope, above=position.newest_user, before=restored_at
        )
        # What somebody else was credited with is a conflict, which may be discarded already.
        doubtful = self._doubtful(position, self._missing(unseen, (Place.NOWHERE,)))
        self.park(tx, list(doubtful))
        return len(doubtful)

    def park(self, tx: Transaction, doubtful: Sequence[ExpectedEntry]) -> None:
        """Park them for an operator to decide. If the process dies before the caller's commit, they are
        parked, and so not missing when the page is compared again."""
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

    def _doubtful(self, position: Position, missing: Sequence[ExpectedEntry]) -> Set[ExpectedEntry]:
        """Those whose user's number may have been given to another person since. If there is an entry that is
        older than a payment whose entry is lost, its user existed at the moment to which the database was
        restored, and so did all users with smaller numbers."""
        newer = {movement for movement in missing if _number(movement) > position.newest_user}
        if not newer:
            return newer
        with self._application.transaction() as tx:
            newest = lost_entries.newest_user_of_entries(tx, min(movement.at for movement in newer))
        return {movement for movement in newer if _number(movement) > newest}

    def _missing(
        self,
        movements: Collection[ExpectedEntry],
        nowhere: Collection[Place] = (Place.NOWHERE, Place.ENTERED_OTHERWISE),
    ) -> list[ExpectedEntry]:
        """Those that are neither in the ledger nor parked."""
        effects = {movement.effect_key: movement.effect for movement in movements}
        with self._application.transaction() as tx:
            claims = ledger.claims(tx, effects)
            others = [one for key, one in effects.items() if not is_claimed(one, claims.get(key))]
            places = whereabouts.find(tx, others)
        return [movement for movement in movements if places.get(movement.effect_key) in nowhere]
