"""`make fuzz-openapi`: requests that schemathesis makes out of the document, sent to a stack of their own.

Each answer is checked: no 5xx, and no status, content type, header, field or code that is not described.
Users, a service and strangers take turns; who sends a request depends on the seed and on the request.
`make test` does the same with fewer requests.
"""

import argparse
import secrets
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import urlsplit

import requests
import schemathesis
from schemathesis import engine, hooks
from schemathesis.engine import events

from local import signing
from tests.contracts.conformance import closed
from tests.contracts.documents import Json, operations, resolved
from tests.fuzz.callers import Callers, Headers
from tests.support.project import HTTP_SECONDS
from tests.support.running_stack import RunningStack

USERS = tuple(range(2, 8))
SETTINGS = {"MAX_OPEN_SESSIONS_PER_HOUR": "100"}
"""A user's limit is reached, though not at once."""

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
)
ALIKE = ("getBalance", "getHealth", "getBalancePage", "getBalancePageFile", "getOpenApi")
FEW = 20
"""How many are made of an operation whose requests hardly differ."""

THREADS = 4
LARGEST_CENTS = 1_000_000


@dataclass
class Report:
    statuses: dict[str, Counter[int]] = field(default_factory=dict)
    """The number of answers by route and status."""
    problems: list[str] = field(default_factory=list)

    @property
    def requests(self) -> int:
        return sum(counter.total() for counter in self.statuses.values())

    def add(self, event: events.EngineEvent) -> None:
        if isinstance(event, events.NonFatalError):
            self.problems.append(f"{event.label}: {event.value}")
        elif isinstance(event, events.FatalError):
            self.problems.append(str(event.exception))
        elif isinstance(event, events.ScenarioFinished):
            answers = [one.response for one in event.recorder.interactions.values()]
            counter = self.statuses.setdefault(str(event.label), Counter())
            counter.update(answer.status_code if answer else 0 for answer in answers)
            for check in (one for found in event.recorder.checks.values() for one in found):
                if check.failure_info is not None:
                    info = check.failure_info
                    self.problems.append(f"{event.label}: {info.failure}\n{info.code_sample}")

    def __str__(self) -> str:
        lines = [
            f"{route:<40} " + ", ".join(f"{status}: {count:,}" for status, count in sorted(counter.items()))
            for route, counter in sorted(self.statuses.items())
            if counter
        ]
        return "\n".join([*lines, f"{self.requests:,} requests, {len(self.problems)} problems"])


class Sender(requests.auth.AuthBase):
    """Signs a request for somebody, or as Stripe, when its bytes are known; some are left without.

    schemathesis repeats a request that reached something: each time, it is another one's.
    """

    def __init__(self, description: Json, seed: int) -> None:
        self._callers = Callers(description["jwt_secret"], description["service_token"], USERS)
        self._webhook_secret = description["stripe_webhook_secret"]
        self._seed = seed
        self._sent: Counter[str] = Counter()

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        body: Any = request.body or b""
        content: bytes = body if isinstance(body, bytes) else body.encode()
        key = f"{request.method} {request.path_url} {content!r}"
        self._sent[key] += 1
        random = Random(f"{self._seed} {self._sent[key]} {key}")
        if request.path_url.startswith("/webhooks/"):
            if random.random() < 0.8:
                request.headers["Stripe-Signature"] = signing.header(content, self._webhook_secret)
            return request
        for name, value in self._headers(random):
            request.headers[name] = value
        return request

    def _headers(self, random: Random) -> Headers:
        who = random.random()
        if who < 0.6:
            return self._callers.somebody(random)
        if who < 0.8:
            return self._callers.service()
        # A server refuses bytes that are no HTTP before the API sees them.
        return tuple(
            one for one in self._callers.nobody(random) if min(one[1], default=32) >= 32 and 127 not in one[1]
        )


def fuzz(stack: RunningStack, seed: int, examples: int) -> Report:
    """`examples` is the number of random requests of each operation that takes input; next to them, there are
    some at each limit."""
    api_url = stack.description["api_url"]
    assert urlsplit(api_url).hostname == "127.0.0.1", "not on this machine"
    for user_id in USERS:
        stack.application("INSERT INTO users (id) VALUES (%s) ON CONFLICT DO NOTHING", (user_id,))
    document = requests.get(f"{api_url}/openapi.json", timeout=HTTP_SECONDS).text
    schema = schemathesis.openapi.from_dict(
        strict(resolved(document)), config=_config(api_url, seed, examples)
    )
    sender, report = Sender(stack.description, seed), Report()

    def before_call(_context: Any, _case: Any, kwargs: dict[str, Any]) -> None:
        kwargs["auth"] = sender

    schema.hooks.register_hook_with_name(_map_body, "map_body")
    schemathesis.hook(before_call)
    try:
        for event in engine.from_schema(schema).execute():
            report.add(event)
    finally:
        hooks.unregister(before_call)
    return report


def strict(document: Json) -> dict[str, Any]:
    """The document that refuses fields of answers that it does not describe."""
    for operation in operations(document).values():
        for response in operation.responses.values():
            for content in response.get("content", {}).values():
                content["schema"] = closed(content["schema"])
    return dict(document)


def _map_body(_context: Any, body: Any) -> Any:
    """Amounts and users that fit the document are mostly refused for other reasons: bring some into reach."""
    if isinstance(body, dict):
        for name, most in (("amount_cents", LARGEST_CENTS), ("user_id", USERS[-1] + 2)):
            value = body.get(name)
            if type(value) is int and most < value < 2**63:
                body = {
                    **body,
                    name: 50 + value % (most - 50) if name == "amount_cents" else 1 + value % most,
                }
    return body


def _config(api_url: str, seed: int, examples: int) -> schemathesis.Config:
    few = {"include-operation-id": list(ALIKE), "generation": {"max-examples": min(FEW, examples)}}
    return schemathesis.Config.from_dict(
        {
            "base-url": api_url,
            "seed": seed,
            "workers": THREADS,
            "continue-on-failure": True,
            "request-timeout": HTTP_SECONDS,
            "generation": {
                "max-examples": examples,
                "mode": "all",
                "with-security-parameters": False,
                "database": "none",
            },
            "operations": [few],
            "phases": {"stateful": {"enabled": False}, "coverage": {"unexpected-methods": []}},
            "checks": {"enabled": False, **{name: {"enabled": True} for name in CHECKS}},
        }
    )


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="make fuzz-openapi", description=__doc__)
    parser.add_argument(
        "--examples", type=int, default=1_400, metavar="N", help="of each operation that takes input"
    )
    parser.add_argument(
        "--seed", type=int, default=None, help="of an earlier run, for the same requests again"
    )
    given = parser.parse_args(arguments)
    seed = secrets.randbelow(10**9) if given.seed is None else given.seed
    print(f"SEED={seed}", flush=True)
    folder = Path(tempfile.mkdtemp(prefix="fuzz-"))
    with RunningStack(folder / "project", **SETTINGS) as stack:
        report = fuzz(stack, seed, given.examples)
    print("\n\n".join([*report.problems[:20], str(report)]))
    if report.problems:
        print(f"make fuzz-openapi SEED={seed} repeats it. The stack is left in {folder}.")
        return 1
    shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
