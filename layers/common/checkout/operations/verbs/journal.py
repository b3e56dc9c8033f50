"""`journal`: who changed what by these verbs."""

from argparse import Namespace
from datetime import UTC, datetime

from checkout.operations.journal import Journal
from checkout.operations.verb import Outcome, Verbs, a_text, limited, moment
from checkout.system import System


def declare(verbs: Verbs) -> None:
    journal = verbs.add("journal", "list what was changed by these verbs, newest first", acts)
    journal.add_argument("--by", type=a_text, metavar="NAME", help="only by this operator")
    journal.add_argument(
        "--of", type=a_text, metavar="VERB", help='only of this verb, for example "parked discard"'
    )
    journal.add_argument("--since", type=moment, metavar="TIME", help="since 2026-11-23T12:00:00Z")
    limited(journal)


def acts(given: Namespace, system: System) -> Outcome:
    since = None if given.since is None else datetime.fromtimestamp(given.since, UTC)
    return Outcome(
        {"acts": Journal(system).newest(operator=given.by, verb=given.of, since=since, limit=given.limit)}
    )
