"""One delivery of records, credited a group at a time, so that whoever is in the way delays nobody else.

At first all are one group, in one transaction. Users whose rows somebody holds are left out of it. If it
fails because of one of them, it is divided: by user, so that each user's records stay together and in their
order; only a user whose records the database refuses is divided further. Every group commits on its own, so
each delivery makes progress, even if its time is up before all are done.
"""

import time
from collections import deque
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from enum import Enum, auto

from checkout.base import postgres
from checkout.base.errors import BalanceNotMoved, DatabaseContended, DataRefused
from checkout.base.postgres import Database, Transaction
from checkout.ledger import entering, parking
from checkout.ledger.decision import Movement, in_order, parts
from checkout.ledger.entering import Read, Tally
from checkout.ledger.parked import Parked

PARTS = 16
"""Into so many parts a group is divided: few failures on the way to the record that is the cause."""

PATIENCE_SECONDS = 2.0
"""So long, in all, users whose rows somebody holds are waited for, once everybody else is done."""

HURRIED = {"lock_timeout": "50ms", "statement_timeout": "1s"}
"""For the parts of a group that something was in the way of."""


class _Mode(Enum):
    AT_ONCE = auto()
    """No user's row is waited for."""
    HURRIED = auto()
    """Nor is anything else, for long."""
    PATIENT = auto()
    """The row of one user is waited for."""


@dataclass(frozen=True, slots=True)
class _Group:
    movements: Sequence[Movement]
    mode: _Mode
    bring_along: bool = True


class CreditingBatch:
    """`tally` and `again` say what became of the movements; nothing was done about what is in `again`."""

    def __init__(self, application: Database, read: Read, deadline: float) -> None:
        self.tally = Tally()
        self.again: list[Movement] = []
        self._application = application
        self._read = read
        self._deadline = deadline
        self._queue: deque[_Group] = deque()
        self._tried = False
        self._to_park: list[Parked] = []
        self._late: dict[int, list[Movement]] = {}
        """By user: what waits until everybody else is done."""
        self._waiting: set[int] = set()
        """Users of whom nothing more is done in this delivery."""
        self.in_the_way: set[int] = set()
        """Users who would hold up others: somebody holds what their records need."""
        self._patience_ends = 0.0

    def settle(
        self, movements: Sequence[Movement], to_park: Sequence[Parked], *, apart: Collection[int]
    ) -> None:
        """Raises DatabaseUnavailable."""
        self._to_park = list(to_park)
        self.tally.parked = len(to_park)
        for mode, wanted in ((_Mode.AT_ONCE, False), (_Mode.HURRIED, True)):
            chosen = [one for one in movements if (one.effect.user_id in apart) is wanted]
            self._queue.append(_Group(in_order(chosen), mode))
        self._work()
        self._queue.extend(_Group(self._late[user_id], _Mode.PATIENT) for user_id in sorted(self._late))
        self._late = {}
        self._patience_ends = time.monotonic() + PATIENCE_SECONDS
        self._work()
        if self._to_park:
            with self._application.transaction() as tx:
                parking.park(tx, self._to_park)

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
        """In one transaction; if that fails, its parts are tried later."""
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
                    bring_along=group.bring_along,
                )
                brought_along = plan.brings_along
                tally, to_park = entering.carry_out(tx, plan)
                parking.park(tx, to_park)
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
            postgres.limit(tx, HURRIED)
        elif mode is _Mode.PATIENT:
            # The next ones get their share of it, too.
            share = (self._patience_ends - time.monotonic()) / (len(self._queue) + 1)
            postgres.limit(tx, {"lock_timeout": f"{max(1, round(share * 1000))}ms"})

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
            self._queue.appendleft(replace(group, bring_along=False))
        else:
            self._refuse(group.movements[0], refusal)

    def _separate(self, group: _Group, refusal: BalanceNotMoved, *, brought_along: bool) -> None:
        """It is known who was the cause: the others are tried without them."""
        causes = [one for one in group.movements if one.effect.user_id in refusal.user_ids]
        others = [one for one in group.movements if one.effect.user_id not in refusal.user_ids]
        self._queue.appendleft(replace(group, movements=others))
        for part in parts(causes, len(causes)) if len(causes) > 1 else [causes]:
            if len(part) == 1 and not brought_along:
                self._refuse(part[0], refusal)
            else:
                self._queue.append(replace(group, movements=part))

    def _divide(self, group: _Group) -> None:
        """Its parts come next, so that a cause is soon found; in their order, since of one user's records a
        later one may depend on the first."""
        divided = parts(group.movements, PARTS)
        self._queue.extendleft(replace(group, movements=part) for part in reversed(divided))

    def _refuse(self, movement: Movement, refusal: DataRefused) -> None:
        reason = f"refused by the database: {refusal.detail}"
        self._to_park.append(Parked(movement.record, reason, movement.effect, is_refused=True))
        self.tally.parked += 1


def _are_all_of(movements: Sequence[Movement], user_ids: Collection[int]) -> bool:
    return all(movement.effect.user_id in user_ids for movement in movements)
