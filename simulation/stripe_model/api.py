"""What Stripe's API answers, in the place of the SDK's client: `client.v1.refunds.retrieve(…)`.

An answer can be lost before or after its effect, be an error that the idempotency key replays, or come from
an earlier state. Lists come by pages of three, whatever is asked for.
"""

import json
import zlib
from collections.abc import Callable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any, NamedTuple, Protocol

import stripe

from checkout.payments.stripe_api import StripeApi
from simulation.clock import Clock
from simulation.stripe_model import refunding
from simulation.stripe_model.account import FORGOTTEN, Resource
from simulation.stripe_model.keys import KEYS_LIVE
from simulation.stripe_model.lag import is_listed
from simulation.stripe_model.model import StripeModel

PAGE = 3
SHORTEST_SECONDS = 30 * 60
"""In which a session may expire."""
KEPT = 30 * 24 * 3600
LIST_BEHIND_SECONDS = 3600
"""What is older is in each list."""

LOST_BEFORE, LOST_AFTER = "request lost", "answer lost"
ERROR_BEFORE, ERROR_AFTER = "500 without effect", "500 with the effect"
IN_USE, TOO_MANY, BEHIND, MISSING = "409", "429", "an earlier state", "404"
WRITING = (LOST_BEFORE, LOST_AFTER, ERROR_BEFORE, ERROR_AFTER, IN_USE, TOO_MANY, MISSING)
READING = (LOST_BEFORE, ERROR_BEFORE, TOO_MANY, BEHIND, BEHIND, MISSING)


class Faults(Protocol):
    """What a call of a process is subject to."""

    def at_stripe(self, call: str, names: Sequence[str]) -> str | None: ...
    def after_stripe(self, call: str) -> None: ...
    def states_behind(self, most: int) -> int: ...


class Answer(NamedTuple):
    """As much of the SDK's objects as is used."""

    content: Resource

    def to_dict(self, *, for_json: bool = False) -> Resource:  # noqa: ARG002 - the SDK's
        return dict(self.content)


class WorldsStripeApi(StripeApi):
    """The code's own adapter, with this client."""

    def __init__(self, model: StripeModel, clock: Clock, faults: Faults) -> None:
        super().__init__(lambda: "sk_test_world")
        self._of_world: Any = _client(_Api(model, clock, faults))

    def _connected(self) -> Any:
        return self._of_world


