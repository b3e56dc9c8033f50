"""The stack of `make run` on this machine, for `smoke`."""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from typing import Any

import jwt

from checkout.base import user_ids
from checkout.base.user_ids import UserIds
from deployment import ROOT
from deployment.smoke import SmokeFailed, result_of
from local.stack.description import Description


class LocalSystem:
    """A running stack by its description."""

    def __init__(self, found: Description) -> None:
        self._found = found
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
    def claims(self) -> Mapping[str, str]:
        ours = jwt.decode(self._found.demo_token or "", options={"verify_signature": False})
        return {name: ours[name] for name in ("aud", "iss") if name in ours}

    @property
    def webhook_sources(self) -> str:
        return ""

    def secret(self, name: str) -> str:
        return self._secrets[name]

    @property
    def user_ids(self) -> UserIds:
        return user_ids.of(self._found.user_id_type)

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
