"""`/_simulator/…`: controls for tests, which Stripe does not have.

Bodies are `application/json`; anything else is a 415.
"""

import json
from dataclasses import asdict, dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from stripe_simulator import content_types, money
from stripe_simulator.api.faults import Fault, Faults
from stripe_simulator.console import say
from stripe_simulator.resources import settlement
from stripe_simulator.storage.database import Database
from stripe_simulator.webhooks.spoiling import Mode, Spoiler

RATE_LIMIT = 1_000_000


@dataclass(frozen=True)
class Control:
    database: Database
    spoiler: Spoiler
    faults: Faults

    def routes(self) -> list[Route]:
        return [
            Route("/_simulator/health", self.health, methods=["GET"]),
            Route("/_simulator/webhooks", self.show_mode, methods=["GET"]),
            Route("/_simulator/webhooks", self.set_mode, methods=["POST"]),
            Route("/_simulator/faults", self.show_faults, methods=["GET"]),
            Route("/_simulator/faults", self.add_fault, methods=["POST"]),
            Route("/_simulator/faults", self.clear_faults, methods=["DELETE"]),
            Route("/_simulator/settlement", self.show_settlement, methods=["GET"]),
            Route("/_simulator/settlement", self.set_settlement, methods=["POST"]),
            Route("/_simulator/settlement", self.clear_settlement, methods=["DELETE"]),
            Route("/_simulator/objects", self.put_object, methods=["POST"]),
        ]

    async def health(self, _: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def show_mode(self, _: Request) -> Response:
        return JSONResponse({"mode": self.spoiler.mode.value})

    async def set_mode(self, request: Request) -> Response:
        """`{"mode": "drop"}`; the modes are those of `webhooks.spoiling`."""
        if content_types.of(request) != content_types.JSON:
            return _not_json()
        body = await _body(request)
        try:
            self.spoiler.mode = Mode(body.get("mode"))
        except ValueError:
            return _refused(f"mode must be one of {', '.join(mode.value for mode in Mode)}")
        say(f"webhooks from now on: {self.spoiler.mode.value}")
        return await self.show_mode(request)

    async def show_faults(self, _: Request) -> Response:
        return JSONResponse({"faults": [asdict(fault) for fault in self.faults.pending]})

    async def add_fault(self, request: Request) -> Response:
        """A `Fault` as JSON."""
        if content_types.of(request) != content_types.JSON:
            return _not_json()
        try:
            self.faults.pending.append(Fault.from_json(await _body(request)))
        except ValueError as error:
            return _refused(str(error))
        return await self.show_faults(request)

    async def clear_faults(self, request: Request) -> Response:
        self.faults.pending.clear()
        return await self.show_faults(request)

    async def show_settlement(self, _: Request) -> Response:
        found = await self.database.run(settlement.current)
        return JSONResponse({name: found[name] if found else None for name in ("currency", "rate")})

    async def set_settlement(self, request: Request) -> Response:
        """`{"currency": "usd", "rate": 1.1}`: one unit of another currency is worth 1.1 US dollars in the
        balance transactions of charges, refunds and disputes from now on."""
        if content_types.of(request) != content_types.JSON:
            return _not_json()
        body = await _body(request)
        currency, rate = body.get("currency"), body.get("rate")
        if not isinstance(currency, str) or currency not in money.CURRENCIES:
            return _refused("currency must be one of Stripe's, in lower case: eur")
        if isinstance(rate, bool) or not isinstance(rate, int | float) or not 0 < rate < RATE_LIMIT:
            return _refused(f"rate must be a number between 0 and {RATE_LIMIT}: 1.1")
        await self.database.run(lambda transaction: settlement.settle_in(transaction, currency, rate))
        say(f"settled in {currency} from now on, at {rate}")
        return await self.show_settlement(request)

    async def clear_settlement(self, request: Request) -> Response:
        await self.database.run(settlement.clear)
        return await self.show_settlement(request)

    async def put_object(self, request: Request) -> Response:
        """Add any Stripe object, given as JSON. Nothing happens to it automatically, and there is no event
        of it."""
        if content_types.of(request) != content_types.JSON:
            return _not_json()
        body = await _body(request)
        if not all(isinstance(body.get(name), str) for name in ("id", "object")):
            return _refused("an object has an id and says in `object` what it is")
        await self.database.run(lambda transaction: transaction.put({"created": transaction.now, **body}))
        return JSONResponse(body)


async def _body(request: Request) -> dict[str, Any]:
    try:
        body = json.loads(await request.body())
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _refused(detail: str, status: int = 400) -> Response:
    return JSONResponse({"error": {"message": detail}}, status)


def _not_json() -> Response:
    return _refused(f"Content-Type must be {content_types.JSON}", 415)
