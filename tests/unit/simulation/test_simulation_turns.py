"""Turns: which of several actors goes on is decided by the tape, and who waits lets the others go on."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

from simulation.interleaved.connections import apart
from simulation.interleaved.turns import Actor, Turns
from simulation.tape import Tape


class Server:
    """Of two sessions: the statement of 2 waits until 1 has released what it holds."""

    def __init__(self) -> None:
        self._released = threading.Event()
        self.is_waiting = self.is_cancelled = False
        self._rows: list[tuple[Any, ...]] = []

    def wait(self) -> None:
        self.is_waiting = True
        self._released.wait()

    def release(self) -> None:
        self.is_waiting = False
        self._released.set()

    @contextmanager
    def cursor(self) -> Iterator["Server"]:
        yield self

    def execute(self, sql: str, given: Sequence[Any]) -> None:
        if "pg_cancel_backend" in sql:
            self.is_cancelled = True
            self.release()
        if "pg_blocking_pids" in sql:
            self._rows = [(pid, [1] if self.is_waiting and pid == 2 else []) for pid in given[0]]

    def fetchall(self) -> list[tuple[Any, ...]]:
        return self._rows


def order_of(seed: int) -> list[str]:
    turns, seen = Turns(Server()), list[str]()

    def act(name: str) -> None:
        for number in range(5):
            turns.pause()
            seen.append(f"{name}{number}")

    tape = Tape(seed)
    turns.play([Actor("a", lambda: act("a")), Actor("b", lambda: act("b"))], tape, stays=0.3)
    return seen


def test_a_seed_is_an_order() -> None:
    orders = [order_of(seed) for seed in range(5)]
    assert orders == [order_of(seed) for seed in range(5)]
    assert len({tuple(order) for order in orders}) > 1
    assert all(sorted(order) == sorted(orders[0]) for order in orders)


@pytest.mark.parametrize("is_given_up", [True, False])
def test_the_others_go_on_while_one_waits(is_given_up: bool) -> None:
    server, waits = Server(), list[tuple[str, list[str]]]()
    turns = Turns(server)
    turns.on_wait = lambda one, others: waits.append((one.kind, [other.kind for other in others]))
    has_locked = False

    def holds() -> None:
        nonlocal has_locked
        turns.executing(1, lambda: None)
        has_locked = True
        for _ in range(3):
            turns.pause()
        if is_given_up:
            turns.executing(1, server.release)

    def waits_for_it() -> None:
        while not has_locked:
            turns.pause()
        turns.executing(2, server.wait)

    actors = [Actor("holder", holds), Actor("waiter", waits_for_it)]
    turns.play(actors, Tape(1), stays=0)
    assert [one.error for one in actors] == [None, None]
    assert waits == [("waiter", ["holder"])]
    assert server.is_cancelled is not is_given_up
    assert actors[1].ended_by == ("" if is_given_up else "deadlock")


def test_what_an_actor_raises_is_kept() -> None:
    def fail() -> None:
        raise ValueError

    actors = [Actor("a", fail), Actor("b", lambda: "done")]
    Turns(Server()).play(actors, Tape(1), stays=0)
    assert isinstance(actors[0].error, ValueError)
    assert actors[1].result == "done"


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        ([b"SELECT 1", b"UPDATE t"], [b"BEGIN; SELECT 1", b"UPDATE t", b"COMMIT"]),
        ([b"UPDATE t"], [b"BEGIN; SELECT 1", b"UPDATE t", b"COMMIT"]),
        ([b"SELECT 1"], [b"BEGIN; SELECT 1", b"UPDATE t; COMMIT"]),
        ([], [b"BEGIN; SELECT 1; UPDATE t; COMMIT"]),
    ],
)
def test_the_statements_of_a_round_trip_are_sent_one_by_one(
    known: list[bytes], expected: list[bytes]
) -> None:
    assert apart(b"BEGIN; SELECT 1; UPDATE t; COMMIT", known) == expected


def test_a_text_within_a_statement_divides_nothing() -> None:
    statement = b"INSERT 'a; b'"
    assert apart(b"BEGIN; " + statement + b"; COMMIT", [statement]) == [b"BEGIN; " + statement, b"COMMIT"]


def test_who_is_overtaken_goes_first_and_then_last() -> None:
    turns, seen = Turns(Server()), list[str]()

    def act(name: str, times: int) -> None:
        for _ in range(times):
            seen.append(name)
            turns.pause()

    actors = [Actor("a", lambda: act("a", 4)), Actor("b", lambda: act("b", 3))]
    turns.play(actors, Tape(1), stays=0, overtaken=(actors[0], 2))
    assert "".join(seen) == "aabbbaa"
