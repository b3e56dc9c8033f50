"""The stack with its functions in Lambda's own containers, by `sam local`; all else as `make run` has it.

Containers reach this machine as host.docker.internal. PostgreSQL and the simulator stay on 127.0.0.1 and are
forwarded to; the broker, whose clients go where it says, listens at the engine's own address.
"""

import asyncio
import json
import os
import platform
import shutil
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from local import processes
from local.lambda_runtime.functions import Functions
from local.lambda_runtime.workers import Result
from local.stack import containers
from local.stack.console import Console
from local.stack.sam_server import START_SECONDS, SamServer
from local.stack.settings import Settings, write_privately
from local.stack.stack import Stack, StackError

NAME = "host.docker.internal"
GATEWAY = "LAMBDA_DOCKER_GATEWAY"
"""In the environment: where containers find this machine, if not at the engine's bridge."""


class SamStack(Stack):
    def __init__(self, settings: Settings, console: Console) -> None:
        """Raises StackError where there is no Docker engine, or none whose containers reach this machine."""
        super().__init__(settings, console)
        self._settings = settings
        self._console = console
        self._broker_host = engine_address()
        _require_ours(self._broker_host)
        self._names_here = (NAME,)
        self._data = _folder(settings.data)
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
            await self._forward(port)
        seen = {**variables, "KAFKA_BROKERS": brokers or variables["KAFKA_BROKERS"]}
        written = for_containers(self._template.variables, seen)
        write_privately(self._data / "variables.json", json.dumps({"Parameters": written}))
        # Of a predecessor that was killed, as is the lock on an image that it was making.
        await asyncio.to_thread(containers.remove, self._data / "build")
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
        await asyncio.to_thread(_healthy, f"{self._settings.url}/health")

    async def _stop(self) -> None:
        await super()._stop()
        await asyncio.to_thread(containers.remove, self._data / "build")
        for server in self._servers:
            server.close()

    async def _forward(self, port: int | None) -> None:
        """From the engine's address to the same port of 127.0.0.1."""
        if port is not None and not processes.is_free(port):
            server = await asyncio.start_server(_to(port), self._broker_host, port)
            self._servers.append(server)

    async def _build(self) -> None:
        log = self._data / "build.log"
        with log.open("wb") as output:
            building = processes.spawn(
                _sam("build", *_where(self._data), "--cached", "--cache-dir", str(self._data / "cache")),
                stdout=output,
                stderr=output,
                env=environment(),
            )
        if await asyncio.to_thread(building.wait):
            raise StackError(f"sam build failed ({log}):\n{log.read_text(errors='replace')[-2000:]}")

    async def _start_sam(self, command: str, port: int) -> None:
        kept_warm = ("--port", str(port), "--warm-containers", "LAZY")
        log = self._data / f"{command}.log"
        log.unlink(missing_ok=True)
        server = SamServer(
            local(command, self._settings.data, self._broker_host, *kept_warm),
            port,
            log,
            {**environment(), "TMPDIR": str(self._temporary)},
        )
        await self._start_service(f"sam local {command}", server)

    @property
    def _temporary(self) -> Path:
        """For the servers' temporary files, among which are their locks."""
        return self._data / "tmp"


class SamFunctions(Functions):
    """The functions behind `sam local start-lambda`, each of which takes one event at a time."""

    def __init__(self, functions: Mapping[str, Any], url: str, log: Callable[[str, str], None]) -> None:
        import boto3
        from botocore.config import Config

        self._loop = asyncio.get_running_loop()
        self._log = log
        self._ids = {name: function.logical_id for name, function in functions.items()}
        self._free = {name: asyncio.Semaphore(1) for name in functions}
        self._client: Any = boto3.client(
            "lambda",
            endpoint_url=url,
            region_name="eu-central-1",
            aws_access_key_id="local",
            aws_secret_access_key="local",  # noqa: S106 - nobody checks it
            config=Config(read_timeout=900, retries={"max_attempts": 0}, max_pool_connections=20),
        )

    async def invoke(self, name: str, event: object) -> Result:
        async with self._free[name]:
            return await asyncio.to_thread(self._invoke, name, event)

    def _invoke(self, name: str, event: object) -> Result:
        try:
            answer = self._client.invoke(FunctionName=self._ids[name], Payload=json.dumps(event).encode())
            payload = answer["Payload"].read()
        except Exception as error:  # noqa: BLE001 - of boto3, botocore or urllib3: nobody there, cut off
            self._log(name, f"[ERROR] cannot be invoked: {error!r}")
            return Result(json.dumps({"errorMessage": repr(error)}).encode(), is_error=True)
        # start-lambda answers an error like any result; only its shape tells.
        is_error = "FunctionError" in answer or b'"errorType"' in payload[:2000]
        return Result(payload, is_error=is_error)

    def invoke_from_thread(self, name: str, event: object) -> "Future[Result]":
        return asyncio.run_coroutine_threadsafe(self.invoke(name, event), self._loop)

    async def warm(self, names: Iterable[str]) -> None:
        """Each is, once it was needed."""

    async def stop(self) -> None:
        self._client.close()


