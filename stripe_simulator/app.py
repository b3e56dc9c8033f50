"""The simulator as one ASGI application."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from stripe_simulator.agenda import Agenda
from stripe_simulator.api import (
    checkout_operations,
    coupon_operations,
    dispute_operations,
    endpoint_operations,
    event_operations,
    payment_operations,
    radar_operations,
    refund_operations,
)
from stripe_simulator.api.errors import UnknownRoute
from stripe_simulator.api.faults import Faults
from stripe_simulator.api.requests import Api, refuse
from stripe_simulator.console import say
from stripe_simulator.control import Control
from stripe_simulator.guard import Guard
from stripe_simulator.page import view
from stripe_simulator.page.hosted import HostedPage
from stripe_simulator.resources import timers, webhook_endpoints
from stripe_simulator.settings import Settings
from stripe_simulator.storage.database import Database
from stripe_simulator.storage.transaction import Environment, Transaction
from stripe_simulator.webhooks.dispatcher import Dispatcher
from stripe_simulator.webhooks.spoiling import Spoiler

DATABASE_FILE = "stripe.sqlite3"
OPERATIONS = (
    *checkout_operations.OPERATIONS,
    *coupon_operations.OPERATIONS,
    *payment_operations.OPERATIONS,
    *refund_operations.OPERATIONS,
    *dispute_operations.OPERATIONS,
    *radar_operations.OPERATIONS,
    *event_operations.OPERATIONS,
    *endpoint_operations.OPERATIONS,
)


def create_app(settings: Settings, clock: Callable[[], float] = time.time) -> Starlette:
    """The application; its lifespan opens `settings.data` and starts deliveries and timers.

    One application at a time may use a data folder.
    """
    spoiler, faults = Spoiler(), Faults()

    def committed(transaction: Transaction) -> None:
        for message in transaction.messages:
            say(message)
        if transaction.scheduled:
            dispatcher.agenda.poke()
            by_itself.poke()

    environment = Environment(settings, spoiler, clock)
    database = Database(settings.data / DATABASE_FILE, environment, committed)
    dispatcher = Dispatcher(database, settings, clock)
    by_itself = Agenda(lambda: database.run(timers.run_due), clock)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        database.open()
        await _register_endpoint(database, settings)
        running = [asyncio.create_task(dispatcher.run()), asyncio.create_task(by_itself.run())]
        try:
            yield
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)
            database.close()

    api = Api(database, faults)
    page = HostedPage(database, dispatcher, settings.redirect_wait_seconds)
    routes = [*Control(database, spoiler, faults).routes(), *_page_routes(page), *_api_routes(api)]
    guard = Middleware(Guard, hosts=settings.hosts)
    app = Starlette(routes=routes, lifespan=lifespan, middleware=[guard])
    app.state.disconnect = _leave_open
    return app


def _leave_open(_client: tuple[str, int]) -> None:
    """A dropped answer for a server that cannot close connections: silence."""


async def _register_endpoint(database: Database, settings: Settings) -> None:
    url, secret = settings.endpoint_url, settings.endpoint_secret
    if url and secret:
        await database.run(lambda transaction: webhook_endpoints.register_own(transaction, url, secret))


def _page_routes(page: HostedPage) -> list[Route]:
    return [
        Route("/c/pay/{session_id}", page.show, methods=["GET"]),
        Route("/c/pay/{session_id}", page.pay, methods=["POST"]),
        Route("/c/checkout.css", _stylesheet, methods=["GET"]),
    ]


def _api_routes(api: Api) -> list[Route]:
    """The routes of all operations, and Stripe's answer to any other path."""
    operations = [Route(f"/v1{op.path}", api.endpoint(op), methods=[op.method]) for op in OPERATIONS]
    return [*operations, Route("/{path:path}", _unknown, methods=["GET", "POST", "PUT", "PATCH", "DELETE"])]


async def _stylesheet(_: Request) -> Response:
    return Response(view.STYLESHEET, media_type="text/css", headers={"Cache-Control": "no-cache"})


async def _unknown(request: Request) -> Response:
    return refuse(UnknownRoute(request.method, request.url.path), request)
