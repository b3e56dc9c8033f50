"""Play one world: its steps, and then the time that it gets to settle."""

import traceback
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

from simulation import (
    application,
    asking,
    deaths,
    drill,
    elsewhere,
    epilogues,
    judging,
    last_acts,
    loudness,
    misleading,
    openings,
    operators,
    pages,
    people,
    persons,
    reconciling,
    refunds,
    refusing,
    restores,
    schedules,
    settings,
    traffic,
)
from simulation.broken import Broken
from simulation.checker import Checker
from simulation.clock import BEGINNING, Clock
from simulation.databases import WorldDatabase
from simulation.processes import Processes
from simulation.server import NO_RULE
from simulation.stripe_model.account import Resource
from simulation.tape import Choice, Place, Tape
from simulation.world import USERS, World

STEPS = 100
ROUNDS = 8
"""So many periods the world has to settle, the last of them a day long each."""
SMALL_ROUNDS = 30
"""The same where pages are small: a run of the reconciler does less."""

ACTS: dict[str, Callable[[World], object]] = {
    "sign up": people.sign_up,
    "ask": people.ask,
    "ask through Kafka": people.ask_through_kafka,
    "pay": people.pay,
    "expire": people.expire,
    "end debit": people.end_debit,
    "refund": people.refund,
    "move refund": people.move_refund,
    "dispute": people.dispute,
    "move dispute": people.move_dispute,
    "tell twice": traffic.tell_twice,
    "deliver": traffic.deliver,
    "lose event": traffic.lose_event,
    "consume": traffic.consume,
    "consume requests": traffic.consume_requests,
    "relay": traffic.relay,
    "reconcile": reconciling.reconcile,
    "die again and again": deaths.die_again_and_again,
    "Stripe falls behind": traffic.fall_behind,
    "broker away": traffic.broker_away,
    "refuse large": refusing.refuse_large,
    "lose record": traffic.lose_record,
    "reset offsets": traffic.reset_offsets,
    "empty topic": traffic.empty_topic,
    "pass time": traffic.pass_time,
    "move balance": application.move_balance,
    "back up": restores.back_up,
    "restore": restores.restore,
    "lose hours": restores.lose_hours,
    "operate": operators.operate,
    "discard": operators.discard,
    "adjust": operators.adjust,
    "accept": judging.accept,
    "refund by an operator": refunds.refund,
    "change rule": application.change_rule,
    "pass a month": schedules.pass_a_month,
    "pay elsewhere": elsewhere.pay_elsewhere,
    "get for nothing": elsewhere.get_for_nothing,
    "foreign payment": elsewhere.foreign_payment,
    "order": elsewhere.order,
    "poison": traffic.poison,
    "mislead": misleading.mislead,
    "usurp": misleading.usurp,
    "unmark": people.unmark,
    "recover": elsewhere.recover,
    "change settings": settings.change,
    "mistake the app id": settings.mistake_app_id,
    "deploy another stack": settings.deploy_another_stack,
    "deploy": lambda world: world.processes.deploy(),
}


@dataclass(slots=True)
class Played:
    """`rule` is None if all held; else `text` says what did not, and `step` where."""

    seed: int
    rule: str | None = None
    text: str = ""
    step: int = 0
    log: Sequence[str] = ()
    stripe: Sequence[Resource] = ()
    """Stripe's events, if a rule was broken."""
    faults: Sequence[Choice] = ()
    counts: Counter[str] = field(default_factory=Counter)


