"""What operators do: verbs on what waits or is parked, at any time; backups and restores."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime
from functools import cache
from typing import Any

from checkout.operations import command
from simulation import loudness, openings, restores
from simulation.answers import effect_of
from simulation.broken import Broken
from simulation.discarded import Discarded, credit_names
from simulation.kafka import FINISHED
from simulation.own import own
from simulation.stored import OF_EVENT
from simulation.wanted import Move
from simulation.world import USERS, World

_MOVEMENT = ("effect_key", "user_id", "amount_cents", "payment_intent_id")


def operate(world: World) -> None:
    """A verb, mostly on something that is there."""
    parked = world.application.rows("SELECT id FROM parked_events ORDER BY id")
    held = world.checkout.rows("SELECT event_id FROM stripe_events WHERE outcome <> 'ignored' ORDER BY 1")
    choices: list[Sequence[str]] = [
        ("verify",),
        ("reconcile",),
        ("reconcile", "--dry-run"),
        ("parked", "replay", "--all"),
        ("held", "replay", "--all"),
        ("reconcile", "--since", iso(world.clock.epoch - world.tape.number(1, 90_000))),
    ]
    choices += [("parked", "replay", str(world.tape.pick(parked)["id"]))] * 3 if parked else []
    choices += [("held", "replay", world.tape.pick(held)["event_id"])] * 3 if held else []
    refunds = [one["id"] for kind in ("refund", "dispute") for one in world.account.all(kind)]
    choices += [("reread", world.tape.pick(refunds))] * 2 if refunds else []
    # Where a balance is the sum of its entries, these change nothing.
    choices += [openings.doubting(world, world.tape.pick(USERS), "a look"), ("opening-balances",)]
    choices += [("erase", "--older-than", "31"), ("erase-user", *_of_user(world), "--reason", "asked")]
    if world.requests:
        choices += [("look-again", world.tape.pick(world.requests).request_id)] * 2
    chosen = world.tape.pick(choices)
    run(world, *chosen)


def adjust(world: World) -> None:
    """Once by its key, however often it is asked."""
    tried = sorted(world.attempted, key=lambda move: move.key)
    if tried and world.tape.chance(0.5):
        move = world.tape.pick(tried)
    else:
        move = Move(
            f"adjust:{world.tape.digits(32):08x}",
            world.tape.pick(USERS),
            world.tape.pick((-700, -20, 30, 500)),
        )
    adjust_by(world, move)


def adjust_by(world: World, move: Move) -> None:
    world.attempted.add(move)
    outcome = run(
        world,
        *("adjust", "--key", move.key.removeprefix("adjust:"), "--user", str(move.user_id)),
        *("--amount-cents", str(move.amount), "--reason", "a mistake"),
        *(["--allow-overdraft"] if world.tape.chance(0.5) else []),
    )
    if not isinstance(outcome, BaseException) and "requested" in outcome.content:
        # Whoever does not answer may have approved it.
        outcome = run(world, "approve", outcome.content["requested"], operator="bob")
    if not isinstance(outcome, BaseException) and move not in world.moves:
        world.moves.append(move)


def _of_user(world: World) -> tuple[str, str]:
    return "--user", str(world.tape.pick(USERS))


def discard(world: World) -> None:
    """Never apply a parked record, or an event that waits or is held."""
    parked = world.application.rows(
        "SELECT id::text, payment_intent_id,"
        "   EXISTS (SELECT FROM ledger_entries e WHERE e.effect_key = p.effect_key) AS is_entered"
        " FROM parked_events p WHERE resolution IS NULL ORDER BY p.id"
    )
    held = world.checkout.rows(
        f"SELECT event_id AS id, {OF_EVENT} AS payment_intent_id"
        " FROM stripe_events WHERE outcome IN ('waiting', 'held') ORDER BY 1"
    )
    group, among = ("parked", parked) if parked and world.tape.chance(0.7) else ("held", held)
    if not among:
        return
    # What is in the ledger by now is rare, and must be refused.
    entered = [one for one in among if one.get("is_entered")]
    chosen = world.tape.pick(entered if entered and world.tape.chance(0.5) else among)
    forgetful = world.application if group == "parked" else world.checkout
    forgets = restores.are_possible(world) and world.tape.chance(0.5)
    restores.lose(world, [forgetful] if forgets else [], lambda: discard_one(world, group, chosen))


def discard_one(world: World, group: str, chosen: Mapping[str, Any]) -> None:
    world.decided.add(chosen["payment_intent_id"])
    outcome = run(world, group, "discard", str(chosen["id"]), "--reason", "no")
    if group == "parked" and not isinstance(outcome, BaseException):
        note_discarded(world, outcome)


def note_discarded(world: World, outcome: Any) -> None:
    """What `parked discard` has said."""
    keys = {one["effect_key"] for one in outcome.content["discarded"]} - {None}
    # What gives back stands for the whole refund, as long as nothing of it was taken.
    takings = {key.replace("refund_failed:", "refunded:") for key in keys} - keys
    intents = {one["payment_intent_id"] for one in outcome.content["discarded"]} - {None}
    entered = world.application.rows(
        "SELECT effect_key, user_id, amount_cents, payment_intent_id FROM ledger_entries"
        " WHERE effect_key = ANY(%s) OR payment_intent_id = ANY(%s)",
        [sorted(keys | takings), sorted(intents)],
    )
    for one in outcome.content["discarded"]:
        if {name: one[name] for name in _MOVEMENT} in entered:
            raise Broken("what is in the ledger is not discarded", one["effect_key"])
    world.discarded_records |= {one["id"] for one in outcome.content["discarded"]}
    # A record can also have come to the key of another payment.
    decided = (keys | takings) - {row["effect_key"] for row in entered}
    decided |= credit_names(outcome.content["discarded"]) - credit_names(entered)
    world.discarded.add(decided, [world.checkout, world.application], world.clock.epoch)


def run(world: World, *words: str, operator: str = "ada") -> Any:
    """The result of the verb: an Outcome, a CheckoutError, or Died."""
    world.counts["operators' actions"] += 1
    # The journal is read in the order of its times, and nobody does two things at one.
    world.clock.pass_(0.001)
    line = [*words, *(["--operator", operator, "--yes"] if words[0] in _DECISIONS else [])]
    given = _parser(command).parse_args(line)
    aside = Discarded()
    if words[:2] == ("held", "replay"):
        world.replayed.add(words[2])
        # Only its answer says what it takes back, which may act before.
        reversals = [*world.account.all("refund"), *world.account.all("dispute")]
        aside = world.discarded.set_aside([key for one in reversals for key in _takings(world, one["id"])])

    def execute(system: Any) -> Any:
        theirs, caller = own(system, "operations.command"), own(system, "operations.journal").Caller
        parsed = given if theirs is command else _parser(theirs).parse_args(line)
        return theirs.execute(parsed, system, lambda _plan: True, caller)

    def act() -> Any:
        return world.run(f"operator: {' '.join(words)}", execute)

    with _replaying(world) if words[:2] == ("parked", "replay") else nullcontext():
        outcome = loudness.verified(world, act, _found) if words[0] == "verify" else act()
    if words[:2] == ("held", "discard") and not isinstance(outcome, BaseException):
        world.ignored.add(words[2])
        _note_reversals(world, words[2], outcome.content["objects"])
    if words[:2] == ("held", "replay") and not isinstance(outcome, BaseException):
        replayed = outcome.content["replayed"]
        # The release before does not say it.
        if all("revived" in one for one in replayed):
            revived = [object_id for one in replayed for object_id in one["revived"]]
            aside.forget([key for object_id in revived for key in _takings(world, object_id)])
            world.discarded.put_back(aside)
    return outcome


@contextmanager
def _replaying(world: World) -> Iterator[None]:
    """It also takes discarded records, those that belong to what it replays."""
    world.replays_at_work += 1
    try:
        yield
    finally:
        world.discarded_records.clear()
        world.replays_at_work -= 1


def _note_reversals(world: World, event_id: str, objects: Sequence[str]) -> None:
    """Nothing of them acts that was not emitted before."""
    kept = [world.checkout]
    if world.application.rows(_IN_THE_JOURNAL, [event_id]):
        kept.append(world.application)
    rows = world.checkout.rows("SELECT effect_key FROM reversals WHERE state = 'emitted'")
    # A restore forgets what was emitted, and Kafka has it.
    emitted = {row["effect_key"] for row in rows} | {
        effect_of(value) for value in world.topics[FINISHED].ever
    }
    decided = {key for one in objects for key in _takings(world, one)} - emitted
    world.discarded.add(decided, kept, world.clock.epoch)


_IN_THE_JOURNAL = (
    "SELECT 1 AS found FROM operator_journal"
    " WHERE step = 'done' AND verb = 'held discard' AND arguments->>'id' = %s LIMIT 1"
)
"""It is in both databases, unless one of them is away."""


def _takings(world: World, object_id: str) -> list[str]:
    """Effect keys of what a refund or dispute has taken."""
    moved = world.account.now(object_id).get("balance_transactions")
    if moved is None:
        return [f"refunded:{object_id}"]
    return [f"disputed:{one['id']}" for one in moved if one["amount"] < 0]


def _found(outcome: Any) -> set[str]:
    """By `verify`."""
    return {one["name"] for one in outcome.content["findings"] if one["count"]}


def iso(epoch: float) -> str:
    return datetime.fromtimestamp(int(epoch), UTC).isoformat()


@cache
def _parser(of: Any) -> Any:
    """That of a release's command line."""
    return of.parser()


_DECISIONS = {
    "parked",
    "held",
    "adjust",
    "refund",
    "approve",
    "erase-user",
    "reread",
    "rebuild-balance",
    "restored",
    "opening-balances",
    "accept",
}
