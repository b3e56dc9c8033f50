"""One delivery of records, credited a group at a time, so a user who is locked or refused delays nobody else.

At first all records are one group, in one transaction, without the users whose rows another transaction
locks. If it fails, it is divided by user, so each user's records stay together and in their order; only a
user whose records the database refuses is divided further. Every group commits on its own, so each delivery
makes progress, even if its time is up before all are done.
"""

import time
from collections import deque
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from enum import Enum, auto

from checkout.base import postgres, timing
from checkout.base.errors import BalanceNotMoved, DatabaseContended, DataRefused
from checkout.base.postgres import Database, Transaction
from checkout.base.user_ids import UserId
from checkout.ledger import entering, parking
from checkout.ledger.decision import Movement, in_order
from checkout.ledger.entering import Read, Tally
from checkout.ledger.parked import Parked
from checkout.ledger.parts import parts

PARTS = 16
"""How many parts a group is divided into: few attempts fail before the record that is the cause is found."""


class _Mode(Enum):
    AT_ONCE = auto()
    """Skip users whose rows are locked."""
    HURRIED = auto()
    """Skip them, and wait for no other lock for long."""
    PATIENT = auto()
    """Wait for the row of the group's one user."""


@dataclass(frozen=True, slots=True)
class _Group:
    movements: Sequence[Movement]
    mode: _Mode
    refusal: str | None = None
    """Why parked reversals are not entered with these movements; None if they are."""


