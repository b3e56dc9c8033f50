"""What must hold. It knows what is true at Stripe and what people did, reads the tables, and shares no code
with the system.
"""

from collections import Counter
from collections.abc import Collection
from typing import Any

from simulation import leftovers
from simulation.accepted import DISCARDED
from simulation.answers import Answers
from simulation.broken import Broken
from simulation.contested import contested
from simulation.corruption import Corrupted
from simulation.discarded import credit_names, replayed
from simulation.entries import Entries, is_usurped
from simulation.kafka import FINISHED
from simulation.states import States
from simulation.stored import OF_EVENT, stored
from simulation.truth import CREDIT, Fact, Truth
from simulation.world import World

LISTED = 5
REFUNDS = ("refunded", "refund_failed")


class Checker:
    def __init__(self, world: World) -> None:
        self._world = world
        self._commits = (-1, -1)
        self._restores = 0
        self._states = States(world)
        self._entries = Entries(world)
        self._outbox: dict[str, bytes] = {}
        self._answers = Answers()
        self._silent: set[Fact] = set()
        """What is not entered, and neither parked nor held."""
        self._unbalanced: set[str] = set()
        """Payments of which what is discarded does not add up to nothing."""
        self._changed: set[str] = set()
        """Payments whose credit is discarded, and of which Stripe has moved money since that was accepted."""

    def after_step(self) -> None:
        """Safety, if anything was committed since."""
        world = self._world
        world.stripe.keys.require_kept()
        world.topics[FINISHED].require_kept()
        commits = (world.checkout.commits, world.application.commits)
        if world.restores != self._restores:
            self._restores, self._outbox = world.restores, {}
            self._entries.forget()
            self._states.forget()
            self._answers.forget(world.topics[FINISHED].ever, world.answered_before)
            self._commits = (-1, -1)
        if commits[1] != self._commits[1]:
            self._entries.check(self._truth())
            self._discarded_records_stay_so()
        if commits[0] != self._commits[0]:
            self._checkout()
        self._commits = commits

    def at_end(self) -> None:
        """All is settled."""
        truth = self._truth()
        must, may = truth.must, truth.may
        rows = self._rows()
        facts = [(row["id"], fact) for row in rows if (fact := truth.fact_of(row)) is not None]
        entered = {fact for _, fact in facts}
        several = contested(self._world)
        decided = self._world.decided | several
        missing = must - truth.small - entered
        if unsaid := truth.unclear - self._held() - self._world.decided:
            raise Broken("what nobody can count is held", _listed(unsaid))
        if lacking := {fact for fact in missing if fact.intent not in decided}:
            raise Broken("every effect is entered", f"missing {_listed(lacking)}")
        self._silent = {fact for fact in missing if fact.intent not in self._loud()}
        left: Counter[str] = Counter()
        for fact in must - entered:
            left[fact.intent] += fact.amount
        # If one of its two was discarded, the other one counts like another movement of the payment.
        for fact in entered & may:
            left[fact.intent] -= fact.amount if fact.kind in REFUNDS else 0
        undecided = self._undecided() | several | truth.priced.keys() | truth.free
        accepted = self._world.accepted
        self._unbalanced = {
            intent
            for intent, cents in left.items()
            if cents and not accepted.is_possible(DISCARDED, intent, (cents,))
        } - undecided
        self._changed = {
            intent
            for intent in accepted.certain(DISCARDED) & self._discarded_credits() - undecided
            if not accepted.is_possible(DISCARDED, intent, (left[intent],))
        } - {fact.intent for fact in entered if fact.kind == CREDIT}
        usurped = {fact for fact in entered if is_usurped(self._world, fact)}
        if surplus := entered - must - may - usurped:
            raise Broken("nothing else is entered", _listed(surplus))
        wrong = truth.wrong_shares(rows)
        if wrong := {intent: text for intent, text in wrong.items() if intent not in decided}:
            raise Broken("what is taken back is the money's share of the credit", f"{wrong}")
        # Of what an operator has decided about, or must, one of the two may be discarded or held.
        whole = (entered & may) - truth.small
        sources = Counter(fact.source for fact in whole if fact.intent not in decided)
        if alone := [source for source, entries in sources.items() if entries != 2]:
            raise Broken("a failed refund is nothing, or both its entries", f"{alone}")
        self._taken_of_what_was_credited(facts, several)
        # Of several payments of one request_id another one can have the key.
        keys = {row["effect_key"] for row in rows if row["payment_intent_id"] not in several}
        done = (keys | credit_names(rows)) & self._world.discarded.keys
        if kept := done - replayed(self._world.application):
            raise Broken("what an operator discarded is not entered", _listed(kept))
        if lost := {move.key for move in self._world.moves} - {row["effect_key"] for row in rows}:
            raise Broken("the application's own movements are there", _listed(lost))
        leftovers.require_none(self._world)

    def _taken_of_what_was_credited(
        self, facts: Collection[tuple[int, Fact]], several: Collection[str]
    ) -> None:
        """Somebody may have credited another user. What was taken before stays: its credit was on its way."""
        credited = {(fact.intent, fact.user_id) for _, fact in facts if fact.kind == CREDIT}
        usurped = {fact.intent: number for number, fact in facts if is_usurped(self._world, fact)}
        undecidable = several - usurped.keys()
        rest = {fact for number, fact in facts if number > usurped.get(fact.intent, 0)}
        uncredited = {fact for fact in rest if (fact.intent, fact.user_id) not in credited}
        if uncredited := {fact for fact in uncredited if fact.intent not in undecidable}:
            raise Broken("nothing is taken of what was not credited", _listed(uncredited))

    def after_drill(self) -> None:
        """An operator was told that all is mended: what restores took away is back, or parked."""
        world = self._world
        truth = self._truth()
        entered = {(one.kind, one.source) for row in self._rows() if (one := truth.fact_of(row)) is not None}
        settled = self._parked(is_resolved=True) | world.decided | contested(world)
        lost = {fact for fact in truth.must if (fact.kind, fact.source) in world.lost - entered}
        if lost := {fact for fact in lost if fact.intent not in settled}:
            raise Broken("after the drill nothing is lost", _listed(lost))
        if not world.has_release_before:
            leftovers.require_discarded_stay_so(world)

    def verified(self, offences: Collection[str]) -> None:
        """What `verify` found, once all is right: nothing, but for what is not entered."""
        if self._silent and not offences:
            raise Broken("what is not entered is reported", _listed(self._silent))
        if self._unbalanced and not offences:
            raise Broken("money that was kept and not credited is reported", _listed(self._unbalanced))
        if self._changed and DISCARDED not in offences:
            raise Broken("what was accepted is listed once it has changed", _listed(self._changed))
        if offences and not self._world.decided and not contested(self._world):
            raise Broken("verify reports nothing where all is right", f"{offences}")

    def corrupted(self, made: Corrupted, offences: Collection[str]) -> None:
        """What `verify` found after that: that, and nothing else."""
        if unseen := set(made.must) - set(offences):
            raise Broken("verify finds what was corrupted", f"{made.what}: not {_listed(unseen)}")
        # What was discarded adds up to nothing only together with the payment's other movements.
        may = {*made.must, *made.may, *(["DiscardedButPaid"] if self._world.decided else [])}
        if others := set(offences) - may:
            raise Broken("verify finds nothing but what was corrupted", f"{made.what}: {_listed(others)}")

    def _checkout(self) -> None:
        """Kafka has what left the outbox, the ledger what the reconciler compares no more; states rise."""
        world, found = self._world, stored(self._world.checkout)
        ever = world.topics[FINISHED].ever
        self._answers.check(ever, world.paid_elsewhere if world.has_release_before else ())
        expected = self._outbox | world.unpublished
        world.unpublished.clear()
        for key, value in expected.items():
            if key not in found.outbox and value not in ever:
                raise Broken("an outbox row goes when Kafka has its record", key)
        self._outbox = found.outbox
        if silent := found.emitted - self._answers.effects - found.outbox.keys() - world.forged:
            raise Broken("what is stored is emitted by the same commit", _listed(silent))
        if world.restored_to is None and (absent := found.credited - self._entries.keys):
            raise Broken("what is marked as credited has its entry", _listed(absent))
        self._states.check(found)

    def _discarded_records_stay_so(self) -> None:
        """No consumer applies what an operator was told that it is not applied."""
        records = self._world.discarded_records
        if records and not self._world.replays_at_work:
            found = "SELECT id, resolution FROM parked_events WHERE id = ANY(%s) AND resolution = 'replayed'"
            if rows := self._world.application.rows(found, [sorted(records)]):
                raise Broken("a record that was discarded stays so", f"{rows}")

    def _loud(self) -> set[str]:
        """Payments of which something is parked, held or discarded."""
        return self._parked(is_resolved=True) | self._held() | self._world.decided

    def _undecided(self) -> set[str]:
        """Payments about which an operator must still decide."""
        return self._parked(is_resolved=False) | self._held()

    def _parked(self, *, is_resolved: bool) -> set[str]:
        found = "SELECT payment_intent_id AS intent FROM parked_events WHERE resolution IS NULL OR %s"
        return {row["intent"] for row in self._world.application.rows(found, [is_resolved])}

    def _discarded_credits(self) -> set[str]:
        found = self._world.application.rows(
            "SELECT payment_intent_id AS intent FROM parked_events"
            " WHERE resolution = 'discarded' AND starts_with(effect_key, 'success:')"
        )
        return {row["intent"] for row in found}

    def _held(self) -> set[str]:
        held = self._world.checkout.rows(
            f"SELECT {OF_EVENT} AS intent FROM stripe_events WHERE outcome = 'held'"
        )
        return {row["intent"] for row in held}

    def _truth(self) -> Truth:
        return Truth(self._world.account, self._world.swarm.terms, self._world.misleading)

    def _rows(self) -> list[dict[str, Any]]:
        return self._world.application.rows("SELECT * FROM ledger_entries ORDER BY id")


def _listed(things: set[Any]) -> str:
    return ", ".join(sorted(map(str, things))[:LISTED])
