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


def test_what_is_chosen_stays_chosen_if_others_are_missing() -> None:
    for step in range(1, 20):
        tapes = Tape(7), Tape(7)
        for tape in tapes:
            tape.begin(step)
        whole, fewer = tapes
        things = [{"id": f"thing_{number}"} for number in range(10)]
        chosen = whole.pick(things)
        assert fewer.pick([one for one in things if one is chosen or one["id"] < "thing_5"]) is chosen
        order = whole.shuffled(things)
        assert fewer.shuffled(things[3:]) == [one for one in order if one in things[3:]]


def test_a_thing_that_is_there_twice_is_chosen_twice_as_often() -> None:
    tape = Tape(7)
    chosen = [tape.pick(["often", "often", "seldom"]) for _ in range(300)]
    assert 150 < chosen.count("often") < 250
