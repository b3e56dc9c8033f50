"""A rollback, and the minutes of every deployment, bring older code to a newer schema and newer grants.

So the handlers of the release before (the newest tag, else the state before the newest migration) do their
work here, each under its role, on the schema that this code migrated to; and so do those from before prices.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from checkout.base.user_ids import BIGINT
from checkout.operations.verbs.verify import Verify
from checkout.outbox import probes
from checkout.outbox.record import Record
from checkout.release import privileges
from tests.support import lambda_events, releases, roles
from tests.support.functions import Functions, bearer, finished, system
from tests.support.inbox import outcome
from tests.support.project import ROOT
from tests.support.releases import MIGRATIONS
from tests.support.stripe_events import encoded, event, session_object, signature
from tests.support.stripe_reversals import KnownStripe
from tests.support.stripe_simulator import Simulator

PROGRAM = """
import importlib.util, json, sys
from tests.support.lambda_events import LambdaContext
spec = importlib.util.spec_from_file_location("app", sys.argv[1])
app = importlib.util.module_from_spec(spec)
spec.loader.exec_module(app)
result = app.handler(json.load(sys.stdin), LambdaContext())
open(sys.argv[2], "w").write(json.dumps(result))
"""


@pytest.fixture(scope="module", params=[releases.release_before, releases.before_prices])
def code(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The functions and the layer of the release before."""
    folder = tmp_path_factory.mktemp("previous")
    releases.extract(request.param(), folder, "functions", "layers")
    return folder


class Previous:
    """Calls the handlers of the release before, in processes of their own."""

    def __init__(self, code: Path, settings: dict[str, str], answers: Path) -> None:
        self._code = code
        self._settings = settings
        self._answers = answers

    def invoke(self, function: str, event: dict[str, Any]) -> Any:
        role = f"?options=-c%20role%3D{privileges.role_of(function)}"
        urls = {name: self._settings[name] + role for name in ("CHECKOUT_DATABASE_URL", "DATABASE_URL")}
        path = [self._code / "layers" / "common", ROOT]
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, self._code / "functions" / function / "app.py", self._answers],
            input=json.dumps(event),
            env={**os.environ, **self._settings, **urls, "PYTHONPATH": os.pathsep.join(map(str, path))},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(self._answers.read_text())

    def http(self, function: str, route: str, body: bytes | None = None, **request: Any) -> Any:
        answer = self.invoke(function, lambda_events.http(route, body, **request))
        assert answer["statusCode"] < 300, answer
        return json.loads(answer["body"])


@pytest.fixture
def previous(fns: Functions, code: Path, tmp_path: Path) -> Previous:
    return Previous(code, fns.settings, tmp_path / "answer.json")


@pytest.fixture
def silent(fns: Functions, tmp_path: Path) -> Iterator[Simulator]:
    """A Stripe that sends no webhooks."""
    with Simulator(tmp_path / "stripe") as simulator:
        fns.settings["STRIPE_API_BASE"] = simulator.url
        yield simulator


def test_a_payment_through_every_handler_of_the_release_before(
    fns: Functions, previous: Previous, silent: Simulator
) -> None:
    headers = {"content-type": "application/json", **bearer()}
    asked = b'{"amount_cents": 500}'
    created = previous.http("create_session", "POST /checkout/sessions", asked, headers=headers)
    request_id = created["request_id"]
    session = session_object(request_id, session_id=created["session_id"])
    body = encoded(event(session))

    told = previous.http(
        "stripe_webhook", "POST /webhooks/stripe", body, headers={"stripe-signature": signature(body)}
    )
    assert told["outcome"] == "applied"
    records = [
        Record("checkout.finished", 0, offset, b"1", json.dumps(one).encode())
        for offset, one in enumerate([finished(request_id), finished(currency="usd")])
    ]
    for _ in range(2):
        answer = previous.invoke("checkout_finished_consumer", lambda_events.msk(records))
        assert answer == {"batchItemFailures": []}
    nonsense = lambda_events.msk([Record("checkout.requests", 0, 0, b"1", b"{}")])
    assert previous.invoke("checkout_requests_consumer", nonsense) == {"batchItemFailures": []}

    balance = previous.http("account", "GET /checkout/balance", headers=bearer())
    assert balance["balance_cents"] == fns.balance() == 500
    assert [row["topic"] for row in fns.application("SELECT topic FROM parked_events ORDER BY id")] == [
        "checkout.finished",
        "checkout.requests",
    ]


