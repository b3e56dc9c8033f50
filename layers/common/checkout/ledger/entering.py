"""Enter movements in the ledger, in the caller's transaction: lock and read, decide, write.

Each effect is entered once, its balance moves in the same statement, and what cannot be entered is left to
the caller to park.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from msgspec.structs import replace

from checkout.base.errors import DataRefused
from checkout.base.postgres import Transaction
from checkout.base.user_ids import UserId
from checkout.ledger import decision as crediting
from checkout.ledger import parked
from checkout.ledger import table as ledger
from checkout.ledger.belonging import EffectIndex, rivals, taking_key
from checkout.ledger.decision import CONFLICT, NOT_TAKEN, Decision, Movement, Unapplied
from checkout.ledger.parked import Parked
from checkout.outbox.effects import Effect, success_key
from checkout.outbox.record import Record

NO_USER = "there is no such user"
HIDDEN_USER = (
    "its user's row cannot be locked: a policy or view of the application keeps it from the consumer"
)
NOT_ENTERED = (
    "the database does not take the entry: a trigger or rule on ledger_entries is in the way, or its sequence"
    " gives ids that are taken"
)
BROUGHT_ALONG = "what it belongs to has come"

Read = Callable[[Record], Movement | Parked | None]
"""What a record asks for; None if it moves no balance, Parked if it can never be read."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do with a group of movements. All rows that it depends on are locked."""

    decision: Decision
    balances: dict[UserId, int]
    held: set[UserId]
    """Users for whom nothing is done, since another transaction locks their rows."""
    brings_along: bool
    """True if parked records are entered, too."""
    left_behind: Sequence[Unapplied] = ()
    """Parked records that were left out because `bring_along` is False."""


@dataclass(slots=True)
class Tally:
    """What became of records."""

    credited: int = 0
    known: int = 0
    without_effect: int = 0
    parked: int = 0
    oldest_paid_at: str | None = None
    """The earliest timestamp among the events of the payments credited."""

    def add(self, other: "Tally") -> None:
        self.credited += other.credited
        self.known += other.known
        self.without_effect += other.without_effect
        self.parked += other.parked
        times = filter(None, (self.oldest_paid_at, other.oldest_paid_at))
        self.oldest_paid_at = min(times, default=None)


def plan(
    tx: Transaction,
    movements: Sequence[Movement],
    read: Read,
    *,
    wait: bool,
    bring_along: bool = True,
) -> Plan:
    """Lock the users and the parked records of the payments, read what the decision needs, and decide.

    With `wait` this waits for users whose rows another transaction locks; otherwise nothing is done for them.
    With `bring_along` parked reversals are entered together with what they have waited for.
    """
    user_ids = {movement.effect.user_id for movement in movements}
    balances, held, hidden = _lock(tx, user_ids, wait=wait)
    free: Sequence[Movement] = movements
    if balances.keys() != user_ids:
        free = [_judged(one, balances, hidden) for one in movements if one.effect.user_id not in held]
    effects = [movement.effect for movement in free]
    unapplied = parked.unapplied_of(tx, effects)
    # Mere credits are not read: if the ledger has one, the INSERT skips it.
    asked = [effect for effect in effects if effect.kind != "success"] + rivals(effects)
    entered = EffectIndex(related(tx, [*asked, *(one.effect for one in unapplied)]))
    along = crediting.taken_along(free, unapplied, entered) if unapplied else []
    brought = [found for one in along if (found := _brought(one, read)) is not None] if bring_along else []
    decision = crediting.decide([*free, *brought], unapplied, entered)
    left = [] if bring_along else along
    return Plan(decision, balances, held, brings_along=bool(brought), left_behind=left)


def carry_out(tx: Transaction, plan: Plan) -> tuple[Tally, list[Parked]]:
    """Enter what the plan says. Returns what became of all movements, and what the caller must park.

    Raises BalanceNotMoved, and DataRefused if something depends on what was not entered, or was brought along
    and not entered.
    """
    decision = plan.decision
    keys = _credit(tx, decision.enter, plan.balances)
    missed = [movement for movement in decision.enter if movement.effect.effect_key not in keys]
    contradicted = _contradicted(tx, missed) if missed else {}
    _require_independent(decision.enter, contradicted)

    entered = [movement for movement in decision.enter if movement.effect.effect_key in keys]
    known, parked_now = list(decision.known), list(decision.park)
    for movement, first in [*((one, one) for one in missed), *decision.twins]:
        reason = contradicted.get(first.effect.effect_key)
        if reason is None:
            known.append(movement)
        else:
            parked_now.append((movement, reason))
    if ids := [one.parked_id for one in (*entered, *known) if one.parked_id is not None]:
        parked.resolve(tx, ids, "replayed", BROUGHT_ALONG, None)
    to_park = [_parked(movement, reason) for movement, reason in parked_now if movement.parked_id is None]
    to_park += [
        _discarded(movement, reason) for movement, reason in decision.discard if movement.parked_id is None
    ]
    tally = Tally(
        credited=len(entered),
        known=len(known),
        without_effect=len(decision.discarded_before),
        parked=len(to_park) + len(decision.still_parked),
        oldest_paid_at=min((m.timestamp for m in entered if m.effect.kind == "success"), default=None),
    )
    return tally, to_park


