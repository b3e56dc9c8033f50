"""The tape: what one step chooses depends on the seed and on that step alone."""

from simulation.tape import Tape


def choices(tape: Tape, step: int) -> list[object]:
    tape.begin(step)
    faults = [tape.fault("place", ["a", "b"], 0.5) for _ in range(20)]
    return [*faults, tape.number(1, 1000), tape.pick("abc"), tape.digits(64)]


def test_a_step_chooses_the_same_whatever_came_before() -> None:
    whole, alone = Tape(7), Tape(7)
    for step in range(1, 5):
        choices(whole, step)
    assert choices(whole, 5) == choices(alone, 5)
    assert choices(Tape(7), 6) != choices(Tape(7), 5) != choices(Tape(8), 5)


def test_a_fault_that_is_mended_changes_no_other_choice() -> None:
    tape = Tape(7)
    expected = choices(tape, 3)
    first = tape.faults[0]
    mended = Tape(7, [first.at])
    found = choices(mended, 3)
    assert found[first.at[1]] is None
    assert [one for place, one in enumerate(found) if place != first.at[1]] == [
        one for place, one in enumerate(expected) if place != first.at[1]
    ]
    assert mended.faults == tape.faults[1:]