class Player:
    """Plays worlds in two databases, one after the other."""

    processes: type[Processes] = Processes

    def __init__(self, clock: Clock, checkout_url: str, application_url: str) -> None:
        self._clock = clock
        self._databases = [
            WorldDatabase("checkout", checkout_url, clock),
            WorldDatabase("application", application_url, clock),
        ]

    def play(
        self,
        seed: int,
        steps: Sequence[int] = range(1, STEPS + 1),
        mended: Collection[Place] = (),
        *,
        settles: bool = True,
    ) -> Played:
        """The world of this seed, with these steps alone, and without the faults at the places `mended`. It
        is over after the steps unless it `settles`."""
        self._clock.epoch = BEGINNING
        for database in self._databases:
            database.begin_world()
        world = World(Tape(seed, mended), self._clock, *self._databases)
        world.processes = self.processes(world)
        try:
            with pages.of_size(world.swarm.page):
                return self._played(world, steps, settles=settles)
        finally:
            for database in self._databases:
                database.end_world()

    def _played(self, world: World, steps: Sequence[int], *, settles: bool) -> Played:
        checker = Checker(world)
        world.judge = checker.after_step
        played = Played(world.tape.seed, log=world.log, faults=world.tape.faults, counts=world.counts)
        step = 0
        try:
            for user_id in USERS:
                if world.tape.chance(world.swarm.present):
                    openings.enter_first(world, user_id)
            for step in steps:
                world.tape.begin(step)
                world.act = lambda: self._act(world)
                world.say(f"step {step}")
                self._act(world)
                checker.after_step()
            step = max(steps, default=0) + 1
            world.tape.begin(step)
            if settles:
                settle(world, checker)
        except Broken as broken:
            played.rule, played.text = broken.rule, str(broken)
        except Exception as error:  # noqa: BLE001 - nothing else may be raised
            played.rule = f"raised {type(error).__name__}"
            played.text = traceback.format_exc(limit=-6)
        played.step = step
        if played.rule is not None:
            played.stripe = world.account.events
        return played

    def _act(self, world: World) -> None:
        act(world)


def act(world: World) -> None:
    name = world.tape.weighted(dict(world.swarm.weights))
    ACTS[name](world)


def settle(world: World, checker: Checker) -> None:
    """Faults end. All must be right after some periods, and stay right for one more."""
    world.is_calm = True
    world.stripe.lag.end()
    world.say("faults end")
    world.processes.complete()
    # What the application refuses keeps nobody else waiting.
    traffic.consume(world, all_=True)
    refusing.require_others_go(world)
    refusing.end(world)
    last_acts.act(world)
    world.application.rule = NO_RULE
    for user_id in USERS:
        people.enter_user(world, user_id)
    if world.tape.chance(0.1):
        operators.run(world, "verify")
    heard = len(world.metrics.heard)
    application.repeat_moves(world)
    asking.ask_all_again(world)
    refunds.ask_all_again(world)
    rounds = ROUNDS if world.swarm.page is None else SMALL_ROUNDS
    if world.restored_to is not None:
        drill.mend_restores(world, rounds)
        checker.after_drill()
        persons.decide(world)
    for words in openings.to_do(world):
        operators.run(world, *words)
    for number in range(rounds):
        schedules.period(world, 960 if number < 3 else 25 * 3600)
        checker.after_step()
        try:
            checker.at_end()
        except Broken:
            if number == rounds - 1:
                raise
            continue
        break
    # After hours Stripe's books are complete, too.
    schedules.period(world, world.tape.pick((960, 8 * 3600)))
    reconciling.require_whole_run(world)
    traffic.read_topic_again(world)
    checker.after_step()
    checker.at_end()
    offences = loudness.verify(world)
    checker.verified(offences)
    loudness.at_end(world, heard)
    judging.require_listed_again(world)
    if not offences:
        end(world, checker)


def end(world: World, checker: Checker) -> None:
    """With one of the epilogues."""
    kind = world.tape.pick((*["corrupt"] * 4, *["forge"] * 3, "change", "pay"))
    if kind == "corrupt":
        epilogues.corrupt(world, checker, loudness.verify)
    elif kind == "forge":
        epilogues.forge(world, checker, loudness.verify, schedules.period)
    elif kind == "change":
        epilogues.change_ledger(world)
    else:
        epilogues.pay_once_more(world, loudness.verify)
