"""`held …`: Stripe's events of ours that could not be applied. Replay them, or discard them."""

from argparse import Namespace
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

from checkout.base import telemetry
from checkout.base.errors import DatabaseContended, NotFound, Refused, StripeError
from checkout.base.postgres import Transaction
from checkout.operations import held_table as held
from checkout.operations.held_table import HeldEvent
from checkout.operations.replays import all_of, answer, in_time, one_or_all
from checkout.operations.verb import BY_DECISION, Outcome, Verbs, a_text, paged, reasoned
from checkout.payments import inbox, reversal_event, reversals, session_event, stripe_event
from checkout.payments import reversals_table as stored_reversals
from checkout.payments import table as payments_table
from checkout.system import System


def declare(verbs: Verbs) -> None:
    group = verbs.group("held", "Stripe's events that could not be applied")
    listed = group.add("list", "list them in the order of their ids", list_)
    paged(listed, a_text)
    listed.add_argument("--waiting", action="store_true", help="also those that wait for another event")
    group.add("show", "show any stored event, with its payload", show).add_argument("id", type=a_text)
    again = group.add("replay", "apply it as if Stripe had sent it now", replay, plan_replay, BY_DECISION)
    one_or_all(again, a_text)
    what = "never apply it, nor anything else of its refund or dispute"
    never = group.add("discard", what, discard, plan_discard, BY_DECISION)
    never.add_argument("id", type=a_text)
    reasoned(never)


def list_(given: Namespace, system: System) -> Outcome:
    events = HeldEvents(system).page(after=given.after or "", limit=given.limit, waiting=given.waiting)
    return Outcome({"held": [asdict(event) for event in events]})


def show(given: Namespace, system: System) -> Outcome:
    event, payload = HeldEvents(system).event(given.id)
    return Outcome({"held": asdict(event) | {"payload": payload}})


def plan_replay(given: Namespace, _: System) -> str:
    return f"Apply {all_of(given, 'every held event') or given.id} as if Stripe had sent it now"


def replay(given: Namespace, system: System) -> Outcome:
    service = HeldEvents(system)
    if given.id is not None:
        again = service.replay(given.id)
        # After a restore of the checkout database only the journal has `revived`, as with `discard`.
        return Outcome({"replayed": [asdict(again)]}, clean=_is_settled(again))
    replayed, still_held, last = [], [], None
    for event in in_time(service.each(after=given.after or ""), given.most_seconds):
        last = event.event_id
        try:
            replayed.append(service.replay(event.event_id))
        except (Refused, StripeError, DatabaseContended) as error:
            # One that was applied meanwhile is refused, and is not held.
            if not _is_settled(service.event(event.event_id)[0]):
                still_held.append({"event_id": event.event_id, "reason": error.detail})
    content = {"replayed": [asdict(event) for event in replayed], "still_held": still_held}
    is_clean = not still_held and all(_is_settled(event) for event in replayed)
    return answer(content, is_clean, last, service.held_after)


def _is_settled(event: HeldEvent) -> bool:
    return event.outcome not in ("held", "waiting")


def plan_discard(given: Namespace, system: System) -> str:
    event, _ = HeldEvents(system).event(given.id)
    decided = HeldEvents(system).discarded_with(given.id)
    plan = f"Never apply {event.event_id} ({event.type}; {event.outcome}: {event.reason})"
    if decided.objects:
        plan += f", nor anything else of {', '.join(decided.objects)}"
    if decided.events:
        plan += f", which {', '.join(decided.events)} are also about"
    if event.type in session_event.HANDLED:
        plan += (
            ". Its session is not decided about: the reconciler asks Stripe what became of it, and what is"
            " paid is credited, so do not credit it by hand"
        )
    return plan


def discard(given: Namespace, system: System) -> Outcome:
    decided = HeldEvents(system).discard(given.id, reason=given.reason, operator=given.operator)
    # After a restore of the checkout database only the journal has these: see reconciliation/decisions.py.
    return Outcome({"discarded": given.id, **asdict(decided)})


