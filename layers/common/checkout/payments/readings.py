"""Interprets a Stripe event. Asks Stripe for the object's current state if the event alone does not decide.

Stripe is asked before the transaction is opened, so no lock is held while it answers. An answer may come from
a moment before the event: then the event waits. One from a later moment does no harm, because effects are
keyed.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from checkout.base import telemetry
from checkout.base.config import Config
from checkout.base.errors import InvalidRequest, StripeObjectMissing, StripeRefusedForGood
from checkout.base.postgres import Database
from checkout.base.text import identifier
from checkout.base.user_ids import UserIds
from checkout.outbox.effects import TOP_UP
from checkout.payments import (
    radar_event,
    reversal_event,
    session_event,
    stale_reversals,
    stripe_object,
    table,
)
from checkout.payments.locked import Reading
from checkout.payments.outcomes import Applied, Behind, Ignored, Outcome, Parked, Unseen
from checkout.payments.payment import Payment
from checkout.payments.reversal_event import ReversalReport
from checkout.payments.session_event import SessionReport
from checkout.payments.shares import credit_differs
from checkout.payments.stripe_event import API_VERSION, StripeEvent

if TYPE_CHECKING:
    from checkout.payments.stripe_api import StripeApi

HANDLED = session_event.HANDLED | reversal_event.HANDLED | radar_event.HANDLED
UNHANDLED = "a type that nothing here depends on"
BEHIND = "what Stripe answers is older than this event"
WITHOUT_ID = "the object has no usable id"
WITHOUT_PAYMENT_INTENT = "without a payment intent, so no checkout of ours"

Resource = dict[str, Any]


class Readings:
    def __init__(self, checkout: Database, stripe: "Callable[[], StripeApi]", config: Config) -> None:
        """`stripe` is called when Stripe must be asked, which few events need."""
        self._checkout = checkout
        self._stripe = stripe
        self._config = config

    def of(self, event: StripeEvent, *, is_asked: bool = False) -> Reading:
        """`is_asked` reads a session at Stripe instead of believing the signed body. Raises StripeError."""
        try:
            return self._of(event, is_asked=is_asked)
        except StripeObjectMissing:
            # With a context it came from an organisation, whose other accounts our key does not know.
            intent = stripe_object.payment_intent_of(event.object)
            if event.context and not self._has_row(event.object, intent):
                return Unseen("Stripe shows no such object: it is new, or of another account")
            return Behind("Stripe knows no such object yet")
        except StripeRefusedForGood as refusal:
            return Parked(f"Stripe refuses to give its object: {refusal.detail}")

    def session(self, event_type: str, session: Resource) -> SessionReport | Outcome:
        """A session that Stripe has just returned, as an event of this type would report it."""
        return self._unless_ours(session) or _reported(
            event_type, session, self._config.user_ids, is_read=True
        )

    def of_object(self, object_id: str) -> ReversalReport | Outcome:
        """A refund, a dispute, or all of a payment intent, as Stripe has them now.

        Raises InvalidRequest or StripeError.
        """
        match object_id.partition("_")[0]:
            case "re" | "pyr":
                return self.of_reversed(self._stripe().refund(object_id))
            case "du" | "dp":
                return self.of_reversed(self._stripe().dispute(object_id))
            case "pi":
                if isinstance(outcome := self._top_up(object_id), Ignored):
                    return outcome
                refunds = reversal_event.of_refunds(self._stripe().refunds_of(object_id))
                disputes = map(reversal_event.of_dispute, self._stripe().disputes_of(object_id))
                return reversal_event.report(object_id, [*refunds, *disputes])
            case _:
                raise InvalidRequest(
                    "It must be the id of a refund (re_…, pyr_…), of a dispute (du_…, dp_…) or of a payment"
                    " intent (pi_…)."
                )

    def of_reversed(self, resource: Resource) -> ReversalReport | Outcome:
        """A refund or dispute that Stripe has just returned. Raises StripeError."""
        payment_intent_id = stripe_object.payment_intent_of(resource)
        if payment_intent_id is None:
            return Ignored(WITHOUT_PAYMENT_INTENT)
        if isinstance(top_up := self._top_up(payment_intent_id), Ignored):
            return top_up
        subject = str(resource["id"])
        if resource["object"] == "dispute":
            return reversal_event.report(payment_intent_id, [reversal_event.of_dispute(resource)], subject)
        if not credit_differs(top_up):
            return reversal_event.report(payment_intent_id, [reversal_event.of_refund(resource)], subject)
        refunds = self._stripe().refunds_of(payment_intent_id)
        if all(one.get("id") != subject for one in refunds):
            # It can be younger than what Stripe lists.
            refunds = [resource, *refunds]
        return reversal_event.report(payment_intent_id, reversal_event.of_refunds(refunds, subject), subject)

    def _of(self, event: StripeEvent, *, is_asked: bool) -> Reading:
        if event.is_thin:
            return Ignored("a thin event, which says nothing of its own")
        if event.account is not None:
            return Ignored("of a connected account")
        if event.type in session_event.HANDLED:
            return self._session(event, is_asked=is_asked or bool(event.context))
        if event.type in reversal_event.HANDLED:
            return self._reversal(event)
        if event.type in radar_event.HANDLED:
            return self._suspicion(event)
        return Ignored(UNHANDLED)

    def _session(self, event: StripeEvent, *, is_asked: bool) -> Reading:
        session = event.object
        if (outcome := self._unless_ours(session) or self._unless_our_mode(event)) is not None:
            return outcome
        is_read = is_asked or _is_of_another_version(event)
        if is_read:
            session_id = identifier(session.get("id"))
            if session_id is None:
                return Parked(WITHOUT_ID)
            session = self._stripe().session(session_id)
            if session_event.is_behind(session, event.object):
                return Behind(BEHIND)
            if not self._is_ours(session):
                return Parked("Stripe has the session as another application's")
        return _reported(event.type, session, self._config.user_ids, is_read=is_read)

    def _reversal(self, event: StripeEvent) -> Reading:
        payment_intent_id = stripe_object.payment_intent_of(event.object)
        if payment_intent_id is None:
            return Ignored(WITHOUT_PAYMENT_INTENT)
        # The mode first: with the key of the other one Stripe would know neither the payment nor the refund.
        top_up = self._unless_our_mode(event) or self._top_up(payment_intent_id)
        if isinstance(top_up, Outcome):
            return top_up
        if event.type in reversal_event.CHARGE_EVENTS:
            refunds = self._stripe().refunds_of(payment_intent_id)
            if stale_reversals.refunds_are_behind(refunds, event.object):
                return Behind(BEHIND)
            return reversal_event.report(payment_intent_id, reversal_event.of_refunds(refunds))
        object_id = identifier(event.object.get("id"))
        if object_id is None:
            return Parked(WITHOUT_ID)
        if event.type in reversal_event.REFUND_EVENTS and credit_differs(top_up):
            return self._refund_among_all(event, payment_intent_id, object_id)
        return self._refund_or_dispute(event, payment_intent_id, object_id)

    def _refund_or_dispute(self, event: StripeEvent, payment_intent_id: str, object_id: str) -> Reading:
        is_dispute = event.type in reversal_event.DISPUTE_EVENTS
        answer = (self._stripe().dispute if is_dispute else self._stripe().refund)(object_id)
        is_behind = stale_reversals.dispute_is_behind if is_dispute else stale_reversals.refund_is_behind
        if stripe_object.payment_intent_of(answer) not in (None, payment_intent_id):
            return Parked("Stripe has it of another payment")
        if is_behind(answer, event.object):
            return Behind(BEHIND)
        read = reversal_event.of_dispute if is_dispute else reversal_event.of_refund
        return reversal_event.report(payment_intent_id, [read(answer)], object_id)

    def _refund_among_all(self, event: StripeEvent, payment_intent_id: str, object_id: str) -> Reading:
        """What a refund takes depends on those before it, and these may be new to us: after a restore."""
        refunds = self._stripe().refunds_of(payment_intent_id)
        answer = next((one for one in refunds if one.get("id") == object_id), None)
        if answer is None or stale_reversals.refund_is_behind(answer, event.object):
            return Behind(BEHIND)
        return reversal_event.report(
            payment_intent_id, reversal_event.of_refunds(refunds, object_id), object_id
        )

    def _suspicion(self, event: StripeEvent) -> Outcome:
        """Nothing follows from it but that it is stored with its payment, whatever that was for."""
        payment_intent_id = stripe_object.payment_intent_of(event.object)
        if payment_intent_id is None:
            return Ignored(WITHOUT_PAYMENT_INTENT)
        found = self._unless_our_mode(event) or self._found(payment_intent_id)
        if isinstance(found, Outcome):
            return found
        request_id = found.request_id if isinstance(found, Payment) else None
        return Applied(radar_event.summary(event.object), request_id)

    def _found(self, payment_intent_id: str) -> Payment | Resource | Ignored:
        """Our row of the payment, or else Stripe's payment intent if that is ours: refunds, disputes and
        warnings carry no metadata of ours."""
        with self._checkout.autocommit() as tx:
            payment = table.find_payment(tx, payment_intent_id)
        if payment is not None:
            telemetry.correlate(payment.request_id)
            return payment
        intent = self._stripe().payment_intent(payment_intent_id)
        if not stripe_object.is_ours(intent, self._config.app_id):
            return _of_another_application(intent)
        return intent

    def _top_up(self, payment_intent_id: str) -> Payment | Resource | Ignored:
        """What `_found` returns if the payment is for the balance."""
        found = self._found(payment_intent_id)
        if isinstance(found, Ignored):
            return found
        purpose = found.purpose if isinstance(found, Payment) else found["metadata"].get("purpose", TOP_UP)
        if purpose != TOP_UP:
            return Ignored("its payment is for another purpose than the balance")
        return found

    def _unless_ours(self, session: Resource) -> Outcome | None:
        return None if self._is_ours(session) else _of_another_application(session)

    def _is_ours(self, session: Resource) -> bool:
        """Also of a session that was begun here under another CHECKOUT_APP_ID than today's, or whose metadata
        somebody has changed at Stripe."""
        return stripe_object.is_ours(session, self._config.app_id) or self._has_row(session, None)

    def _has_row(self, session: Resource, payment_intent_id: str | None) -> bool:
        with self._checkout.autocommit() as tx:
            return table.is_known(tx, identifier(session.get("id")), payment_intent_id)

    def _unless_our_mode(self, event: StripeEvent) -> Outcome | None:
        if event.livemode != self._config.stripe_livemode():
            return Parked("livemode is not the mode of our key")
        return None


def _reported(
    event_type: str, session: Resource, user_ids: UserIds, *, is_read: bool
) -> SessionReport | Parked:
    reported = session_event.report(event_type, session, user_ids, is_read=is_read)
    if isinstance(reported, SessionReport):
        telemetry.correlate(reported.request_id)
    return reported


def _of_another_application(resource: Resource) -> Ignored:
    return Ignored("not of this application", app_id=stripe_object.app_of(resource))


def _is_of_another_version(event: StripeEvent) -> bool:
    """Described under another API version than ours, so the object is read again, in the one we know."""
    return event.api_version not in (None, API_VERSION)
