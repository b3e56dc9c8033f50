"""`overview`: what happened in the last hours, what waits where, and how far the newest payments are."""

from argparse import Namespace
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from checkout.base.errors import DatabaseUnavailable
from checkout.ledger import whereabouts
from checkout.ledger.whereabouts import Place
from checkout.operations import invariants, text
from checkout.operations import overview_table as table
from checkout.operations.attention import Depth, attention
from checkout.operations.verb import Outcome, Verbs
from checkout.outbox.effects import DIRECTIONS, TOP_UP, success_key
from checkout.payments.payment import FINAL, Status
from checkout.system import System

HOURS = 24
NEWEST = 20
MOST_COUNTED = 100_000
"""Rows of a table that are read to count those of the last hours."""

MOST_TIMED = 5_000
"""Credits whose time is measured: enough for a 99th percentile."""

MOST_COMPARED = 200
"""Payments that are compared with the ledger to find the uncredited ones, the longest due first: most of what
a refresh of the console costs."""

CHART_MINUTES = 60
CREDIT = "success"
"""The kind of a credit's entry."""


def declare(verbs: Verbs) -> None:
    overview = verbs.add(
        "overview",
        f"show the last {HOURS} hours, what waits where, and the newest payments",
        run,
        lines=lines,
    )
    overview.add_argument(
        "--brief",
        action="store_true",
        help="only what waits, and the newest payments: cheap to repeat",
    )


def run(given: Namespace, system: System) -> Outcome:
    overview = Overview(system)
    now = overview.now()
    return Outcome(now if given.brief else {**overview.last_hours(), **now})


@dataclass(frozen=True, slots=True)
class Credit:
    """`seconds` is how long after the payment succeeded."""

    at: datetime
    seconds: float


class Overview:
    def __init__(self, system: System) -> None:
        self._checkout, self._application = system.checkout_database, system.application_database

    def last_hours(self) -> dict[str, Any]:
        """Counts of the last 24 hours, and of each minute of the last hour.

        `complete` is False if there was more in that time than is counted. Raises DatabaseUnavailable.
        """
        with self._checkout.transaction() as tx:
            payments = table.payments_by_status(tx, HOURS, MOST_COUNTED)
        with self._application.transaction() as tx:
            entries = {row["kind"]: row for row in table.entries_by_kind(tx, HOURS, MOST_COUNTED)}
            newest = table.newest_credits(tx, HOURS, MOST_TIMED)
        with self._checkout.transaction() as tx:
            paid_at = table.paid_at(tx, [row["request_id"] for row in newest])
        credits = [
            Credit(row["created_at"], max(0.0, (row["created_at"] - paid).total_seconds()))
            for row in newest
            if (paid := paid_at.get(row["request_id"]))
        ]
        seconds = sorted(credit.seconds for credit in credits)
        reversals = [row for kind, row in entries.items() if kind in _REVERSALS]
        counted = max(sum(payments.values()), sum(row["entries"] for row in entries.values()))
        return {
            "hours": HOURS,
            "complete": counted < MOST_COUNTED,
            "payments": sum(payments.values()),
            "payments_by_status": payments,
            "credits": entries.get(CREDIT, _NONE)["entries"],
            "credited_cents": entries.get(CREDIT, _NONE)["amount_cents"],
            "reversals": sum(row["entries"] for row in reversals),
            "reversed_cents": -sum(row["amount_cents"] for row in reversals),
            "credit_seconds_p50": percentile(seconds, 50),
            "credit_seconds_p99": percentile(seconds, 99),
            "minutes": minutes(credits, datetime.now(UTC)),
        }

    def now(self) -> dict[str, Any]:
        """Queues and newest payments. If the application's database is away, `away` says so, and what only
        that database knows is null. Raises DatabaseUnavailable if the checkout database is."""
        with self._checkout.transaction() as tx:
            queues: dict[str, Depth | None] = {
                "outbox": table.outbox(tx),
                "held": table.unsettled_events(tx, "held"),
                "waiting": table.unsettled_events(tx, "waiting"),
            }
            stuck, _ = invariants.stuck_events(tx, 1)
            unseen = table.not_seen_in_the_ledger(tx, TOP_UP, MOST_COMPARED)
            newest = table.newest_payments(tx, NEWEST)
        keys = {success_key(row["request_id"]) for row in newest}
        paid = [row for row in newest if row["status"] == Status.PAYMENT_SUCCEEDED]
        credits = [credit for credit, _ in unseen] + [table.credit(row) for row in paid]
        entered: Mapping[str, Any] = {}
        parked: Mapping[str, str] = {}
        places: Mapping[str, Place] = {}
        away = []
        try:
            with self._application.transaction() as tx:
                queues["parked"] = table.parked(tx)
                entered = table.entered_at(tx, keys | {credit.effect_key for credit in credits})
                parked = table.parked_among(tx, keys)
                # Only of those few: it takes much longer than to find the keys.
                places = whereabouts.find(tx, [one for one in credits if one.effect_key not in entered])
            uncredited = [age for credit, age in unseen if places.get(credit.effect_key) in _UNCREDITED]
            queues["uncredited"] = len(uncredited), max(0.0, *uncredited) if uncredited else 0.0
        except DatabaseUnavailable:
            queues["parked"] = queues["uncredited"] = None
            away.append("application database")
        return {
            "at": datetime.now(UTC),
            "away": away,
            "attention": attention({**queues, "waiting": (stuck, 0.0)}, away),
            "queues": [
                {"queue": name, "depth": depth and depth[0], "oldest_seconds": depth and round(depth[1], 3)}
                for name, depth in queues.items()
            ],
            "newest": [_progress(row, entered, parked, places) for row in newest],
        }


