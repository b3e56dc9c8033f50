"""Every call that we make is one of Stripe's own specification, as stripe-mock knows it.

stripe-mock keeps no state and answers with example objects, but refuses what the specification does not have.
It is built where Go is, once.
"""

import inspect
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast
from uuid import uuid4

import pytest
import requests
import stripe

from checkout.base.config import Config
from checkout.base.errors import StripeRefusedForGood
from checkout.payments.events import HANDLED
from checkout.payments.price import Price
from checkout.payments.stripe_api import Listing, StripeApi
from checkout.payments.stripe_event import API_VERSION
from checkout.sessions.session_request import SessionRequest
from checkout.sessions.stripe_parameters import stripe_parameters
from deployment import configure
from deployment.aws_system import AwsSystem
from local import processes
from tests.support.functions import Functions, requested
from tests.support.settings import put

VERSION = "v0.203.0"
SPECIFICATION = "2026-08-26.dahlia"
"""Of that stripe-mock, the newest there is. Our API_VERSION is one release later, whose changes it lacks."""
BESIDE = "2026-10-28.endive"

BUILD_SECONDS = 360

pytestmark = pytest.mark.timeout(400)  # Go has to download and compile it, the first time.


def cache() -> Path:
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "checkout" / f"stripe-mock-{VERSION}"


@pytest.fixture(scope="module")
def program() -> Path:
    """stripe-mock of our version, or else any that is installed. Skips where there is none."""
    built = cache() / "stripe-mock"
    reason = "neither Go nor stripe-mock is installed"
    if not built.exists() and (go := shutil.which("go")) is not None:
        reason = _build(go, built.parent)
    if built.exists():
        return built
    installed = shutil.which("stripe-mock")
    if installed is None:
        pytest.skip(reason)
    return Path(installed)


def _build(go: str, folder: Path) -> str:
    """Returns why there is none, if there is none afterwards."""
    folder.mkdir(parents=True, exist_ok=True)
    try:
        done = subprocess.run(
            [go, "install", f"github.com/stripe/stripe-mock@{VERSION}"],
            env={**os.environ, "GOBIN": str(folder)},
            capture_output=True,
            text=True,
            timeout=BUILD_SECONDS,
        )
    except subprocess.TimeoutExpired:
        return f"Go has not built stripe-mock within {BUILD_SECONDS} s"
    return f"Go could not build stripe-mock: {done.stderr[-300:]}"