@dataclass(frozen=True, slots=True)
class Decision:
    """What is discarded with an event: refunds and disputes by Stripe's ids, and the other events about them
    that wait or are held."""

    payment_intent_id: str | None
    objects: Sequence[str]
    events: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed(HeldEvent):
    """`revived` are the refunds and disputes of which a discard, if there was one, does not hold any more."""

    revived: Sequence[str]


class HeldEvents:
    def __init__(self, system: System) -> None:
        self._checkout = system.checkout_database
        self._events = system.stripe_events

    def page(self, *, after: str = "", limit: int = 100, waiting: bool = False) -> list[HeldEvent]:
        """In the order of their ids; with `waiting` also those that wait for their time."""
        with self._checkout.transaction() as tx:
            return held.page(tx, after=after, limit=limit, waiting=waiting)

    def each(self, *, after: str) -> Iterator[HeldEvent]:
        """Every held one, a page at a time."""
        while page := self.page(after=after):
            yield from page
            after = page[-1].event_id

    def held_after(self, event_id: str) -> int:
        with self._checkout.transaction() as tx:
            return held.held_after(tx, event_id)

    def event(self, event_id: str) -> tuple[HeldEvent, str]:
        """Any stored event, and its payload. Raises NotFound."""
        with self._checkout.transaction() as tx:
            return _stored(tx, event_id)

    def replay(self, event_id: str) -> Replayed:
        """Apply it as if Stripe had sent it now; returns it with what became of it, which may be held again.

        Raises NotFound; Refused if it was applied; DatabaseUnavailable or StripeError.
        """
        settled = self._events.replay(event_id)
        if settled is None:
            raise Refused(f"The event {event_id} was applied.")
        return Replayed(**asdict(self.event(event_id)[0]), revived=settled.revived)

    def discard(self, event_id: str, *, reason: str, operator: str | None = None) -> Decision:
        """Decide that it is never applied: neither the event, nor anything of the refunds and disputes that
        it is about, whichever other event reports them. What was decided with it before is decided again: a
        run that died did not journal it. Raises NotFound, or Refused if it is settled otherwise."""
        because = reversals.discarded_because(reason, operator)
        along = reversals.discarded_because(reason, operator, with_event=event_id)
        with self._checkout.transaction() as tx:
            decision = self._decision(tx, event_id)
            if not held.discard(tx, event_id, because):
                if objects := stored_reversals.discarded_with(tx, event_id):
                    return Decision(decision.payment_intent_id, objects, ())
                outcome = _stored(tx, event_id)[0].outcome
                raise Refused(f"The event {event_id} is {outcome}, so there is nothing to discard.")
            for other in decision.events:
                held.discard(tx, other, along)
            stored_reversals.hold_those_of(tx, [event_id, *decision.events])
            for object_id in decision.objects:
                reversals.discard(
                    tx,
                    object_id,
                    payment_intent_id=decision.payment_intent_id,
                    event_id=event_id,
                    reason=because,
                )
        telemetry.logger.warning(
            "held event discarded",
            extra={"event_id": event_id, "reason": reason, "operator": operator, "objects": decision.objects},
        )
        return decision

    def discarded_with(self, event_id: str) -> Decision:
        """What `discard` would decide about now. Raises NotFound."""
        with self._checkout.transaction() as tx:
            return self._decision(tx, event_id)

    def _decision(self, tx: Transaction, event_id: str) -> Decision:
        """With the payment intent locked: nothing of it is applied at the same time."""
        event, payload = _stored(tx, event_id)
        if event.payment_intent_id is not None:
            payments_table.lock_payment_intent(tx, event.payment_intent_id)
        subject = _subject_of(payload)
        objects = [subject] if subject is not None else stored_reversals.brought_by(tx, event_id)
        others = inbox.unsettled_of(tx, event.payment_intent_id) if event.payment_intent_id else []
        return Decision(
            payment_intent_id=event.payment_intent_id,
            objects=objects,
            events=[other for other, body in others if other != event_id and _subject_of(body) in objects],
        )


def _stored(tx: Transaction, event_id: str) -> tuple[HeldEvent, str]:
    event = held.find(tx, event_id)
    if event is None:
        raise NotFound(f"There is no event {event_id}.")
    return event


def _subject_of(payload: str) -> str | None:
    event = stripe_event.parsed(payload.encode())
    return reversal_event.subject_of(event.type, event.object)
