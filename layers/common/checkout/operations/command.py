"""The grammar of the operations: the same for the command line and for the function."""

import argparse
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, NoReturn

from checkout.base.errors import InvalidRequest, Refused
from checkout.base.text import MAX_BIGINT, identifier, user_id_from_digits
from checkout.operations import acts, verbs
from checkout.operations.acts import Caller, Changes
from checkout.operations.verbs import Outcome, Plan, Verb

PROGRAM = "python -m checkout.operations"
MOST_LISTED = 1_000
MOST_TOLD = 300
MAX_KEY_LENGTH = 200
MOST_DAYS = 36_500
MOST_SECONDS = 7 * 86_400

Confirm = Callable[[str], bool]


class Parser(argparse.ArgumentParser):
    """Takes no abbreviations, and raises InvalidRequest where argparse would end the process."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options, allow_abbrev=False)

    def error(self, message: str) -> NoReturn:
        # argparse repeats what it was given.
        told = message if len(message) <= MOST_TOLD else f"{message[:MOST_TOLD]}…"
        raise InvalidRequest(f"{self.prog}: {told}. See {self.prog} --help.")


def execute(given: argparse.Namespace, confirm: Confirm, caller: Callable[[], Caller]) -> Outcome:
    """Run the verb that was parsed; what changes something is written to the journal with its `caller`.
    `confirm` is asked, in one sentence, before anything that changes money, unless --yes is given.

    Raises Refused, InvalidRequest if nobody answers for a decision, and what the verb raises.
    """
    if given.changes is Changes.BY_DECISION and given.operator is None:
        raise InvalidRequest(f"{given.name} needs --operator: the journal says who decided it.")
    plan = None if given.plan is None else given.plan(given)
    if plan is not None and not given.yes and not confirm(plan):
        raise Refused("Not confirmed, so nothing was changed; --yes confirms beforehand.")
    if acts.changes_something(given):
        return acts.recorded(given, caller(), plan)
    outcome: Outcome = given.verb(given)
    return outcome


def parser() -> Parser:
    """Of a command line. It raises InvalidRequest for a wrong one, and SystemExit after --help."""
    root = Parser(prog=PROGRAM, description="Look into payments and mend them.")
    root.set_defaults(say=lambda _line: None, most_seconds=verbs.RECONCILE_SECONDS)
    root.add_argument("--operator", type=_text, metavar="NAME", help="who decides; can also follow the verb")
    commands = root.add_subparsers(required=True, metavar="verb", parser_class=Parser)

    inspect = _verb(commands, "inspect", verbs.inspect, "one payment's whole story, or one user's, in order")
    inspect.add_argument(
        "reference", help="request_id, Stripe's session or payment intent, or a user's number"
    )

    verify = _verb(commands, "verify", verbs.verify, "check every invariant; exit status 1 if one is broken")
    verify.add_argument(
        "--seconds",
        type=_seconds,
        default=verbs.VERIFY_SECONDS,
        help="end after so long, and go on there the next time; %(default)s by default",
    )
    verify.add_argument("--anew", action="store_true", help="begin again, wherever the last run ended")

    accept = _verb(
        commands,
        "accept",
        verbs.accept,
        "a finding of verify stays as it is, and does not count any more",
        verbs.plan_accept,
        changes=Changes.BY_DECISION,
    )
    accept.add_argument("finding", type=_text, help="its id, as verify shows it")
    accept.add_argument("--withdraw", action="store_true", help="it counts again")
    _reasoned(accept)

    reconcile = _verb(
        commands,
        "reconcile",
        verbs.reconcile,
        "what the schedule does: find and mend what was missed",
        changes=Changes.BY_RULE,
    )
    reconcile.add_argument("--dry-run", action="store_true", help="only count what would be looked at")
    reconcile.add_argument(
        "--since",
        type=_moment,
        metavar="TIME",
        help="look anew for all of Stripe's events and of our entries since 2026-11-23T12:00:00Z",
    )
    reconcile.add_argument(
        "--wait", action="store_true", help="with --since: until all of it is entered in the ledger"
    )

    again = _verb(
        commands,
        "look-again",
        verbs.look_again,
        "have a payment looked for in the ledger and emitted again",
        changes=Changes.BY_RULE,
    )
    again.add_argument("request_id", type=_text)

    rereading = _verb(
        commands,
        "reread",
        verbs.reread,
        "apply a refund, a dispute, or all of a payment intent, as Stripe has them now",
        verbs.plan_reread,
        changes=Changes.BY_DECISION,
    )
    rereading.add_argument("id", type=_text, help="re_…, pyr_…, du_…, dp_… or pi_…")

    _parked(commands.add_parser("parked", help="records of Kafka that could not be applied"))
    _held(commands.add_parser("held", help="Stripe's events that could not be applied"))
    _balances(commands)
    _erasure(commands)

    journal = _verb(commands, "journal", verbs.journal, "what was changed by these verbs, newest first")
    journal.add_argument("--by", type=_text, metavar="NAME", help="by this operator alone")
    journal.add_argument("--of", type=_text, metavar="VERB", help='of this verb alone: "parked discard"')
    journal.add_argument("--since", type=_moment, metavar="TIME", help="since 2026-11-23T12:00:00Z")
    _limited(journal)
    return root


def _parked(group: argparse.ArgumentParser) -> None:
    commands = group.add_subparsers(required=True, metavar="verb", parser_class=Parser)
    listed = _verb(commands, "list", verbs.parked_list, "those that nobody has decided about, oldest first")
    _paged(listed, int)
    listed.add_argument("--all", action="store_true", help="the decided ones, too")
    _verb(commands, "show", verbs.parked_show, "one, with its bytes").add_argument("id", type=int)
    replay = _verb(
        commands,
        "replay",
        verbs.parked_replay,
        "apply it now, with what depends on it",
        verbs.plan_parked_replay,
        changes=Changes.BY_DECISION,
    )
    _one_or_all(replay, int)
    discard = _verb(
        commands,
        "discard",
        verbs.parked_discard,
        "never apply it, nor what depends on it",
        verbs.plan_parked_discard,
        changes=Changes.BY_DECISION,
    )
    discard.add_argument("id", type=int)
    _reasoned(discard)


def _held(group: argparse.ArgumentParser) -> None:
    commands = group.add_subparsers(required=True, metavar="verb", parser_class=Parser)
    listed = _verb(commands, "list", verbs.held_list, "in the order of their ids")
    _paged(listed, _text)
    listed.add_argument("--waiting", action="store_true", help="those that wait for another event, too")
    _verb(commands, "show", verbs.held_show, "any stored event, with its payload").add_argument(
        "id", type=_text
    )
    replay = _verb(
        commands,
        "replay",
        verbs.held_replay,
        "try it again",
        verbs.plan_held_replay,
        changes=Changes.BY_DECISION,
    )
    _one_or_all(replay, _text)
    discard = _verb(
        commands,
        "discard",
        verbs.held_discard,
        "never apply it, nor anything else of its refund or dispute",
        verbs.plan_held_discard,
        changes=Changes.BY_DECISION,
    )
    discard.add_argument("id", type=_text)
    _reasoned(discard)


def _balances(commands: "argparse._SubParsersAction[Parser]") -> None:
    adjust = _verb(
        commands,
        "adjust",
        verbs.adjust,
        "add to a balance, once",
        verbs.plan_adjust,
        changes=Changes.BY_DECISION,
    )
    adjust.add_argument(
        "--key", type=_key, required=True, help="what makes it once: the ticket's number, for example"
    )
    adjust.add_argument("--user", type=_user, required=True, metavar="NUMBER")
    adjust.add_argument(
        "--amount-cents", type=_amount, required=True, metavar="CENTS", help="negative to take"
    )
    adjust.add_argument("--allow-overdraft", action="store_true", help="even if the balance falls below 0")
    _reasoned(adjust)

    added = _verb(
        commands,
        "add-user",
        verbs.add_user,
        "a user with an empty balance, for a first try",
        changes=Changes.BY_DECISION,
    )
    added.add_argument("--user", type=_user, required=True, metavar="NUMBER")
    added.add_argument("--email", type=_text, required=True)

    opening = _verb(
        commands,
        "opening-balances",
        verbs.opening_balances,
        "enter the balances from before the ledger into it",
        verbs.plan_opening_balances,
        changes=Changes.BY_DECISION,
    )
    opening.add_argument(
        "--user", type=_user, metavar="NUMBER", help="this one alone, who was credited already"
    )

    rebuild = _verb(
        commands,
        "rebuild-balance",
        verbs.rebuild_balance,
        "make a balance that was edited by hand the sum of its entries again",
        verbs.plan_rebuild_balance,
        changes=Changes.BY_DECISION,
    )
    rebuild.add_argument("--user", type=_user, required=True, metavar="NUMBER")
    _reasoned(rebuild)


def _erasure(commands: "argparse._SubParsersAction[Parser]") -> None:
    old = _verb(
        commands,
        "erase",
        verbs.erase,
        "take personal data out of what was settled long ago",
        verbs.plan_erase,
        changes=Changes.BY_RULE,
    )
    old.add_argument(
        "--older-than", type=_days, metavar="DAYS", help="more than 30; RETENTION_DAYS by default"
    )

    user = _verb(
        commands,
        "erase-user",
        verbs.erase_user,
        "take personal data out of what is settled of a user's payments",
        verbs.plan_erase_user,
        changes=Changes.BY_DECISION,
    )
    user.add_argument("--user", type=_user, required=True, metavar="NUMBER")
    _reasoned(user)


def _verb(
    commands: "argparse._SubParsersAction[Parser]",
    name: str,
    verb: Verb,
    what: str,
    plan: Plan | None = None,
    *,
    changes: Changes = Changes.NOTHING,
) -> Parser:
    command = commands.add_parser(name, help=what, description=what[0].upper() + what[1:] + ".")
    command.add_argument("--json", action="store_true", help="for a program to read")
    if plan is not None:
        command.add_argument("--yes", action="store_true", help="do not ask")
    if changes is not Changes.NOTHING:
        # Absent here, it stays what was given before the verb.
        command.add_argument(
            "--operator",
            type=_text,
            metavar="NAME",
            default=argparse.SUPPRESS,
            help="who decides, for the journal",
        )
    command.set_defaults(verb=verb, plan=plan, changes=changes, name=command.prog.removeprefix(f"{PROGRAM} "))
    return command


def _paged(command: argparse.ArgumentParser, of_type: Callable[[str], object]) -> None:
    command.add_argument("--after", type=of_type, metavar="ID", help="go on behind this one")
    _limited(command)


def _limited(command: argparse.ArgumentParser) -> None:
    command.add_argument("--limit", type=_limit, default=100, help=f"at most {MOST_LISTED}; 100 by default")


def _one_or_all(command: argparse.ArgumentParser, of_type: Callable[[str], object]) -> None:
    which = command.add_mutually_exclusive_group(required=True)
    which.add_argument("id", type=of_type, nargs="?")
    which.add_argument("--all", action="store_true", help="every one that can be applied now")


def _reasoned(command: argparse.ArgumentParser) -> None:
    command.add_argument("--reason", type=_text, required=True, help="for the journal: nothing personal")


def _text(given: str) -> str:
    if identifier(given.strip()) is None:
        raise argparse.ArgumentTypeError("must be a text of 1 to 255 characters")
    return given.strip()


def _key(given: str) -> str:
    if len(_text(given)) > MAX_KEY_LENGTH:
        raise argparse.ArgumentTypeError(f"must have at most {MAX_KEY_LENGTH} characters")
    return given.strip()


def _user(given: str) -> int:
    user_id = user_id_from_digits(given)
    if user_id is None:
        raise argparse.ArgumentTypeError("must be a user's number")
    return user_id


def _amount(given: str) -> int:
    digits = given.removeprefix("-")
    if not (digits.isascii() and digits.isdigit()) or not 0 < int(digits) <= MAX_BIGINT:
        raise argparse.ArgumentTypeError("must be a whole number of minor units other than 0")
    return int(given)


def _limit(given: str) -> int:
    if not given.isdigit() or not 1 <= int(given) <= MOST_LISTED:
        raise argparse.ArgumentTypeError(f"must be a whole number from 1 to {MOST_LISTED}")
    return int(given)


def _days(given: str) -> int:
    if not (given.isascii() and given.isdigit()) or not 30 < int(given) <= MOST_DAYS:
        raise argparse.ArgumentTypeError(f"must be a whole number from 31 to {MOST_DAYS}")
    return int(given)


def _seconds(given: str) -> int:
    if not (given.isascii() and given.isdigit()) or not 1 <= int(given) <= MOST_SECONDS:
        raise argparse.ArgumentTypeError(f"must be a whole number from 1 to {MOST_SECONDS}")
    return int(given)


def _moment(given: str) -> int:
    """In epoch seconds; without an offset it is UTC."""
    try:
        moment = datetime.fromisoformat(given)
    except ValueError as error:
        raise argparse.ArgumentTypeError("must be an ISO 8601 time, as 2026-11-23T12:00:00Z") from error
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())
