"""Whose turn it is. Actors are threads of which one at a time goes on, from one statement to the next. Who
stops before a statement chooses who goes on, since it is slow to change threads; while a statement waits at
the server, the world does.

A statement can wait at the server for a lock that another actor holds: PostgreSQL is asked
(pg_blocking_pids). Then the others go on, and the one who waits goes on once it has the lock, or its wait is
ended as by lock_timeout. PostgreSQL's own timeouts and its search for deadlocks come too late to matter.
"""

import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any

from simulation.tape import Tape

STUCK_SECONDS = 60.0
LOOK_SECONDS = 0.002
SOMEBODY = "somebody"
"""An actor of this kind is none of ours: when it has ended, it holds what it has locked until all have."""


class State(Enum):
    READY = auto()
    """Stands before a statement, or has not begun."""
    GOING = auto()
    EXECUTING = auto()
    """A statement of it is at the server."""
    EXECUTED = auto()
    """A statement that had to wait is done."""
    ENDED = auto()


@dataclass(slots=True, eq=False)
class Actor:
    """`kind` is what it does: "relay"."""

    kind: str
    act: Callable[[], object]
    state: State = State.READY
    go: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    pid: int = 0
    """Of the server's process that executes its statement."""
    began: float = 0.0
    """When its statement did."""
    waits_for: frozenset[int] = frozenset()
    """Those who are in its way there."""
    ended_by: str = ""
    """Why its wait is ended: "lock timeout" or "deadlock"."""
    about: Any = None
    """A consumer's batch."""
    error: BaseException | None = None
    result: object = None


Overtaken = tuple[Actor, int] | None