def test_a_refund_and_its_failure_between_two_releases(
    fns: Functions, previous: Previous, silent: Simulator, known: KnownStripe
) -> None:
    """The other one gets the refund than got the payment, and its failure: what was paid is taken back."""
    headers = {"content-type": "application/json", **bearer()}
    created = previous.http(
        "create_session", "POST /checkout/sessions", b'{"amount_cents": 500}', headers=headers
    )
    session = silent.client.v1.checkout.sessions.retrieve(created["session_id"])
    assert silent.pay(session, "4000000000005126").status_code == 303
    assert previous.invoke("reconciler", {})["complete"] is True
    intent = fns.row(created["request_id"])["payment_intent_id"]
    refund = silent.client.v1.refunds.create({"payment_intent": intent, "amount": 200}).to_dict()
    known.knows(refund["id"], refund)

    assert outcome(fns, event(refund, "refund.created")) == "applied"
    reversals = fns.checkout("SELECT effect_key, credit_cents FROM reversals")
    assert [row["credit_cents"] for row in reversals] == [200]
    failed = {**refund, "status": "failed"}
    silent.control("objects", failed)
    body = encoded(event(failed, "refund.failed"))
    told = previous.http(
        "stripe_webhook", "POST /webhooks/stripe", body, headers={"stripe-signature": signature(body)}
    )

    assert told["outcome"] == "applied"
    row = fns.row(created["request_id"])
    assert (row["status"], row["paid_cents"], row["refunded_cents"]) == ("payment_succeeded", 500, 0)
    with roles.acting_as("operations"):
        differing = [one.name for one in Verify(system())() if one.count]
    assert "EntryDiffersFromPayment" not in differing


def test_what_shows_that_the_topics_are_read_has_no_effect_in_the_release_before(
    fns: Functions, previous: Previous, silent: Simulator
) -> None:
    """A rollback, and the minutes of a deployment, leave the triggers to it."""
    for probe, function in zip(
        probes.probes(BIGINT.probe), ("checkout_finished_consumer", "checkout_requests_consumer"), strict=True
    ):
        record = Record(probe.topic, 0, 0, probe.key, probe.value)
        for _ in range(2):
            assert previous.invoke(function, lambda_events.msk([record])) == {"batchItemFailures": []}

    assert fns.application("SELECT 1 FROM parked_events UNION ALL SELECT 1 FROM ledger_entries") == []
    assert [row["status"] for row in fns.checkout("SELECT status FROM checkout_transactions")] == [
        "session_failed"
    ]


def test_what_runs_by_the_clock_of_the_release_before(previous: Previous, silent: Simulator) -> None:
    assert previous.invoke("outbox_relay", {})["left"] == 0
    assert previous.invoke("reconciler", {})["complete"] is True
    assert previous.invoke("operations", {"verb": "verify"})["clean"] is True


CONTRACTING = re.compile(
    r"\b(DROP\s+(TABLE|COLUMN|VIEW|FUNCTION|SCHEMA|TYPE)|RENAME\b|SET\s+NOT\s+NULL|ALTER\s+COLUMN\s+\w+\s+(SET\s+DATA\s+)?TYPE)",
    re.IGNORECASE,
)


@pytest.mark.parametrize("path", sorted(MIGRATIONS.glob("*/*.sql")), ids=lambda path: path.stem)
def test_a_migration_takes_nothing_away_that_the_release_before_uses(path: Path) -> None:
    statements = [line.partition("--")[0] for line in path.read_text().splitlines()]

    found = CONTRACTING.findall("\n".join(statements))

    assert not found or "-- Contracts: " in path.read_text(), (
        "say in a line `-- Contracts: …` since which release nothing uses it"
    )
