"""The stack of `make run`: starts its parts in order, keeps them running, and stops them."""

import asyncio
import socket
import time
from collections.abc import Mapping
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from typing import Any

import psycopg2

from checkout.base.config import Config
from checkout.base.errors import ConfigurationError
from checkout.base.settings import OF_CALLERS, OF_DATABASES, OF_STRIPE
from checkout.base.text import printable
from checkout.console.server import ConsoleServer
from local.gateway.server import Gateway, Server, claim
from local.kafka import apache as apache_kafka
from local.kafka import topics
from local.kafka.apache import ApacheKafka
from local.kafka.embedded import HOST, Broker
from local.kafka.trigger import Poller
from local.lambda_runtime import schedules, template
from local.lambda_runtime.environments import Result
from local.lambda_runtime.functions import Functions, LocalFunctions
from local.stack import demo_user, description, operators_console, summary, supervisor
from local.stack.console import Console
from local.stack.description import Description
from local.stack.postgres import Postgres
from local.stack.settings import Settings
from local.stack.stripe_process import StripeSimulator
from local.stack.switchboard import Switchboard


class StackError(RuntimeError):
    """The stack cannot start; the message says why, and what to do."""


class Stack:
    """Everything that AWS would provide, with its data in one folder."""

    def __init__(self, settings: Settings, console: Console) -> None:
        """Read the template. Raises TemplateError if it asks for what this machine cannot do.

        Raises StackError if the brokers want a sign-in, or a setting of the functions cannot be used.
        """
        if (security := settings.given.get("KAFKA_SECURITY", "PLAINTEXT")) != "PLAINTEXT":
            raise StackError(
                f"KAFKA_SECURITY={security}: on this machine the triggers cannot sign in to brokers;"
                " leave it out, and let KAFKA_BROKERS name a listener that needs no sign-in"
            )
        _check(settings)
        self._settings = settings
        self._console = console
        self._template = template.load(settings.root / "template.yaml", TopicPrefix=settings.topic_prefix)
        self._services: dict[str, supervisor.Startable] = {}
        self._kept: list[supervisor.Kept] = []
        self._functions: Functions | None = None
        self._server: Server | None = None
        self._operators_console: ConsoleServer | None = None
        self._pollers: list[Poller] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._broker_host = HOST
        self._names_here: tuple[str, ...] = ()

    async def run(self, stopping: asyncio.Event) -> None:
        """Serve until `stopping` is set, and leave nothing running. Raises StackError and AlreadyRunning."""
        data = self._settings.data
        with description.locked(data):
            description.remove(data)
            listener = _claim(self._settings.port)
            try:
                found = await self._start_all(listener)
                if not stopping.is_set():
                    self._console.reveal(summary.of(found, self._settings))
                    found.write(data)
                    self._console.progress("ready; Ctrl-C stops everything")
                    await stopping.wait()
            finally:
                description.remove(data)
                self._console.progress("stopping")
                await self._stop()
                listener.close()
                self._console.progress("stopped")

    async def _start_all(self, listener: socket.socket) -> Description:
        began = time.monotonic()
        settings, console = self._settings, self._console
        console.hide(settings.hidden)
        databases = asyncio.create_task(self._start_databases())
        broker = asyncio.create_task(self._start_broker())
        simulator = asyncio.create_task(self._start_stripe())
        # All have ended before the first error is raised, so each can be stopped.
        await asyncio.wait([databases, broker, simulator])
        simulator.result()
        brokers = broker.result()
        variables = settings.variables(*databases.result(), brokers)
        functions = await self._start_functions(variables)
        self._functions = functions
        await self._migrate(functions)
        try:
            await asyncio.to_thread(demo_user.insert, variables["DATABASE_URL"], demo_user.id_in(variables))
        except psycopg2.Error as error:
            raise StackError(f"the demo user cannot be created: {error}".rstrip()) from error
        await self._start_gateway(functions, listener)
        self._start_triggers(functions, brokers)
        stripe = settings.stripe_url if settings.is_stripe_simulated else None
        switchboard = Switchboard(self._kept, functions, stripe)
        self._operators_console = operators_console.server(functions, switchboard, settings.data)
        self._operators_console.start()
        console.progress(f"gateway on port {settings.port}; started in {time.monotonic() - began:.1f} s")
        return demo_user.describe(settings, variables, self._operators_console.url)

    async def _start_functions(self, variables: Mapping[str, str]) -> Functions:
        return LocalFunctions(self._template, variables, self._console.log, self._settings.environments)

    async def _start_gateway(self, functions: Functions, listener: socket.socket) -> None:
        gateway = Gateway(self._template.routes, functions.invoke, self._console.request)
        self._server = Server(gateway, listener)
        await self._server.start()

    async def _start_databases(self) -> tuple[str, str]:
        """The URLs of the checkout and the application database."""
        checkout, application = self._settings.external_databases
        if checkout is None or application is None:
            postgres = Postgres(self._settings.data / "postgres")
            await self._start_service("PostgreSQL", postgres)
            await asyncio.to_thread(postgres.create_database, "application")
            checkout = checkout or postgres.url("checkout")
            application = application or postgres.url("application")
        return checkout, application

    async def _start_broker(self) -> str:
        """`host:port,host:port`."""
        if self._settings.external_brokers is not None:
            return self._settings.external_brokers
        if self._settings.kafka == "apache":
            return await self._start_apache_kafka(self._settings.kafka_data)
        broker = Broker(topics(self._settings.topic_prefix), host=self._broker_host)
        await self._start_service("Kafka broker", broker)
        return broker.address

    async def _start_apache_kafka(self, data: Path) -> str:
        if brokers := await asyncio.to_thread(apache_kafka.serving, data):
            self._console.progress(f"Kafka runs already: {brokers}")
            return brokers
        settings = self._settings
        wanted = topics(settings.topic_prefix)
        cluster = ApacheKafka(wanted, data, nodes=settings.kafka_nodes, host=self._broker_host)
        await self._start("Kafka broker", cluster)
        for number, node in enumerate(cluster.nodes, 1):
            self._keep("Kafka broker" if len(cluster.nodes) == 1 else f"Kafka broker {number}", node)
        return cluster.address

    async def _start_stripe(self) -> None:
        settings, console = self._settings, self._console
        if settings.is_stripe_simulated:
            simulator = StripeSimulator(
                settings.stripe_port,
                settings.data / "stripe",
                f"{settings.url}/webhooks/stripe",
                settings.current("STRIPE_WEBHOOK_SECRET"),
                lambda line: console.log("stripe", line),
                names=self._names_here,
            )
            await self._start_service("Stripe simulator", simulator)

    async def _start_service(self, name: str, service: supervisor.Service) -> None:
        await self._start(name, service)
        self._keep(name, service)

    async def _start(self, name: str, service: supervisor.Startable) -> None:
        self._services[name] = service
        began = time.monotonic()
        try:
            await asyncio.to_thread(service.start)
        except (RuntimeError, OSError) as error:
            raise StackError(f"{name}: {error}") from error
        self._console.progress(f"{name} ready in {time.monotonic() - began:.1f} s")

    def _keep(self, name: str, service: supervisor.Service) -> None:
        self._kept.append(supervisor.Kept(name, service, self._console.warn))
        self._tasks.append(asyncio.create_task(self._kept[-1].run()))

    async def _migrate(self, functions: Functions) -> None:
        result = await functions.invoke("migrate", {})
        if result.is_error:
            message = printable(result.value["errorMessage"])
            raise StackError(f"the databases cannot be migrated (migrate's log above says more): {message}")
        self._console.progress("databases migrated")

    def _start_triggers(self, functions: Functions, brokers: str) -> None:
        for trigger in self._template.kafka_triggers:
            poller = Poller(
                trigger,
                brokers,
                partial(self._hand_over, functions, trigger.function),
                partial(self._console.log, trigger.topic),
                forgetful=self._settings.kafka == "embedded",
            )
            poller.start()
            self._pollers.append(poller)
        for schedule in self._template.schedules:
            log = partial(self._console.log, schedule.function)
            self._tasks.append(asyncio.create_task(schedules.run(schedule, functions.invoke, log)))
        invoked = [route.function for route in self._template.routes]
        invoked += [trigger.function for trigger in self._template.kafka_triggers]
        self._tasks.append(asyncio.create_task(functions.warm(dict.fromkeys(invoked))))

    def _hand_over(self, functions: Functions, name: str, event: dict[str, Any]) -> "Future[Result]":
        self._console.batch(name, event)
        return functions.invoke_from_thread(name, event)

    async def _stop(self) -> None:
        """Stop every part before those that it needs."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._operators_console is not None:  # First, since its switchboard starts parts.
            await asyncio.to_thread(self._operators_console.stop)
        if (simulator := self._services.pop("Stripe simulator", None)) is not None:
            await asyncio.to_thread(simulator.stop)
        if self._server is not None:
            await self._server.stop()
        await asyncio.gather(*(asyncio.to_thread(poller.stop) for poller in self._pollers))
        if self._functions is not None:
            await self._functions.stop()
        await asyncio.gather(*(asyncio.to_thread(service.stop) for service in self._services.values()))


def _check(settings: Settings) -> None:
    arns = dict.fromkeys((OF_CALLERS, OF_STRIPE, OF_DATABASES), "")  # Nothing is asked of AWS.
    try:
        Config({**settings.variables("", "", ""), **arns}).check()
    except ConfigurationError as error:
        raise StackError(printable(error.detail)) from error


def _claim(port: int) -> socket.socket:
    try:
        return claim(port)
    except PermissionError as error:
        raise StackError(f"port {port} needs a permission: choose one from 1024 on") from error
    except OSError as error:
        raise StackError(
            f"port {port} is taken by another program: choose another one, as in make run PORT={port + 10}"
        ) from error