class Turns:
    """`watcher` is a connection on which nobody ever waits."""

    def __init__(self, watcher: Any) -> None:
        self._watcher = watcher
        self._changed = threading.Condition()
        self._own = threading.local()
        self._actors: Sequence[Actor] = ()
        self._overtaken: Actor | None = None
        self._going: Actor | None = None
        self._last: Actor | None = None
        self._turn = 0
        self._users: dict[int, Actor] = {}
        """Who used the server's process last."""
        self.impatience = 0.0
        """How probable it is that a wait ends before it is its time."""
        self.on_wait: Callable[[Actor, Collection[Actor]], None] = lambda _one, _others: None
        """Called once for each statement that waits, with those in its way: nobody if these are no actors."""
        self.on_deadlock: Callable[[Collection[Actor]], None] = lambda _: None

    @property
    def actor(self) -> Actor | None:
        """The one who asks; None if it is nobody's turn."""
        found: Actor | None = getattr(self._own, "actor", None)
        return found

    # Called by actors

    def pause(self) -> None:
        """Let others go on, if they may."""
        actor = self.actor
        if actor is None:
            return
        with self._changed:
            actor.state = State.READY
            if self._moving():
                self._changed.notify_all()  # The world looks whether a statement still waits.
            else:
                self._let_one_go()
        actor.go.acquire()

    def executing(self, pid: int, execute: Callable[[], None]) -> None:
        """Raises psycopg2's QueryCanceled if the wait was ended; `ended_by` says why."""
        actor = self.actor
        if actor is None:
            execute()
            return
        actor.pid, actor.ended_by = pid, ""
        with self._changed:
            self._users[pid], actor.state, actor.began = actor, State.EXECUTING, time.monotonic()
        try:
            execute()
        finally:
            with self._changed:
                has_waited = self._going is not actor
                actor.state = State.EXECUTED if has_waited else State.GOING
                if has_waited:
                    actor.waits_for = frozenset()
                    self._changed.notify_all()
            if has_waited:
                actor.go.acquire()

    # Called by the world

    def play(self, actors: Sequence[Actor], tape: Tape, stays: float, overtaken: Overtaken = None) -> None:
        """All of them at once, to their ends. With the probability `stays` the same one goes on. Who is
        `overtaken` goes alone for so many turns at first, and then only if nobody else can."""
        self._users.clear()
        self._actors, self._tape, self._stays, self._last = actors, tape, stays, None
        self._overtaken, self._alone = overtaken or (None, 0)
        threads = [threading.Thread(target=self._begin, args=(one,), daemon=True) for one in actors]
        for thread in threads:
            thread.start()
        while any(one.state is not State.ENDED for one in actors):
            waiting = [one for one in actors if one.state is State.EXECUTING]
            if not self._ready():
                self._end_a_wait(waiting)
                continue
            if waiting and tape.chance(self.impatience):
                self._cancel(tape.pick(waiting), "lock timeout")
            with self._changed:
                self._let_one_go()
            self._settle()
        for thread in threads:
            thread.join()

    def _begin(self, actor: Actor) -> None:
        actor.go.acquire()
        self._own.actor = actor
        try:
            actor.result = actor.act()
        except BaseException as error:  # noqa: BLE001 - the world raises it when all have ended
            actor.error = error
        with self._changed:
            actor.state = State.ENDED
            self._changed.notify_all()

    def _ready(self) -> list[Actor]:
        return [one for one in self._actors if one.state in (State.READY, State.EXECUTED)]

    def _moving(self) -> list[Actor]:
        return [one for one in self._actors if one.state in (State.GOING, State.EXECUTING)]

    def _let_one_go(self) -> None:
        """Whom the tape chooses."""
        ready, last = self._among(self._ready()), self._last
        chosen = last if last in ready and self._tape.chance(self._stays) else self._tape.pick(ready)
        self._going = self._last = chosen
        chosen.state = State.GOING
        self._turn += 1
        chosen.go.release()

    def _among(self, ready: list[Actor]) -> list[Actor]:
        if self._overtaken not in ready:
            return ready
        self._alone -= 1
        if self._alone >= 0:
            return [self._overtaken]
        return [one for one in ready if one is not self._overtaken] or ready

    def _settle(self) -> None:
        """Until each has stopped, or waits for another one."""
        turn, ends = self._turn, time.monotonic() + STUCK_SECONDS
        while True:
            with self._changed:
                if self._going in self._moving():
                    self._changed.wait(LOOK_SECONDS)
                moving, now = self._moving(), time.monotonic()
                statements = {one: (one.state, one.pid, one.began) for one in moving}
            if not moving:
                break
            if self._turn != turn:
                turn, ends = self._turn, now + STUCK_SECONDS
            if now > ends:
                raise RuntimeError(f"{[(one.kind, one.state) for one in moving]} do not go on")
            if any(one.state is State.GOING or now - one.began < LOOK_SECONDS for one in moving):
                continue
            blocked = self._blocked({one: pid for one, (_, pid, _) in statements.items()})
            with self._changed:
                # Whoever has stopped meanwhile may have been in the way of the others.
                if all(blocked.values()) and statements == {
                    one: (one.state, one.pid, one.began) for one in self._moving()
                }:
                    self._going = None
                    break
        self._note_waits({one: blocked[one] for one in moving})

    def _note_waits(self, waiting: Mapping[Actor, frozenset[int]]) -> None:
        new = [one for one in waiting if not one.waits_for]
        for one in self._actors:
            one.waits_for = waiting.get(one, frozenset())
        for one in new:
            self.on_wait(one, self._in_the_way_of(one))
            if any(one is not other and one.waits_for == other.waits_for for other in waiting):
                # Both would go on at once, in an order that no seed decides.
                self._cancel(one, "lock timeout")
                one.waits_for = frozenset()

    def _blocked(self, pids: Mapping[Actor, int]) -> dict[Actor, frozenset[int]]:
        """By whom each of these statements."""
        sql = "SELECT pid, pg_blocking_pids(pid) FROM unnest(%s::int[]) AS pid"
        found = {pid: frozenset(others) for pid, others in self._asked(sql, [[*pids.values()]])}
        return {one: found[pid] for one, pid in pids.items()}

    def _end_a_wait(self, waiting: Sequence[Actor]) -> None:
        """Everybody waits: for somebody who is no actor, or for each other."""
        for one in waiting:
            if one.waits_for - {pid for pid, user in self._users.items() if user.kind != SOMEBODY}:
                self._cancel(one, "lock timeout")
                break
        else:
            self.on_deadlock(waiting)
            self._cancel(waiting[-1], "deadlock")
        self._settle()

    def _in_the_way_of(self, actor: Actor) -> list[Actor]:
        found = {self._users[pid] for pid in actor.waits_for & self._users.keys()}
        return [one for one in self._actors if one in found]

    def _cancel(self, actor: Actor, why: str) -> None:
        actor.ended_by = why
        self._asked("SELECT pg_cancel_backend(%s)", [actor.pid])
        with self._changed:
            if not self._changed.wait_for(lambda: actor.state is not State.EXECUTING, STUCK_SECONDS):
                raise RuntimeError(f"the wait of {actor.kind} does not end")

    def _asked(self, sql: str, given: Sequence[object]) -> list[tuple[Any, ...]]:
        with self._watcher.cursor() as cursor:
            cursor.execute(sql, given)
            return list(cursor.fetchall())