@contextmanager
def running(program: Path, *options: str) -> Iterator[str]:
    """The origin of its API."""
    process = processes.spawn(
        [str(program), "-http-addr", "127.0.0.1:0", "-https-addr", "127.0.0.1:0", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert process.stdout is not None
    try:
        said = ""
        while not (found := re.search(r"HTTP at address: (\S+)", said)):
            line = process.stdout.readline().decode()
            assert line, f"stripe-mock ended: {said}"
            said += line
        yield f"http://{found[1]}"
    finally:
        processes.end(process)
        process.stdout.close()


@pytest.fixture(scope="module")
def stripe_mock(program: Path) -> Iterator[str]:
    with running(program) as origin:
        yield origin


class TwoPages(StripeApi):
    """stripe-mock's lists have one page; the second is asked for all the same."""

    def _page(
        self, listing: Listing, parameters: dict[str, Any], starting_after: str | None
    ) -> tuple[list[dict[str, Any]], bool]:
        page, _ = super()._page(listing, parameters, starting_after)
        return page, starting_after is None


@pytest.fixture
def api(stripe_mock: str) -> StripeApi:
    return TwoPages(lambda: "sk_test_tests", stripe_mock)


REQUEST_ID = "4f6e2f3e-9f3b-4a52-8a55-1d1d9b0a3c11"
PARAMETERS = stripe_parameters(
    SessionRequest(2**63 - 1, 1_000_000, None, REQUEST_ID),
    REQUEST_ID,
    Price(1_000_000, 1_100_000),
    Config({"CHECKOUT_APP_ID": "checkout-tests"}),
    origin="https://pay.example.com",
    now=0,
)
REFUND = {"payment_intent": "pi_1", "amount": 500, "metadata": {"refund_key": "T-1"}}


def _listed(asked: Callable[..., tuple[list[dict[str, Any]], bool]], **more: Any) -> str:
    """The kind of what a list has, whether it is begun or gone on with."""
    first, _ = asked(since=1_780_000_000, starting_after=None, **more)
    then, _ = asked(since=1_780_000_000, starting_after=first[-1]["id"], **more)
    return str(then[0]["object"])


CALLS: dict[str, Callable[[Any], str]] = {
    "create_session": lambda api: api.create_session(PARAMETERS, str(uuid4())).id[:3],
    "session": lambda api: api.session("cs_test_1")["object"],
    "payment_intent": lambda api: api.payment_intent("pi_1")["object"],
    "refund": lambda api: api.refund("re_1")["object"],
    "create_refund": lambda api: api.create_refund(REFUND, str(uuid4()))["object"],
    "refunds_of": lambda api: " and ".join(one["object"] for one in api.refunds_of("pi_1")),
    "dispute": lambda api: api.dispute("du_1")["object"],
    "disputes_of": lambda api: " and ".join(one["object"] for one in api.disputes_of("pi_1")),
    "events": lambda api: _listed(api.events, types=sorted(HANDLED)),
    "balance_transaction": lambda api: api.balance_transaction("txn_1")["object"],
    "balance_transactions": lambda api: _listed(api.balance_transactions),
}
ANSWERS = {
    "create_session": "cs_",
    "session": "checkout.session",
    "create_refund": "refund",
    "refunds_of": "refund and refund",
    "disputes_of": "dispute and dispute",
    "events": "event",
    "balance_transactions": "balance_transaction",
}


@pytest.mark.parametrize(
    "call", [name for name, _ in inspect.getmembers(StripeApi, inspect.isfunction) if name[0] != "_"]
)
def test_the_specification_has_every_call_that_we_make(api: StripeApi, call: str) -> None:
    assert CALLS[call](api) == ANSWERS.get(call, call)


def test_a_session_is_created_with_parameters_of_the_specification(fns: Functions, stripe_mock: str) -> None:
    fns.set(STRIPE_API_BASE=stripe_mock)
    answer = fns.create({"amount_cents": 500, "currency": "eur"})
    assert answer.status == 201, answer.json
    row = fns.row(answer.json["request_id"])
    assert (row["status"], row["stripe_session_id"][:3]) == ("session_created", "cs_")
    assert row["stripe_parameters"].keys() == PARAMETERS.keys()


def test_so_is_one_that_a_service_asks_for(fns: Functions, stripe_mock: str) -> None:
    fns.set(STRIPE_API_BASE=stripe_mock)
    request_id = str(uuid4())
    record = requested(
        request_id,
        purpose="order",
        success_url="https://pay.example.com/thanks",
        cancel_url="https://pay.example.com/cart",
    )
    assert fns.ask(record) == []
    row = fns.row(request_id)
    assert row["status"] == "session_created", row["error_message"]
    assert row["stripe_parameters"]["success_url"] == "https://pay.example.com/thanks"


class Deployed:
    """As much of a stack on AWS as `make configure` asks about."""

    name = "checkout"

    def __init__(self, origin: str, url: str, secrets: dict[str, str]) -> None:
        self.stripe_api_url = origin
        self.url = url
        self.stripe_secrets = secrets

    def output(self, _: str) -> str:
        return self.url

    def store_stripe_secrets(self, changed: dict[str, str]) -> None:
        self.stripe_secrets |= changed


@pytest.mark.parametrize("is_known", [False, True])
def test_so_is_the_endpoint_that_a_deployment_makes_or_keeps(
    stripe_mock: str, monkeypatch: pytest.MonkeyPatch, is_known: bool
) -> None:
    # The endpoint of the example has no version of its own, and the specification does not know ours yet.
    monkeypatch.setattr(configure, "API_VERSION", None if is_known else SPECIFICATION)
    # What Stripe answers once, and the example does not have.
    monkeypatch.setattr(stripe.WebhookEndpoint, "secret", "whsec_example", raising=False)
    put(monkeypatch, STRIPE_SECRET="sk_test_tests")
    answer = requests.get(f"{stripe_mock}/v1/webhook_endpoints", auth=("sk_test_tests", ""), timeout=10)
    [example] = answer.json()["data"]
    before = {"STRIPE_WEBHOOK_ENDPOINT": example["id"]} if is_known else {}
    system = Deployed(stripe_mock, example["url"], before)
    said: list[str] = []

    configure.configure(cast(AwsSystem, system), str, said.append)

    assert ("exists, with its" if is_known else "created at Stripe") in said[0]
    assert system.stripe_secrets["STRIPE_SECRET"] == "sk_test_tests"


def test_so_are_the_last_calls_of_a_rotation_and_of_a_smoke_test(stripe_mock: str) -> None:
    client = stripe.StripeClient("sk_test_tests", base_addresses={"api": stripe_mock}).v1

    assert client.webhook_endpoints.delete("we_1").deleted
    assert client.checkout.sessions.expire("cs_test_1").id


@pytest.mark.parametrize(
    "wrong",
    [
        {"line_itemz": "1"},
        {"mode": "pay"},
        {"adaptive_pricing": {"enabled": "no"}},
        {"payment_intent_data": {"metadata": "none"}},
        {"line_items": [{"quantity": "one"}]},
        {"line_items": [{"price_data": {"unit_amount": 500}, "quantity": 1}]},
    ],
)
def test_a_wrong_parameter_is_refused(api: StripeApi, wrong: dict[str, Any]) -> None:
    with pytest.raises(StripeRefusedForGood) as refused:
        api.create_session({**PARAMETERS, **wrong}, str(uuid4()))
    assert getattr(refused.value.__cause__, "http_status", None) == 400


@pytest.mark.parametrize("query", ["refunds?payment_intnet=pi_1", "events?types=1", "events?limit=all"])
def test_a_wrong_query_is_refused(stripe_mock: str, query: str) -> None:
    answer = requests.get(f"{stripe_mock}/v1/{query}", auth=("sk_test_tests", ""), timeout=10)
    assert answer.status_code == 400, answer.text


def test_the_versions_are_those_noted_here(program: Path) -> None:
    """Whoever moves API_VERSION looks for a stripe-mock that goes with it."""
    assert API_VERSION == BESIDE
    if program.parent != cache():
        pytest.skip(f"{program} may have another specification")
    with running(program, "-strict-version-check") as origin:
        headers = {"Stripe-Version": API_VERSION}
        answer = requests.get(f"{origin}/v1/refunds", headers=headers, auth=("sk_test_tests", ""), timeout=10)
    assert f"OpenAPI specification '{SPECIFICATION}'" in answer.json()["error"]["message"]
