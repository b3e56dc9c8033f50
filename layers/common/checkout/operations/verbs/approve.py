"""`requests` and `approve`: what one operator has asked for, and another one has carried out."""

from argparse import Namespace
from collections.abc import Callable, Mapping

from checkout.operations import four_eyes, four_eyes_table
from checkout.operations.verb import BY_DECISION, Outcome, Verbs, a_text
from checkout.operations.verbs import corrections, erase, refund
from checkout.system import System

_RUN: Mapping[str, Callable[[Namespace, System], Outcome]] = {
    "adjust": corrections.adjust,
    "refund": refund.refund,
    "erase-user": erase.of_a_user,
}


def declare(verbs: Verbs) -> None:
    verbs.add("requests", "list what waits for a second operator's approval", requests)
    verbs.add(
        "approve", "have carried out what another operator has asked for", approve, plan, BY_DECISION
    ).add_argument("request", type=a_text, help="its id, as requests lists it")


def requests(_: Namespace, system: System) -> Outcome:
    with system.checkout_database.transaction() as tx:
        return Outcome({"requests": four_eyes_table.undone(tx)})


def plan(given: Namespace, system: System) -> str:
    with system.checkout_database.transaction() as tx:
        request = four_eyes.found(four_eyes_table.find(tx, given.request), given.request)
    return f"Approve what {request.requested_by} has asked for: {request.plan}"


def approve(given: Namespace, system: System) -> Outcome:
    request = four_eyes.approved(given, system, given.request)
    asked_for = Namespace(
        **request.arguments, operator=request.operator, say=given.say, most_seconds=given.most_seconds
    )
    outcome = _RUN[request.verb](asked_for, system)
    # If its time was up first, the same approval lets it continue.
    if outcome.content.get("complete", True):
        with system.checkout_database.transaction() as tx:
            four_eyes_table.done(tx, request.id)
    asked = {"approved": request.id, "verb": request.verb, "requested_by": request.requested_by}
    return Outcome({**asked, **outcome.content}, clean=outcome.clean)