def _lock(
    tx: Transaction, user_ids: set[UserId], *, wait: bool
) -> tuple[dict[UserId, int], set[UserId], set[UserId]]:
    """Returns the balances of the users locked here, the users that another transaction locks, and those
    whose rows cannot be locked at all."""
    balances = ledger.lock_users(tx, user_ids, skip_locked=not wait)
    absent = user_ids - balances.keys()
    existing = ledger.existing_users(tx, absent) if absent else set()
    if not existing or not wait:
        return balances, existing, set()
    # They may have signed up between the two statements.
    balances |= ledger.lock_users(tx, existing)
    return balances, set(), existing - balances.keys()


def _judged(movement: Movement, balances: Collection[UserId], hidden: Collection[UserId]) -> Movement:
    user_id = movement.effect.user_id
    if user_id in balances or movement.rejection is not None:
        return movement
    return replace(movement, rejection=HIDDEN_USER if user_id in hidden else NO_USER)


def related(tx: Transaction, effects: Collection[Effect]) -> list[Effect]:
    """The ledger's entries of these effects, and of the credits and takings that they depend on."""
    if not effects:
        return []
    returned = {taking_key(effect) for effect in effects if effect.kind == "refund_failed"}
    return ledger.related(
        tx,
        returned | {key for e in effects for key in (e.effect_key, success_key(e.request_id))},
        {effect.payment_intent_id for effect in effects if effect.payment_intent_id is not None},
        {effect.user_id for effect in effects if effect.kind == "dispute_won"},
    )


def _brought(one: Unapplied, read: Read) -> Movement | None:
    found = read(one.record)
    if (
        not isinstance(found, Movement)
        or found.rejection is not None
        or found.effect.claim != one.effect.claim
    ):
        return None
    return replace(found, parked_id=one.id)


def _credit(tx: Transaction, movements: Sequence[Movement], balances: dict[UserId, int]) -> set[str]:
    if not movements:
        return set()
    return ledger.credit(tx, [(movement.effect, movement.record) for movement in movements], balances)


def _contradicted(tx: Transaction, missed: Sequence[Movement]) -> dict[str, str]:
    """Why they were not entered, by effect key, without those that the ledger has already.

    Read in a statement of its own: an entry committed while ours waited is invisible to the insert.
    """
    effects = [movement.effect for movement in missed]
    claims = ledger.claims(tx, {effect.effect_key for effect in effects})
    effects = [effect for effect in effects if not is_claimed(effect, claims.get(effect.effect_key))]
    on_record = EffectIndex(related(tx, effects))
    return {
        effect.effect_key: CONFLICT if on_record.contradicts(effect) else NOT_ENTERED
        for effect in effects
        if on_record.known(effect) is None
    }


def is_claimed(effect: Effect, claim: ledger.Claim | None) -> bool:
    """True if this entry is the effect, as nearly always. If not, it may be there under another key."""
    if claim is None or claim[:3] != effect.claim:
        return False
    return claim[3] is None or effect.payment_intent_id is None or claim[3] == effect.payment_intent_id


def _require_independent(entered: Sequence[Movement], contradicted: Collection[str]) -> None:
    """Raises DataRefused if something depends on a conflict, or was brought along and is one."""
    if not contradicted:
        return
    if any(one.parked_id is not None and one.effect.effect_key in contradicted for one in entered):
        raise DataRefused("", "what was parked for it was not entered")
    effects = [movement.effect for movement in entered]
    conflicts = EffectIndex(effect for effect in effects if effect.effect_key in contradicted)
    for effect in effects:
        if effect.kind == "success" or effect.effect_key in contradicted:
            continue
        if any(True for _ in conflicts.credits_of(effect)) or any(True for _ in conflicts.takings_of(effect)):
            raise DataRefused("", "what it depends on was not entered")


def _parked(movement: Movement, reason: str) -> Parked:
    return Parked(
        movement.record,
        reason,
        movement.effect,
        is_refused=reason == NOT_ENTERED,
        is_early=reason == NOT_TAKEN,
    )


def _discarded(movement: Movement, reason: str) -> Parked:
    return Parked(movement.record, reason, movement.effect, is_discarded=True)
