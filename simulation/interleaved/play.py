"""Play one world in which several act at once."""

from collections import Counter
from collections.abc import Collection, Sequence
from typing import Any

from simulation import pages, play
from simulation.broken import Broken
from simulation.clock import BEGINNING, Clock
from simulation.contested import contested
from simulation.interleaved import actors as kinds
from simulation.interleaved import groups
from simulation.interleaved.databases import SharedDatabase, beside
from simulation.interleaved.turns import Actor, Turns
from simulation.interleaved.world import InterleavedWorld, hold_row, open_order
from simulation.kafka import FINISHED
from simulation.play import STEPS, Played, Player
from simulation.processes import Died, Processes
from simulation.server import NO_RULE, connected
from simulation.tape import Place, Tape
from simulation.world import World

ALONE = {
    "sign up": 2.0,
    "ask": 6.0,
    "ask through Kafka": 2.0,
    "pay": 14.0,
    "end debit": 6.0,
    "refund": 6.0,
    "move refund": 6.0,
    "dispute": 4.0,
    "move dispute": 8.0,
    "expire": 1.0,
    "tell twice": 2.0,
    "lose event": 2.0,
    "lose record": 1.0,
    "poison": 0.5,
    "pass time": 6.0,
    "pay elsewhere": 1.0,
    "mislead": 1.0,
}
TOGETHER = 0.5
STAYS = (0.0, 0.5, 0.9)
OVERTAKEN, MOSTLY, MOST_ALONE = 0.4, 0.8, 25
"""How often all others overtake one, and after how many of its turns at most: what one decides is out of date
then, however much the others do meanwhile."""
_OF_USERS = (kinds.CONSUMER, kinds.APPLICATION, kinds.OPERATOR)
"""They lock rows of users."""


class InterleavedPlayer(Player):
    def __init__(self, clock: Clock, checkout_url: str, application_url: str) -> None:
        self._clock = clock
        self._checkout = SharedDatabase("checkout", checkout_url, clock)
        self._application = SharedDatabase("application", application_url, clock)
        # Elsewhere, so that nothing in their tables waits for what it has seen.
        self._watcher = connected(beside(checkout_url, "postgres"))
        self._watcher.autocommit = True

    def play(
        self,
        seed: int,
        steps: Sequence[int] = range(1, STEPS + 1),
        mended: Collection[Place] = (),
        *,
        settles: bool = True,
    ) -> Played:
        self._clock.epoch = BEGINNING
        for database in (self._checkout, self._application):
            database.begin_world()
        turns = Turns(self._watcher)
        world = InterleavedWorld(Tape(seed, mended), self._clock, self._checkout, self._application, turns)
        world.processes = Processes(world)
        turns.on_wait = lambda one, others: _judge_wait(world, one, others)
        turns.on_deadlock = lambda those: world.breaks("nobody deadlocks", _kinds(those))
        try:
            with pages.of_size(world.swarm.page):
                return self._played(world, steps, settles=settles)
        finally:
            world.end()

    def _act(self, world: World) -> None:
        assert isinstance(world, InterleavedWorld)
        if world.first_users is None:
            world.first_users = tuple(world.signed_up)
        if world.tape.chance(TOGETHER):
            together(world)
        else:
            play.ACTS[world.tape.weighted(ALONE)](world)


def together(world: InterleavedWorld) -> None:
    actors, rows, slow = groups.some(world)
    if not actors:
        return
    if rows and world.tape.chance(0.8):
        name, those, key = world.tape.pick(rows)
        database = world.checkout if name == "checkout" else world.application
        is_order = (name, those, key) == groups.USERS and world.tape.chance(0.3)
        if is_order:
            open_order(world)
        else:
            hold_row(world, database, those, key)
    world.say(f"at once: {_kinds(actors)}")
    published = len(world.topics[FINISHED].published)
    world.at_once, world.faults_before = actors, len(world.tape.faults)
    is_overtaken = world.tape.chance(OVERTAKEN if slow is None else MOSTLY)
    among = [one for one in actors if one.kind == slow] or actors
    overtaken = (world.tape.pick(among), world.tape.number(0, MOST_ALONE)) if is_overtaken else None
    world.turns.play(actors, world.tape, world.tape.pick(STAYS), overtaken)
    world.let_go()
    for error in [one.error for one in actors if one.error is not None]:
        raise error
    if world.broken:
        raise world.broken[0]
    judge, world.judge_at_once = world.judge_at_once, lambda: None
    judge()
    _judge_results(world, actors)
    _judge_published(world, actors, world.topics[FINISHED].published[published:])
    _judge_parked(world)


