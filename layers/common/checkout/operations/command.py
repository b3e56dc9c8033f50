"""The command line of the operations: the same for a terminal and for the function."""

import argparse
import importlib
import pkgutil
from collections.abc import Callable
from typing import Any

from checkout.base import timing
from checkout.base.errors import InvalidRequest
from checkout.base.user_ids import UserId, UserIds
from checkout.operations import four_eyes, journal, text, verbs
from checkout.operations.journal import Caller
from checkout.operations.verb import (
    PROGRAM,
    Announcement,
    Changes,
    NotConfirmed,
    Outcome,
    Parser,
    Verb,
    Verbs,
    operator,
)
from checkout.system import System

FAMILIES = [
    importlib.import_module(f"{verbs.__name__}.{module.name}")
    for module in pkgutil.iter_modules(verbs.__path__)
]


def parser(program: str = PROGRAM) -> Parser:
    """It raises InvalidRequest for a wrong command line, and SystemExit after --help. `program` is what was
    typed before the verb."""
    root = Parser(prog=program, description="Look into payments and mend them.")
    root.set_defaults(say=lambda _line: None, most_seconds=timing.OPERATION)
    operator(root, what="who decides; can also follow the verb")
    declared = Verbs(root, program)
    for family in FAMILIES:
        family.declare(declared)
    return root


def execute(
    given: argparse.Namespace, system: System, confirm: Callable[[str], bool], caller: Callable[[], Caller]
) -> Outcome:
    """Run the verb that was parsed; what changes something is written to the journal with its `caller`.
    `confirm` is asked, in one sentence, before what a verb announces, unless --yes is given.

    Raises NotConfirmed, InvalidRequest if nobody answers for a decision, and what the verb raises.
    """
    verb: Verb = given.verb
    if getattr(given, "user", None) is not None:
        given.user = _user(given.user, system.config.user_ids)
    if verb.changes is Changes.BY_DECISION and given.operator is None:
        raise InvalidRequest(f"{verb.name} needs --operator: the journal says who decided it.")
    plan = None if verb.plan is None else verb.plan(given, system)
    if isinstance(plan, Announcement):
        vars(given).update(plan.settled)
        plan = plan.plan
    if plan is not None and four_eyes.are_needed(given, system.config):
        given.verb = verb = four_eyes.asking(verb, plan)
        plan = f"Ask for another operator's approval of this: {plan}"
    if plan is not None and not given.yes and not confirm(plan):
        raise NotConfirmed(plan)
    if journal.is_due(given):
        given.caller = caller()
        return journal.recorded(given, system, plan)
    return verb.run(given, system)


def _user(text: str, user_ids: UserIds) -> UserId:
    user_id = user_ids.from_text(text)
    if user_id is None:
        raise InvalidRequest(f"argument --user: must be a user's id: {user_ids.rule}")
    return user_id


def written(given: argparse.Namespace, content: dict[str, Any]) -> str:
    """What the verb returned, in lines that are printable."""
    return text.as_json(content) if given.json else text.joined(given.verb.lines(content))
