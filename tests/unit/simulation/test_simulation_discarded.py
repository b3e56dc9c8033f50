"""Of a world's decisions those count that one of its databases still has."""

from types import SimpleNamespace
from typing import Any

from simulation.discarded import Discarded

CHECKOUT: Any = SimpleNamespace(name="checkout")
APPLICATION: Any = SimpleNamespace(name="application")


def test_a_decision_stays_while_one_database_has_it() -> None:
    discarded = Discarded()
    discarded.add(["refunded:re_1"], [CHECKOUT, APPLICATION], now=10)
    discarded.restored(APPLICATION, 10)
    assert discarded.keys == {"refunded:re_1"}
    discarded.restored(CHECKOUT, 11)
    assert discarded.keys == {"refunded:re_1"}
    discarded.restored(CHECKOUT, 5)
    assert discarded.keys == set()


def test_what_is_taken_back_is_forgotten() -> None:
    discarded = Discarded()
    discarded.add(["a", "b"], [CHECKOUT], now=1)
    discarded.forget(["a", "c"])
    assert discarded.keys == {"b"}


def test_what_is_set_aside_is_put_back_except_what_was_decided_anew() -> None:
    discarded = Discarded()
    discarded.add(["a", "b", "c"], [CHECKOUT], now=1)
    aside = discarded.set_aside(["a", "b", "d"])
    assert discarded.keys == {"c"}
    discarded.add(["a"], [CHECKOUT], now=5)
    aside.forget(["b"])
    discarded.put_back(aside)
    assert discarded.keys == {"a", "c"}
    discarded.restored(CHECKOUT, 3)
    assert discarded.keys == {"c"}
