"""The stack with its functions in Lambda's own containers, run by `sam local`; the rest is as in `make run`.

Containers reach this machine as host.docker.internal. PostgreSQL and the simulator stay on 127.0.0.1, to
which ports are forwarded; the broker, which sends clients to its own address, listens at the engine's.
"""

import asyncio
import json
import shutil
import socket
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

import requests

from local import http_client, processes
from local.lambda_runtime.functions import Functions
from local.sam import command, engine
from local.sam.forwarding import forward
from local.sam.functions import SamFunctions
from local.sam.server import START_SECONDS, SamServer
from local.stack.assembly import Stack, StackError
from local.stack.console import Console
from local.stack.settings import Settings, write_privately


class SamStack(Stack):
    """The stack of `make sam-local`."""

    def __init__(self, settings: Settings, console: Console) -> None:
        """Raises StackError if there is no Docker engine, or none whose containers reach this machine."""
        super().__init__(settings, console)
        self._settings = settings
        self._console = console
        self._broker_host = engine.own_address()
        self._names_here = (command.NAME,)
        self._data = command.folder(settings.data)
        self._data.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._servers: list[asyncio.Server] = []

    async def _start_apache_kafka(self, data: Path) -> str:
        brokers = await super()._start_apache_kafka(data)
        if self._broker_host not in brokers:
            raise StackError(
                f"Kafka serves at {brokers} already, which containers cannot reach: end make kafka, and"
                " make sam-local starts one that they can"
            )
        return brokers

    async def _start_functions(self, variables: Mapping[str, str]) -> Functions:
        console = self._console
        brokers = self._settings.brokers_in_containers
        forwarded = [urlsplit(variables[name]).port for name in ("CHECKOUT_DATABASE_URL", "STRIPE_API_BASE")]
        forwarded += [urlsplit(f"//{broker}").port for broker in brokers.split(",")] if brokers else []
        for port in forwarded:
            if port is not None and not processes.is_free(port):
                self._servers.append(await forward(self._broker_host, port))
        seen = {**variables, "KAFKA_BROKERS": brokers or variables["KAFKA_BROKERS"]}
        written = command.variables_of(self._template, seen)
        write_privately(self._data / "variables.json", json.dumps(written))
        # A killed predecessor leaves containers, and a lock on the image that it was building.
        await asyncio.to_thread(engine.remove_containers, self._data / "build")
        shutil.rmtree(self._temporary, ignore_errors=True)
        self._temporary.mkdir()
        console.progress("building the functions")
        await self._build()
        port = processes.free_port()
        await self._start_sam("start-lambda", port)
        console.progress("containers are started when they are first needed, and stay")
        return SamFunctions(self._template.functions, f"http://127.0.0.1:{port}", console.log)

    async def _start_gateway(self, _functions: Functions, listener: socket.socket) -> None:
        listener.close()  # The port was held for `sam local`, which opens it itself.
        await self._start_sam("start-api", self._settings.port)
        try:
            health = f"{self._settings.url}/health"
            await asyncio.to_thread(http_client.send, "GET", health, seconds=START_SECONDS)
        except requests.RequestException as error:
            raise StackError(f"the API does not answer in its container: {error}") from error

    async def _stop(self) -> None:
        await super()._stop()
        await asyncio.to_thread(engine.remove_containers, self._data / "build")
        for server in self._servers:
            server.close()

    async def _build(self) -> None:
        log = self._data / "build.log"
        with log.open("wb") as output:
            building = processes.spawn(
                command.build(self._data),
                stdout=output,
                stderr=output,
                env=command.environment(),
            )
        if await asyncio.to_thread(building.wait):
            raise StackError(f"sam build failed ({log}):\n{log.read_text(errors='replace')[-2000:]}")

    async def _start_sam(self, verb: str, port: int) -> None:
        kept_warm = ("--port", str(port), "--warm-containers", "LAZY")
        log = self._data / f"{verb}.log"
        log.unlink(missing_ok=True)
        server = SamServer(
            command.local(verb, self._settings.data, self._broker_host, *kept_warm),
            port,
            log,
            {**command.environment(), "TMPDIR": str(self._temporary)},
        )
        await self._start_service(f"sam local {verb}", server)

    @property
    def _temporary(self) -> Path:
        """The folder of the servers' temporary files, which include their locks."""
        return self._data / "tmp"
