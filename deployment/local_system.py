"""The stack of `make run` on this machine, for `smoke`."""

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

from checkout.base.config import Config
from deployment import ROOT
from deployment.smoke_client import SmokeFailed, result_of
from local.stack.description import Description
from local.stack.settings import Settings


class LocalSystem:
    """A running stack by its description."""

    def __init__(self, found: Description, settings: Settings) -> None:
        """`settings` are those of its folder."""
        self._found = found
        self._settings = settings
        self._secrets = {
            "STRIPE_SECRET": found.stripe_secret,
            "STRIPE_WEBHOOK_SECRET": found.stripe_webhook_secret,
            "JWT_SECRET": found.jwt_secret or "",
        }

    @property
    def api_url(self) -> str:
        return self._found.api_url

    @property
    def stripe_api_url(self) -> str | None:
        return self._found.stripe_api_url

    @property
    def config(self) -> Config:
        return Config(self._found.variables(self._settings))

    @property
    def webhook_sources(self) -> str:
        return ""

    def secret(self, name: str) -> str:
        return self._secrets[name]

    @property
    def signs_tokens(self) -> bool:
        return bool(self._secrets["JWT_SECRET"])

    def operate(self, verb: str, *arguments: str) -> dict[str, Any]:
        """Run the operations' function in its own environment, as on AWS."""
        done = subprocess.run(
            [sys.executable, "-m", "local", "invoke", "operations", "-e", "-"],
            input=json.dumps({"verb": verb, "arguments": arguments}),
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise SmokeFailed(f"operations {verb}: {done.stdout}{done.stderr}")
        return result_of(verb, json.loads(done.stdout))

    def checks(self) -> Iterator[tuple[str, str | None]]:
        yield from ()