_UNCREDITED = (Place.NOWHERE, Place.ENTERED_OTHERWISE)
"""As the reconciler defines it: a person decides about what is parked, and has decided what is discarded."""
_NONE = {"entries": 0, "amount_cents": 0}
_REVERSALS = DIRECTIONS.keys() - {CREDIT}


def _progress(
    row: Mapping[str, Any],
    entered: Mapping[str, Any],
    parked: Mapping[str, str],
    places: Mapping[str, Place],
) -> dict[str, Any]:
    key = success_key(row["request_id"])
    place = Place.ENTERED if key in entered else Place.PARKED if key in parked else places.get(key)
    shown = ("request_id", "user_id", "amount_cents", "currency", "status", "created_at", "completed_at")
    return {
        **{name: row[name] for name in shown},
        "station": station(row, place),
        "entered_at": entered.get(key),
        "reason": parked.get(key) or row["error_message"],
        "reversed_cents": row["refunded_cents"] + row["disputed_cents"],
    }


def station(row: Mapping[str, Any], credit: Place | None) -> str:
    """Where the payment is: stripe (not paid yet), inbox (its event waits or is held), outbox, kafka, parked,
    ledger; or ended: no money came, it moves no balance, or its credit was discarded."""
    status = Status(row["status"])
    if credit is Place.ENTERED:
        return "ledger"
    if row["unsettled"]:
        return "inbox"
    if status is not Status.PAYMENT_SUCCEEDED:
        return "ended" if status in FINAL or status is Status.SESSION_FAILED else "stripe"
    if credit is Place.PARKED:
        return "parked"
    if credit is Place.DISCARDED:
        return "ended"
    if row["in_outbox"]:
        return "outbox"
    return "kafka" if row["purpose"] == TOP_UP else "ended"


def percentile(ordered: list[float], percent: int) -> float | None:
    """The nearest-rank percentile of what is in rising order, in milliseconds' precision; None of nothing."""
    if not ordered:
        return None
    return round(ordered[max(0, -(-len(ordered) * percent // 100) - 1)], 3)


def minutes(credits: list[Credit], until: datetime) -> list[dict[str, Any]]:
    """Of each minute of the last hour, oldest first: how many credits, and how long they took in seconds."""
    first = until.replace(second=0, microsecond=0) - timedelta(minutes=CHART_MINUTES - 1)
    seconds: list[list[float]] = [[] for _ in range(CHART_MINUTES)]
    for credit in credits:
        place = int((credit.at - first) // timedelta(minutes=1))
        if 0 <= place < CHART_MINUTES:
            seconds[place].append(credit.seconds)
    return [
        {
            "at": first + timedelta(minutes=place),
            "credits": len(of_minute),
            "p50": percentile(sorted(of_minute), 50),
            "p99": percentile(sorted(of_minute), 99),
        }
        for place, of_minute in enumerate(seconds)
    ]


def lines(content: dict[str, Any]) -> Iterator[str]:
    """For people; the minutes are for a chart, and left out."""
    yield from text.lines({name: value for name, value in content.items() if name != "minutes"})
