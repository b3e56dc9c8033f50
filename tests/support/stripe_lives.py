"""Histories of payments, recorded once at the Stripe simulator and replayed in any order with new ids."""

import json
import re
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from random import Random
from typing import Any

import stripe

from checkout.base.errors import StripeObjectMissing
from checkout.payments import stripe_event
from checkout.payments.events import HANDLED
from checkout.payments.stripe_api import StripeApi
from checkout.payments.stripe_event import StripeEvent
from tests.support.stripe_events import APP_ID
from tests.support.stripe_simulator import Simulator, session_params
from tests.support.waiting import eventually

_RUN, _USER = "<run>", "<user>"
_ID = re.compile(r'"((?:cs_test|pi|ch|py|pm|re|pyr|du|txn|evt)_[A-Za-z0-9]{20,})"')
_TWIN = "twin"


@dataclass(frozen=True)
class Fact:
    """Something that happened to an object: the JSON of the event, and of the object at that time."""

    event_id: str
    type: str
    object_id: str
    event: str
    snapshot: str


@dataclass(frozen=True)
class Sale:
    """A price and what it credits; what is paid for it, and the tax and the discount in that.

    `code` is the promotion code that the customer types. `promises` says that the session's metadata have
    price and credit, as ours do since they can differ.
    """

    price: int = 500
    credit: int = 500
    paid: int = 500
    tax: int = 0
    discount: int = 0
    tax_behavior: str | None = None
    code: str | None = None
    settled_in: Mapping[str, Any] | None = field(default=None, hash=False)
    promises: bool = True

    @property
    def promise(self) -> dict[str, str]:
        return {"amount_cents": str(self.price), "credit_cents": str(self.credit)} if self.promises else {}


BEFORE_PRICES = Sale(promises=False)


class Payer:
    """Makes one user's payments at the simulator, with their refunds and disputes."""

    def __init__(self, simulator: Simulator, sale: Sale = BEFORE_PRICES) -> None:
        self._simulator = simulator
        self._sale = sale
        self._since = int(time.time())
        self._client = simulator.client
        self._sessions: list[str] = []
        self._intents: list[str] = []

    def open(self) -> stripe.checkout.Session:
        """Create a session; all sessions of a payer have the same request."""
        sale = self._sale
        metadata = {
            "checkout_app": APP_ID,
            "request_id": f"request {_RUN}",
            "user_id": _USER,
            "purpose": "balance_topup",
            **sale.promise,
        }
        params = session_params(sale.price, metadata=metadata, payment_intent_data={"metadata": metadata})
        if sale.tax_behavior:
            params["line_items"][0]["price_data"]["tax_behavior"] = sale.tax_behavior
            params["automatic_tax"] = {"enabled": True}
        if sale.code:
            params["allow_promotion_codes"] = True
        session = self._client.v1.checkout.sessions.create(params)
        self._sessions.append(session.id)
        return session

    def decline(self, session: stripe.checkout.Session) -> None:
        """Try to pay with a card that is declined."""
        assert self._simulator.pay(session, "4000000000000002", **self._typed).status_code != 303

    def expire(self, session: stripe.checkout.Session) -> None:
        self._client.v1.checkout.sessions.expire(session.id)

    def pay(self, card: str = "4242424242424242", **form: str) -> str:
        """Pay a new session; returns the payment intent's id, or "None" if there was nothing to pay."""
        session = self.open()
        assert self._simulator.pay(session, card, **self._typed, **form).status_code == 303
        intent = str(self._client.v1.checkout.sessions.retrieve(session.id).payment_intent)
        if self._sale.paid:
            self._intents.append(intent)
        return intent

    @property
    def _typed(self) -> dict[str, str]:
        return {"promotion_code": self._sale.code} if self._sale.code else {}

    def refund(self, payment_intent: str, amount: int | None = None, **parameters: str) -> str:
        """Refund an amount, or all that is left. Returns the refund's id."""
        wanted: Any = {"payment_intent": payment_intent, **parameters}
        return self._client.v1.refunds.create(wanted if amount is None else wanted | {"amount": amount}).id

    def cancel(self, refund_id: str) -> None:
        self._client.v1.refunds.cancel(refund_id)

    def answer_dispute(self, evidence: str) -> None:
        """Submit `winning_evidence`, `losing_evidence` or `escalate_inquiry_evidence`."""
        self._client.v1.disputes.update(self._dispute(), {"evidence": {"uncategorized_text": evidence}})

    def accept_dispute(self) -> None:
        self._client.v1.disputes.close(self._dispute())

    def _dispute(self) -> str:
        return str(self.until("charge.dispute.created")["data"]["object"]["id"])

    def until(self, event_type: str, count: int = 1) -> dict[str, Any]:
        """Wait for this many events of a type, and return the last."""
        found: list[dict[str, Any]] = []

        def happened() -> bool:
            found[:] = [event for event in self._events() if event["type"] == event_type]
            return len(found) >= count

        eventually(happened, 10, lambda: [event["type"] for event in self._events()])
        return found[-1]

    def life(self) -> "Life":
        """The history until now."""
        intents = (self._client.v1.payment_intents.retrieve(intent) for intent in self._intents)
        return Life(
            [_fact(event) for event in self._events()],
            {_template_id(intent.id): _template(intent.to_dict()) for intent in intents},
        )

    def _events(self) -> list[dict[str, Any]]:
        """The payer's events of handled types, oldest first."""
        since: Any = {"limit": 100, "created": {"gte": self._since}}
        listed = self._client.v1.events.list(since).auto_paging_iter()
        events = [event.to_dict() for event in listed if event.type in HANDLED]
        return [event for event in reversed(events) if self._is_ours(event["data"]["object"])]

    def _is_ours(self, resource: Mapping[str, Any]) -> bool:
        return resource["id"] in self._sessions or resource["payment_intent"] in self._intents


