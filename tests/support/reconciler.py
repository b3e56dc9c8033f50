"""Runs of the reconciler, and payments of which it alone finds out."""

import time
from typing import Any

from checkout.reconciliation.failures import Failures
from tests.support.functions import Functions, system
from tests.support.roles import acting_as
from tests.support.stripe_simulator import Simulator


def reconcile(**options: Any) -> dict[str, Any]:
    """A run without a deadline, unless one is given: the schedule's, or with `since` an operator's."""
    with acting_as("operations" if "since" in options else "reconciler"):
        return system().reconcile(**options).as_dict()


def reconciler_tries() -> int:
    """Retry the events that are waiting; returns how many were settled."""
    return system().reconcile._missed.retry_waiting(deadline=time.monotonic() + 10, failures=Failures())


def create(fns: Functions, amount: int = 500) -> str:
    """Create a session; returns its request id."""
    answer = fns.create({"amount_cents": amount})
    assert answer.status == 201, answer.json
    return str(answer.json["request_id"])


def pay(fns: Functions, simulator: Simulator, amount: int = 500, **form: str) -> str:
    """Create a session and pay it; returns its request id."""
    request_id = create(fns, amount)
    session = simulator.client.v1.checkout.sessions.retrieve(fns.row(request_id)["stripe_session_id"])
    assert simulator.pay(session, **form).status_code == 303
    return request_id
