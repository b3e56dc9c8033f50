"""What an operator does after a restore: the drill of docs/operations.md."""

from checkout.base.errors import CheckoutError
from simulation import application, operators, people, persons, traffic
from simulation.answers import credited, effect_of
from simulation.broken import Broken
from simulation.discarded import credit_name, credit_names
from simulation.kafka import FINISHED
from simulation.processes import Died
from simulation.world import USERS, World

SLOW_SECONDS_A_PAGE, MANY_ROUNDS = 20.0, 40
"""No run reads all of Stripe's events then."""


def mend_restores(world: World, rounds: int) -> None:
    world.clock.seconds_a_transaction = 0.001
    usual = world.stripe.seconds_a_page
    if world.tape.chance(0.3):
        world.stripe.seconds_a_page, rounds = SLOW_SECONDS_A_PAGE, MANY_ROUNDS
    try:
        _mend(world, rounds)
    finally:
        world.clock.seconds_a_transaction = 0.0
        world.stripe.seconds_a_page = usual


def _mend(world: World, rounds: int) -> None:
    assert world.restored_to is not None
    operators.run(world, "restored")
    known = world.entry_ids()
    forget_what_was_done(world)
    runs_before_another = world.tape.number(1, 3) if world.tape.chance(0.3) else None
    for number in range(rounds):
        if number == runs_before_another and _restore_again(world):
            operators.run(world, "restored")
            known = world.entry_ids()
            forget_what_was_done(world)
            for user_id in (*USERS, *([persons.NUMBER] if world.former else [])):
                people.enter_user(world, user_id)
            application.repeat_moves(world)
        found = operators.run(world, "reconcile", "--since", operators.iso(world.restored_to - 1))
        if not isinstance(found, Died | CheckoutError) and found.content["complete"]:
            break
        traffic.relay(world)
        traffic.consume(world, all_=True)
        world.clock.pass_(60)
    else:
        raise Broken("the drill after a restore ends", f"{found}")
    again = [one for one in world.entry_ids() - known if one <= world.newest_entry]
    # Two restores to one time bring the release before to the same numbers.
    if again and not world.has_release_before:
        raise Broken("no number of an entry is given out twice", f"{again}")


def _restore_again(world: World) -> bool:
    """The application's database once more, to no earlier time, so the same search is to find it all: it was
    not the right backup, for example. Returns False if there is none."""
    assert world.restored_to is not None
    if world.has_release_before:
        return False  # That one goes on with the search where it was.
    backups = world.application.backups
    if not backups or backups[-1][1] < world.restored_to:
        return False
    world.restored(world.application, len(backups) - 1)
    return True


def forget_what_was_done(world: World) -> None:
    """Between a restore and the drill nobody knows what was decided. Call it when the drill begins; nothing
    is consumed then before `reconcile --since` has brought the decisions back."""
    if world.restores > world.restores_decided:
        world.discarded.forget(_done(world))
    world.restores_decided = world.restores


def forget_emitted_reversals(world: World) -> None:
    """Only `reconcile --since` brings back what was decided about refunds and disputes. Call it when others
    have emitted something before."""
    world.discarded.forget(_emitted_reversals(world))


def _done(world: World) -> list[str]:
    """Effect keys of all that is in the ledger or emitted, also by what another restore has lost since; and
    the names of credits."""
    entered = world.application.rows(
        "SELECT effect_key, payment_intent_id, user_id, amount_cents FROM ledger_entries"
    )
    published = world.topics[FINISHED].published[world.published_before :]
    keys = [*(row["effect_key"] for row in entered), *map(effect_of, published)]
    credits = [one for value in published if (one := credited(value)) is not None]
    return [
        *(*keys, *_emitted_reversals(world)),
        *(*credit_names(entered), *(credit_name(*one) for one in credits)),
    ]


def _emitted_reversals(world: World) -> list[str]:
    found = world.checkout.rows(
        "SELECT effect_key FROM reversals WHERE state = 'emitted'"
        " AND NOT effect_key IN (SELECT effect_key FROM discarded_effects)"
    )
    return [row["effect_key"] for row in found]
