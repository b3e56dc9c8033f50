"""Answers requests under /v1: authentication, idempotency, the operation, the answer."""

import asyncio
import json
import re
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from stripe_simulator import content_types
from stripe_simulator.api import authentication, forms, idempotency
from stripe_simulator.api.errors import Crashed, Injected, InvalidParameter, KeyInUse, StripeError
from stripe_simulator.api.expansion import expand
from stripe_simulator.api.faults import Fault, Faults
from stripe_simulator.api.idempotency import Answer, KeyedRequest
from stripe_simulator.api.operations import Call, Operation
from stripe_simulator.console import say_what_failed
from stripe_simulator.ids import new_id
from stripe_simulator.settings import API_VERSION
from stripe_simulator.storage.database import Database
from stripe_simulator.storage.transaction import Json, Origin, Transaction

_VERSION = re.compile(r"\d{4}-\d{2}-\d{2}(\.[a-z]+)?")


@dataclass
class Api:
    """Answers requests. `in_flight` holds the idempotency keys of those not answered yet."""

    database: Database
    faults: Faults
    in_flight: set[str] = field(default_factory=set)

    def endpoint(self, operation: Operation) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        async def answer(request: Request) -> Response:
            origin = _origin(request)
            try:
                authentication.authenticate(request.headers)
                _check_version(origin.api_version)
                fault = self.faults.take(request.method, request.url.path)
                params = forms.parse(await _encoded(request))
                attempt = _Attempt(operation, request.url.path, request.path_params, params, origin, fault)
                answered = await self._answer(attempt)
            except StripeError as error:
                return _response(_refusal(error, origin), origin)
            if fault and fault.drop_after_effect:
                return _HangUp()
            return _response(answered, origin)

        return answer

    async def _answer(self, attempt: "_Attempt") -> Answer:
        key = attempt.origin.idempotency_key
        if not key:
            return await self._run(attempt)
        idempotency.check_length(key)
        if key in self.in_flight:
            raise KeyInUse(key)
        self.in_flight.add(key)
        try:
            return await self._run(attempt)
        finally:
            self.in_flight.discard(key)

    async def _run(self, attempt: "_Attempt") -> Answer:
        try:
            answer = await self.database.run(attempt, attempt.origin)
        except StripeError:
            raise
        except Exception as error:
            say_what_failed()
            raise Crashed from error
        if attempt.fault and attempt.fault.timeout_seconds:
            await asyncio.sleep(attempt.fault.timeout_seconds)
        return answer


@dataclass(frozen=True)
class _Attempt:
    """The part of a request that happens in one transaction."""

    operation: Operation
    path: str
    path_params: Mapping[str, str]
    params: dict[str, forms.Raw]
    origin: Origin
    fault: Fault | None

    def __call__(self, transaction: Transaction) -> Answer:
        keyed = None
        if self.origin.idempotency_key:
            keyed = KeyedRequest(self.origin.idempotency_key, self.path, self.params)
            if replayed := idempotency.replay(transaction, keyed):
                return replayed
        try:
            with transaction.savepoint():
                answer = Answer(200, _encode(self._execute(transaction)))
        except InvalidParameter:
            raise
        except StripeError as error:
            answer = _refusal(error, self.origin)
            if isinstance(error, Injected) and error.status < 500:
                return answer
        if keyed:
            idempotency.store(transaction, keyed, answer)
        return answer

    def _execute(self, transaction: Transaction) -> Json:
        if self.fault and self.fault.status:
            raise Injected(self.fault.status)
        params = self.operation.params(self.params, "")
        call = Call(params, self.path_params, self.path)
        return expand(transaction, self.operation.run(transaction, call), params.get("expand", []))


class _HangUp(Response):
    """No answer: the server closes the connection with its function in `app.state.disconnect`."""

    async def __call__(self, scope: Scope, receive: Receive, _send: Send) -> None:
        scope["app"].state.disconnect(scope["client"])
        while (await receive())["type"] != "http.disconnect":
            pass


def refuse(error: StripeError, request: Request) -> Response:
    """The answer to a request for which there is no operation."""
    origin = _origin(request)
    return _response(_refusal(error, origin), origin)


def _origin(request: Request) -> Origin:
    key = request.headers.get("idempotency-key") if request.method == "POST" else None
    return Origin(new_id("req", 14), key, request.headers.get("stripe-version", API_VERSION))


def _check_version(version: str) -> None:
    if not _VERSION.fullmatch(version):
        raise StripeError(f"Invalid Stripe API version: {version}")


async def _encoded(request: Request) -> str:
    if request.method != "POST":
        return request.url.query
    body = await request.body()
    kind = content_types.of(request)
    if body and kind != content_types.FORM:
        raise StripeError(
            f"Invalid request (check that your POST content type is {content_types.FORM},"
            f" not {kind or 'none'})."
        )
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        raise StripeError("Invalid request: the body is not UTF-8.") from error


def _encode(body: Json) -> str:
    return json.dumps(body, indent=2, ensure_ascii=False)


def _refusal(error: StripeError, origin: Origin) -> Answer:
    return Answer(error.status, _encode(error.body(origin.request_id)))


def _response(answer: Answer, origin: Origin) -> Response:
    headers = {
        "Request-Id": origin.request_id,
        "Stripe-Version": origin.api_version,
        "Cache-Control": "no-store",
    }
    if origin.idempotency_key:
        headers["Idempotency-Key"] = origin.idempotency_key
    if answer.replayed_from:
        headers |= {"Idempotent-Replayed": "true", "Original-Request": answer.replayed_from}
    if answer.status == 401:
        headers["WWW-Authenticate"] = 'Basic realm="Stripe"'
    return Response(answer.body, answer.status, headers, media_type="application/json")