def engine_address() -> str:
    """Where containers find this machine. Raises StackError where there is no Docker engine."""
    if given := os.environ.get(GATEWAY):
        return given
    asked = ["docker", "network", "inspect", "bridge", "-f", "{{(index .IPAM.Config 0).Gateway}}"]
    try:
        found = subprocess.run(asked, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise StackError("Docker is needed: install it, or use make run, which needs none") from None
    if found.returncode or not found.stdout.strip():
        raise StackError(
            f"no Docker engine answers ({found.stderr.strip()[:200]}): start it, or use make run"
        )
    return found.stdout.strip()


def _require_ours(address: str) -> None:
    with socket.socket() as probe:
        try:
            probe.bind((address, 0))
        except OSError as error:
            raise StackError(
                f"containers would look for this machine at {address}, which is none of its addresses (the"
                f" engine runs elsewhere, or in a virtual machine): set {GATEWAY} to one that is,"
                " or use make run"
            ) from error


def for_containers(names: Iterable[str], variables: Mapping[str, str]) -> dict[str, str]:
    """What `sam local --env-vars` is given, which fills in only `names`.

    Those without a value are empty, which stands for a default: where only CloudFormation knows a value,
    `sam` would make one up. PUBLIC_ORIGIN is for the browser, which runs in no container.
    """
    return {
        name: value if name == "PUBLIC_ORIGIN" else value.replace("127.0.0.1", NAME)
        for name in sorted(names)
        for value in [variables.get(name, "")]
        if not name.startswith(("POWERTOOLS_", "AWS_LAMBDA_"))
    }


def local(command: str, data: Path, address: str, *options: str) -> list[str]:
    """`sam local <command>` with what was built, and the settings of the stack that keeps its data there.

    `address` is `engine_address()`.
    """
    return [
        *_sam("local", command, *options, "--template", str(_folder(data) / "build" / "template.yaml")),
        *("--env-vars", str(_folder(data) / "variables.json")),
        *("--add-host", f"{NAME}:{address}", "--skip-pull-image"),
        *("--parameter-overrides", f"Architecture={_architecture()}", "Profile=prod"),
    ]


def _folder(data: Path) -> Path:
    return data / "sam"


def _architecture() -> str:
    return "arm64" if platform.machine() in ("arm64", "aarch64") else "x86_64"


def _where(data: Path) -> tuple[str, ...]:
    return (
        *("--build-dir", str(data / "build")),
        *("--parameter-overrides", f"Architecture={_architecture()}"),
    )


def _sam(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "samcli", *arguments]


def environment() -> dict[str, str]:
    """What `sam` is run with.

    `sam build` looks for the runtime's interpreter on PATH; the virtual environment's will do.
    """
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "SAM_CLI_TELEMETRY": "0"}


def _healthy(url: str) -> None:
    try:
        with urllib.request.urlopen(url, timeout=START_SECONDS) as answer:  # noqa: S310 - http, ours
            answer.read()
    except (urllib.error.URLError, OSError) as error:
        raise StackError(f"the API does not answer in its container: {error}") from error


def _to(port: int) -> Any:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there_reader, there_writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            writer.close()
            return
        await asyncio.gather(_pump(reader, there_writer), _pump(there_reader, writer))

    return serve


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while chunk := await reader.read(65_536):
            writer.write(chunk)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()