class _Api:
    def __init__(self, model: StripeModel, clock: Clock, faults: Faults) -> None:
        self._model, self._clock, self._faults = model, clock, faults
        self._account, self._keys, self._refunding = model.account, model.keys, model.refunding

    def create_session(self, parameters: Resource, options: Mapping[str, str]) -> Answer:
        call = "POST sessions"
        fault = self._faults.at_stripe(call, WRITING)
        key, asked = options["idempotency_key"], json.dumps(parameters, sort_keys=True)
        request_id = parameters["metadata"]["request_id"]
        self._keys.note(request_id, key, self._clock.epoch)
        _raise_early(fault)
        known = self._keys.known.get(key)
        if known is None or known[2] + KEYS_LIVE < self._clock.epoch:
            expires_at = parameters.get("expires_at", self._clock.epoch + KEYS_LIVE)
            if expires_at is None or expires_at < self._clock.epoch + SHORTEST_SECONDS:
                if expires_at is None:
                    self._keys.blame(f"when the session of {request_id} expires is null")
                self._keys.use_up(key)
                raise _error("InvalidRequestError", "too early", "expires_at", http_status=400)
            if fault == MISSING:
                self._keys.missing.add(key)
            made = None if fault in (ERROR_BEFORE, MISSING) else self._account.create_session(parameters)
            answer = None if fault == ERROR_AFTER else made
            known = self._keys.known[key] = (asked, answer, self._clock.epoch)
            if answer is None:
                self._keys.use_up(key)
        if known[0] != asked:
            self._keys.blame(f"{request_id} is asked for with other parameters under {key}")
            raise _error("IdempotencyError", "other parameters", http_status=400)
        self._faults.after_stripe(call)
        if fault == LOST_AFTER:
            raise _error("APIConnectionError", "read timed out")
        if known[1] is None and key in self._keys.missing:
            raise _missing()
        if known[1] is None:
            raise _error("APIError", "internal error", http_status=500)
        return Answer(known[1])

    def create_refund(self, parameters: Resource, options: Mapping[str, str]) -> Answer:
        call = "POST refunds"
        fault = self._faults.at_stripe(call, WRITING)
        _raise_early(fault)
        answer = self._refunding.create(
            parameters, options, before=fault == ERROR_BEFORE, after=fault == ERROR_AFTER
        )
        self._faults.after_stripe(call)
        if fault == LOST_AFTER:
            raise _error("APIConnectionError", "read timed out")
        if isinstance(answer, str):
            name, status = refunding.ERRORS.get(answer, ("InvalidRequestError", 400))
            raise _error(name, answer, "amount", code=answer, http_status=status)
        return Answer(answer)

    def retrieve(self, kind: str) -> Callable[..., Answer]:
        def call(object_id: str, options: object = None) -> Answer:
            states = self._model.lag.states(object_id)
            fault = self._reading(f"GET {kind}")
            if not states or states[-1]["object"] != kind or (fault == MISSING and self._is_new(states)):
                raise _missing()
            if states[-1].get("status") == FORGOTTEN:
                raise _missing()
            behind = self._faults.states_behind(len(states) - 1) if fault == BEHIND else 0
            self._faults.after_stripe(f"GET {kind}")
            return Answer(self._with_source(states[-1 - behind], options))

        return call

    def list_of(self, kind: str) -> Callable[[Resource], Answer]:
        """Of a payment intent, newest first."""

        def call(asked: Resource) -> Answer:
            fault = self._reading(f"LIST {kind}")
            states = self._model.lag.states(asked["payment_intent"])
            if not states or (fault == MISSING and self._is_new(states)):
                raise _error(
                    "InvalidRequestError",
                    "no such payment_intent",
                    "payment_intent",
                    code="resource_missing",
                    http_status=400,
                )
            listed = self._account.all(kind, payment_intent=asked["payment_intent"])
            found = self._model.lag.shown(listed)[::-1]
            if fault == BEHIND:
                new = [one for one in found if one["created"] > self._clock.epoch - LIST_BEHIND_SECONDS]
                found = found[self._faults.states_behind(len(new)) :]
            return self._page(kind, found, asked)

        return call

    def events(self, asked: Resource) -> Answer:
        self._reading("LIST events", (LOST_BEFORE, ERROR_BEFORE, TOO_MANY))
        now = self._clock.epoch
        listed = [one for one in self._account.events if is_listed(one, now)]
        return self._page("events", self._listed(listed, asked), asked)

    def balance_transactions(self, asked: Resource) -> Answer:
        self._reading("LIST balance_transactions", (LOST_BEFORE, ERROR_BEFORE, TOO_MANY))
        found = self._listed([self._account.now(one) for one in self._account.books], asked)
        return self._page("balance_transactions", [self._as_listed(one) for one in found], asked)

    def _listed(self, made: Sequence[Resource], asked: Resource) -> list[Resource]:
        since = max(asked["created"]["gte"], self._clock.epoch - KEPT)
        types = asked.get("types")
        return [
            one
            for one in reversed(made)
            if one["created"] >= since and (types is None or one["type"] in types)
        ]

    def _page(self, kind: str, found: Sequence[Resource], asked: Resource) -> Answer:
        after = asked.get("starting_after")
        if after is not None:
            ids = [one["id"] for one in found]
            if after not in ids:
                raise _missing()
            found = found[ids.index(after) + 1 :]
        self._faults.after_stripe(f"LIST {kind}")
        self._clock.pass_(self._model.seconds_a_page)
        return Answer({"object": "list", "data": list(found[:PAGE]), "has_more": len(found) > PAGE})

    def _is_new(self, states: Sequence[Resource]) -> bool:
        return not states or states[0]["created"] > self._clock.epoch - self._model.unseen_seconds

    def _as_listed(self, booked: Resource) -> Resource:
        """Half of what takes failed debits back does not name its source here."""
        if booked["reporting_category"] == "charge_failure" and zlib.crc32(booked["id"].encode()) % 2:
            return {**booked, "source": None}
        return self._with_source(booked, {"expand": ["source"]})

    def _with_source(self, resource: Resource, options: object) -> Resource:
        expand = options.get("expand", ()) if isinstance(options, dict) else ()
        if "source" in expand:
            return {**resource, "source": self._account.now(resource["source"])}
        return resource

    def _reading(self, call: str, names: Sequence[str] = READING) -> str | None:
        fault = self._faults.at_stripe(call, names)
        _raise_early(fault)
        if fault == ERROR_BEFORE:
            raise _error("APIError", "internal error", http_status=500)
        return fault


def _raise_early(fault: str | None) -> None:
    """Raise the fault if Stripe does nothing because of it, and keeps no answer."""
    if fault == LOST_BEFORE:
        raise _error("APIConnectionError", "connection reset")
    if fault == IN_USE:
        raise _error("APIError", "key in use", http_status=409)
    if fault == TOO_MANY:
        raise _error("RateLimitError", "too many requests", http_status=429)


def _error(name: str, *given: Any, **more: Any) -> Exception:
    """One of the SDK's."""
    made: Exception = getattr(stripe, name)(*given, **more)
    return made


def _missing() -> Exception:
    return _error("InvalidRequestError", "no such object", "id", code="resource_missing", http_status=404)


def _client(api: _Api) -> SimpleNamespace:
    def resource(kind: str, **more: Any) -> SimpleNamespace:
        return SimpleNamespace(retrieve=api.retrieve(kind), list=api.list_of(kind), **more)

    sessions = SimpleNamespace(create=api.create_session, retrieve=api.retrieve("checkout.session"))
    return SimpleNamespace(
        v1=SimpleNamespace(
            checkout=SimpleNamespace(sessions=sessions),
            payment_intents=resource("payment_intent"),
            refunds=resource("refund", create=api.create_refund),
            disputes=resource("dispute"),
            events=SimpleNamespace(list=api.events),
            balance_transactions=SimpleNamespace(
                retrieve=api.retrieve("balance_transaction"), list=api.balance_transactions
            ),
        )
    )
