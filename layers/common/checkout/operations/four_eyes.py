"""Four eyes: above FOUR_EYES_CENTS a verb is stored as a request, and carried out when another operator has
approved it.

If the process dies
- before the request is stored: nothing happened;
- after it was approved, before it was carried out, or before that was noted: `approve` again carries it out,
  which is safe, since each of these verbs acts once for its key.

If two approve at once, both carry it out, likewise.
"""

import uuid
from argparse import Namespace
from dataclasses import replace

from checkout.base.config import Config
from checkout.base.errors import NotFound, Refused
from checkout.operations import caller_identity, four_eyes_table, journal
from checkout.operations.four_eyes_table import Request
from checkout.operations.journal import Caller
from checkout.operations.verb import Outcome, Verb
from checkout.system import System

HOURS = 24


def are_needed(given: Namespace, config: Config) -> bool:
    verb: Verb = given.verb
    limit = config.four_eyes_cents
    return limit is not None and verb.at_stake is not None and verb.at_stake(given) > limit


def asking(verb: Verb, plan: str) -> Verb:
    """The verb that stores the request instead of carrying it out."""
    return replace(verb, run=lambda given, system: _ask(given, system, plan))


def _ask(given: Namespace, system: System, plan: str) -> Outcome:
    request_id = uuid.uuid4().hex[:12]
    requested_by = who(given, system.config)
    with system.checkout_database.transaction() as tx:
        four_eyes_table.add(
            tx,
            request_id,
            given.verb.name,
            journal.all_arguments(given),
            operator=given.operator,
            plan=plan,
            requested_by=requested_by,
            hours=HOURS,
        )
    return Outcome({"requested": request_id, "requested_by": requested_by, "needs": f"approve {request_id}"})


def approved(given: Namespace, system: System, request_id: str) -> Request:
    """The request, approved by the caller or by another one before, and still to be carried out.

    Raises NotFound; Refused if it is the caller's own, has expired or was carried out.
    """
    approver = who(given, system.config)
    with system.checkout_database.transaction() as tx:
        request = found(four_eyes_table.find(tx, request_id), request_id)
        if caller_identity.person(request.requested_by) == caller_identity.person(approver):
            asked = f"{request.requested_by} has asked for {request_id}"
            raise Refused(f"{asked}: somebody else must approve it.")
        if request.done_at is not None:
            raise Refused(f"{request_id} was carried out.")
        if request.is_expired:
            raise Refused(f"{request_id} has expired, {HOURS} hours after it was asked for: ask again.")
        four_eyes_table.approve(tx, request_id, approver)
    return request


def found(request: Request | None, request_id: str) -> Request:
    if request is None:
        raise NotFound(f"There is no request {request_id}: requests lists them.")
    return request


def who(given: Namespace, config: Config) -> str:
    """On AWS the identity that is proved, elsewhere the name that is given. Raises Refused if nothing is
    proved."""
    caller: Caller = given.caller
    if not config.is_on_aws:
        return str(given.operator)
    if caller.identity is None:
        raise Refused(
            "FOUR_EYES_CENTS needs an identity that AWS confirms: use python -m deployment operations, or the"
            " console."
        )
    return caller.identity