class CreditingBatch:
    """`tally` counts what became of the movements. Nothing was done with those in `again`."""

    def __init__(self, application: Database, read: Read, deadline: float) -> None:
        self.tally = Tally()
        self.again: list[Movement] = []
        self._application = application
        self._read = read
        self._deadline = deadline
        self._queue: deque[_Group] = deque()
        self._tried = False
        self._to_park: list[Parked] = []
        self._late: dict[UserId, list[Movement]] = {}
        """By user, the movements that are retried, with patience, after all others."""
        self._waiting: set[UserId] = set()
        """Users for whom nothing more is done in this delivery."""
        self.in_the_way: set[UserId] = set()
        """Users for whose records another transaction held a lock."""
        self._patience_ends = 0.0

    def settle(
        self, movements: Sequence[Movement], to_park: Sequence[Parked], *, apart: Collection[UserId]
    ) -> None:
        """Raises DatabaseUnavailable."""
        self._to_park = list(to_park)
        self.tally.parked = len(to_park)
        for mode, wanted in ((_Mode.AT_ONCE, False), (_Mode.HURRIED, True)):
            chosen = [one for one in movements if (one.effect.user_id in apart) is wanted]
            self._queue.append(_Group(in_order(chosen), mode))
        self._work()
        self._queue.extend(
            _Group(self._late[user_id], _Mode.PATIENT) for user_id in sorted(self._late, key=str)
        )
        self._late = {}
        self._patience_ends = time.monotonic() + timing.LOCKED_USERS
        self._work()
        self._park()

    def _park(self) -> None:
        if self._to_park:
            with self._application.transaction() as tx:
                parking.park(tx, self._to_park)
            self._to_park = []

    def _work(self) -> None:
        while self._queue:
            group = self._without_those_who_wait(self._queue.popleft())
            if not group.movements:
                continue
            if self._tried and time.monotonic() > self._ends(group.mode):
                self.again += group.movements
            else:
                self._attempt(group)

    def _ends(self, mode: _Mode) -> float:
        return min(self._deadline, self._patience_ends) if mode is _Mode.PATIENT else self._deadline

    def _without_those_who_wait(self, group: _Group) -> _Group:
        if not self._waiting and not self._late:
            return group
        wanted = []
        for movement in group.movements:
            user_id = movement.effect.user_id
            if user_id in self._waiting:
                self.again.append(movement)
            elif user_id in self._late:
                self._late[user_id].append(movement)
            else:
                wanted.append(movement)
        return replace(group, movements=wanted)

    def _attempt(self, group: _Group) -> None:
        """Credit the group in one transaction; if that fails, queue its parts."""
        if group.mode is _Mode.PATIENT:
            # What was refused before waits for nobody.
            self._park()
        brought_along = False
        try:
            with self._application.transaction() as tx:
                self._limit(tx, group.mode)
                # First, since what comes now may depend on it.
                parking.park(tx, self._to_park)
                plan = entering.plan(
                    tx,
                    group.movements,
                    self._read,
                    wait=group.mode is _Mode.PATIENT,
                    bring_along=group.refusal is None,
                )
                brought_along = plan.brings_along
                tally, to_park = entering.carry_out(tx, plan)
                parking.park(tx, to_park)
                parking.leave(tx, plan.left_behind, group.refusal or "")
        except DatabaseContended:
            self._contended(group)
        except DataRefused as refusal:
            self._refused(group, refusal, brought_along=brought_along)
        else:
            self._to_park = []
            self.tally.add(tally)
            self._hold_back([one for one in group.movements if one.effect.user_id in plan.held])
        self._tried = True

    def _limit(self, tx: Transaction, mode: _Mode) -> None:
        if mode is _Mode.HURRIED:
            postgres.limit(tx, lock_timeout=timing.HURRIED_LOCK, statement_timeout=timing.HURRIED_STATEMENT)
        elif mode is _Mode.PATIENT:
            # Shared with those that are still queued.
            share = (self._patience_ends - time.monotonic()) / (len(self._queue) + 1)
            postgres.limit(tx, lock_timeout=share)

    def _hold_back(self, movements: Sequence[Movement]) -> None:
        for movement in movements:
            self._late.setdefault(movement.effect.user_id, []).append(movement)
            self.in_the_way.add(movement.effect.user_id)

    def _contended(self, group: _Group) -> None:
        users = {movement.effect.user_id for movement in group.movements}
        if len(users) > 1:
            self._divide(replace(group, mode=_Mode.HURRIED))
        elif group.mode is _Mode.PATIENT:
            self._waiting |= users
            self.again += group.movements
        else:
            self._hold_back(group.movements)

    def _refused(self, group: _Group, refusal: DataRefused, *, brought_along: bool) -> None:
        if isinstance(refusal, BalanceNotMoved) and not _are_all_of(group.movements, refusal.user_ids):
            self._separate(group, refusal, brought_along=brought_along)
        elif len(group.movements) > 1:
            self._divide(group)
        elif brought_along:
            self._queue.appendleft(replace(group, refusal=_reason(refusal)))
        else:
            self._refuse(group.movements[0], refusal)

    def _separate(self, group: _Group, refusal: BalanceNotMoved, *, brought_along: bool) -> None:
        """Queue the others, without the users who are known to be the cause."""
        causes = [one for one in group.movements if one.effect.user_id in refusal.user_ids]
        others = [one for one in group.movements if one.effect.user_id not in refusal.user_ids]
        self._queue.appendleft(replace(group, movements=others))
        for part in parts(causes, len(causes)) if len(causes) > 1 else [causes]:
            if len(part) == 1 and not brought_along:
                self._refuse(part[0], refusal)
            else:
                self._queue.append(replace(group, movements=part))

    def _divide(self, group: _Group) -> None:
        """Queue its parts first, so the cause is soon found, and in their order, since a later record of a
        user may depend on an earlier one."""
        divided = parts(group.movements, PARTS)
        self._queue.extendleft(replace(group, movements=part) for part in reversed(divided))

    def _refuse(self, movement: Movement, refusal: DataRefused) -> None:
        self._to_park.append(Parked(movement.record, _reason(refusal), movement.effect, is_refused=True))
        self.tally.parked += 1


def _reason(refusal: DataRefused) -> str:
    return f"refused by the database: {refusal.detail}"


def _are_all_of(movements: Sequence[Movement], user_ids: Collection[UserId]) -> bool:
    return all(movement.effect.user_id in user_ids for movement in movements)
