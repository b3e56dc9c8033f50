"""The functions in the containers of `sam local`."""

import asyncio
import json
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from typing import Any

from local.lambda_runtime.environments import Result
from local.lambda_runtime.functions import Functions


class SamFunctions(Functions):
    """The functions behind `sam local start-lambda`, each of which handles one event at a time. None can be
    switched: the containers are Docker's."""

    def __init__(self, functions: Mapping[str, Any], url: str, log: Callable[[str, str], None]) -> None:
        # Not among what `make run` installs, whose command line has this one's, too.
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
        # start-lambda returns an error like any result; only its shape is different.
        is_error = "FunctionError" in answer or b'"errorType"' in payload[:2000]
        return Result(payload, is_error=is_error)

    def invoke_from_thread(self, name: str, event: object) -> "Future[Result]":
        return asyncio.run_coroutine_threadsafe(self.invoke(name, event), self._loop)

    async def warm(self, names: Iterable[str]) -> None:
        """Does nothing: a container stays warm after its first event."""

    async def stop(self) -> None:
        self._client.close()
