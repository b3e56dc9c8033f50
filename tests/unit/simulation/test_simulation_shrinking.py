"""The fewest steps and faults that break the same rule."""

from collections.abc import Collection, Sequence

from simulation.play import Played
from simulation.shrinking import Shrinking
from simulation.tape import Choice, Place

NEEDED = {3, 17, 40}
FAULTS = [
    Choice((3, 0), "statement", 1, 2),
    Choice((17, 2), "publish", 1, 2),
    Choice((40, 1), "statement", 1, 2),
]


def replay(steps: Sequence[int], mended: Collection[Place], *, settles: bool = False) -> Played:
    """Breaks a rule if the needed steps are there, and the fault of step 17; another one if 17 is alone."""
    faults = [one for one in FAULTS if one.at[0] in steps and one.at not in mended]
    rule = None
    if any(one.at == (17, 2) for one in faults):
        rule = "this one" if set(steps) >= NEEDED else "another one"
    return Played(1, rule, step=max(steps, default=0) + settles, faults=faults)


def test_all_is_left_out_that_can_be() -> None:
    steps = range(1, 61)
    shrinking = Shrinking(replay, replay(steps, ()), steps, ())
    shrinking()
    assert shrinking.steps == sorted(NEEDED)
    assert shrinking.mended == {(3, 0), (40, 1)}
    assert shrinking.played.rule == "this one"


def test_a_world_settles_only_if_that_is_where_the_rule_broke() -> None:
    asked = []

    def noted(steps: Sequence[int], mended: Collection[Place], *, settles: bool) -> Played:
        asked.append(settles)
        return replay(steps, mended, settles=settles)

    steps = range(1, 61)
    Shrinking(noted, replay(steps, ()), steps, ())()
    assert set(asked) == {False}
    asked.clear()
    Shrinking(noted, replay(steps, (), settles=True), steps, ())()
    assert set(asked) == {True}