def _judge_wait(world: InterleavedWorld, one: Actor, others: Collection[Actor]) -> None:
    """Who waits although it must not. Without `others` for a row that somebody holds."""
    world.counts["waits for locks"] += 1
    world.say(f"{one.kind} waits for {_kinds(others) or 'somebody'}")
    if one.kind == kinds.RELAY:
        world.breaks("a relay waits for nobody", _kinds(others))
    if any(other.kind == kinds.RELAY for other in others):
        world.breaks("nobody waits for a relay", one.kind)
    if world.is_ordering and not others:
        world.breaks("who orders keeps nobody waiting", one.kind)
    if one.kind == kinds.CONSUMER and not others and len(world.tape.faults) == world.faults_before:
        # It waits for a user who is held, after it has credited the others. One at whose records something
        # failed may come after him.
        users = kinds.users_of(world, one.about)
        rows = world.application.rows(
            "SELECT effect_key FROM ledger_entries UNION SELECT effect_key FROM parked_events"
        )
        done = {row["effect_key"] for row in rows}
        left = {user_id for key, user_id in users.items() if key not in done and user_id in world.signed_up}
        rivals = [other.kind for other in world.at_once if other.kind in _OF_USERS]
        if len(left) > 1 and rivals == [kinds.CONSUMER]:
            world.breaks("a user who is held keeps nobody else waiting", f"{sorted(left)}")


def _judge_results(world: InterleavedWorld, actors: Sequence[Actor]) -> None:
    """Where nothing fails, a row that somebody holds ends no part of a run."""
    if world.swarm.rate:
        return
    for one in actors:
        if isinstance(one.result, Died):
            continue  # At a call at which it had to die.
        if one.kind == kinds.RECONCILER:
            found: Any = one.result
            if isinstance(found, BaseException) or found.failed:
                raise Broken("a row that is held ends no part of a run", f"{found}")
        if one.kind in (kinds.RELAY, kinds.CONSUMER) and isinstance(one.result, Exception):
            raise Broken("a row that is held fails nobody", f"{one.kind}: {one.result!r}")


def _judge_published(world: InterleavedWorld, actors: Sequence[Actor], values: Sequence[bytes]) -> None:
    """Where nothing fails, a relay publishes what another one does not, and so does a reconciler."""
    kind = {one.kind for one in actors}
    twice = [value for value, count in Counter(values).items() if count > 1]
    if twice and not world.swarm.rate and kind in ({kinds.RELAY}, {kinds.RECONCILER}):
        raise Broken("nothing is published twice at once", f"{twice}")


def _judge_parked(world: InterleavedWorld) -> None:
    """A payment of a user who is there can be entered, whoever else is at work."""
    if world.application.rule != NO_RULE:
        return
    found = world.application.rows(
        "SELECT p.effect_key, p.reason FROM parked_events p JOIN users u ON u.id = p.user_id"
        " WHERE starts_with(p.effect_key, 'success:') AND p.resolution IS NULL AND p.currency = 'eur'"
        "   AND (p.payment_intent_id = ANY(%s)) IS NOT TRUE AND p.user_id = ANY(%s)",
        [list(world.decided | contested(world)), list(world.first_users or ())],
    )
    if found:
        raise Broken("what can be entered is not parked", f"{found}")


def _kinds(actors: Collection[Actor]) -> str:
    return ", ".join(one.kind for one in actors)