@dataclass(frozen=True, eq=False)
class Life:
    """A history, oldest first, and the payment intents by their ids."""

    facts: Sequence[Fact]
    intents: Mapping[str, str]

    def without(self, event_types: Collection[str], object_id: str) -> "Life":
        """The history without an object's events of these types."""
        kept = [fact for fact in self.facts if fact.type not in event_types or fact.object_id != object_id]
        return replace(self, facts=kept)

    def with_event(self, position: int, event_type: str, *, like: str) -> "Life":
        """The history with one more event at `position`, of the object of the first event of type `like`."""
        [model, *_] = [fact for fact in self.facts if fact.type == like]
        made = json.loads(model.event) | {"id": f"evt_made_{_RUN}", "type": event_type}
        facts = [*self.facts]
        facts.insert(position, replace(model, event_id=made["id"], type=event_type, event=json.dumps(made)))
        return replace(self, facts=facts)

    @cached_property
    def names(self) -> Mapping[str, str]:
        """Readable names by id: `session 2`, `refund 1`, `movement 1` (of money, for a dispute)."""
        names: dict[str, str] = {}
        for kind, objects in (
            ("session", (f.object_id for f in self.facts if f.type.startswith("checkout.session."))),
            ("refund", (f.object_id for f in self.facts if f.type == "refund.created")),
            ("movement", self._movements()),
        ):
            for number, object_id in enumerate(dict.fromkeys(objects), 1):
                names[object_id] = f"{kind} {number}"
        return names

    def _movements(self) -> Iterator[str]:
        for fact in self.facts:
            for movement in json.loads(fact.snapshot).get("balance_transactions") or ():
                yield movement["id"]


@dataclass(frozen=True, eq=False)
class Telling:
    """A history replayed for one user, with new ids."""

    life: Life
    user_id: int

    @property
    def request_id(self) -> str:
        return self.bound(f"request {_RUN}")

    @property
    def first_session_id(self) -> str:
        return self.bound(next(iter(self.life.names)))

    def event(self, moment: int, *, twin: bool = False) -> StripeEvent:
        """The event at a position, or its twin with another id."""
        fact = self.life.facts[moment]
        text = fact.event.replace(fact.event_id, _TWIN + fact.event_id) if twin else fact.event
        return stripe_event.parsed(self.bound(text).encode())

    def bound(self, template: str) -> str:
        """The text with the ids of this replay."""
        return template.replace(_RUN, self._run).replace(_USER, str(self.user_id))

    def template_of(self, bound_id: str) -> str:
        """The template of an id of this replay."""
        return bound_id.removesuffix(self._run) + _RUN

    def readable(self, text: str) -> str:
        """The text with readable names in the place of ids."""
        names = {self.bound(object_id): name for object_id, name in self.life.names.items()}
        for object_id, name in names.items():
            # A request_id is stored in lower case, and that of a second payment contains the session's id.
            text = text.replace(object_id, name).replace(object_id.lower(), name)
        return text.replace(f" {self._run}", "")

    @property
    def _run(self) -> str:
        return f"of{self.user_id}"


class StripeFromThenOn(StripeApi):
    """Answers with an object's state at the time of the handled event, or at any later time."""

    def __init__(self, random: Random) -> None:
        self._random = random

    def handles(self, telling: Telling, moment: int) -> None:
        """Later questions belong to the event at this position."""
        self._telling, self._moment = telling, moment

    def session(self, session_id: str) -> dict[str, Any]:
        return self._state(session_id, self._some_moment())

    def refund(self, refund_id: str) -> dict[str, Any]:
        return self._state(refund_id, self._some_moment())

    def dispute(self, dispute_id: str) -> dict[str, Any]:
        return self._state(dispute_id, self._some_moment())

    def refunds_of(self, payment_intent_id: str) -> list[dict[str, Any]]:
        moment = self._some_moment()
        happened = self._telling.life.facts[: moment + 1]
        refunds = dict.fromkeys(fact.object_id for fact in happened if fact.type == "refund.created")
        states = [self._state(self._telling.bound(refund_id), moment) for refund_id in refunds]
        return [refund for refund in states if refund["payment_intent"] == payment_intent_id]

    def payment_intent(self, payment_intent_id: str) -> dict[str, Any]:
        text = self._telling.life.intents.get(self._telling.template_of(payment_intent_id))
        if text is None:
            raise StripeObjectMissing("Stripe knows no such object.")
        return self._read(text)

    def _some_moment(self) -> int:
        return self._random.randrange(self._moment, len(self._telling.life.facts))

    def _state(self, object_id: str, moment: int) -> dict[str, Any]:
        template_id = self._telling.template_of(object_id)
        for fact in self._telling.life.facts[moment::-1]:
            if fact.object_id == template_id:
                return self._read(fact.snapshot)
        raise StripeObjectMissing("Stripe knows no such object.")

    def _read(self, template: str) -> dict[str, Any]:
        resource: dict[str, Any] = json.loads(self._telling.bound(template))
        return resource


def _fact(event: Mapping[str, Any]) -> Fact:
    resource = event["data"]["object"]
    return Fact(
        _template_id(event["id"]),
        event["type"],
        _template_id(resource["id"]),
        _template(event),
        _template(resource),
    )


def _template_id(stripe_id: str) -> str:
    return stripe_id + _RUN


def _template(resource: Mapping[str, Any]) -> str:
    return _ID.sub(rf'"\1{_RUN}"', json.dumps(resource))
