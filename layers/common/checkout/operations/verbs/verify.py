"""`verify`: check what must always hold, over all that is stored. It is the last line of defence.

Everything is checked in ranges: users first, and then payments next to Stripe's books. The position is
stored, so if a run is out of time, or dies, the next one continues there. No statement takes longer
because the tables are longer.
"""

import time
from argparse import Namespace
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

from checkout.base import telemetry, timing
from checkout.base.postgres import Transaction, take_time
from checkout.operations import finding_words, invariants
from checkout.operations import findings_table as stored_findings
from checkout.operations.audit_books import BooksAudit
from checkout.operations.audit_ledger import LedgerAudit
from checkout.operations.finding_words import WORDS
from checkout.operations.findings import SAMPLES, Finding, Findings
from checkout.operations.verb import Outcome, Verbs, number
from checkout.reconciliation import state as reconciler_state
from checkout.system import System

MOST_SECONDS = 7 * 86_400
POSITION = "verify"
SAVED_EVERY_SECONDS = 1.0

Position = dict[str, Any]
Progress = Callable[[str], None]
Search = Callable[[Transaction, int], tuple[int, list[dict[str, Any]]]]


def declare(verbs: Verbs) -> None:
    verify = verbs.add(
        "verify", "check every invariant; exit status 1 if one is broken", run, lines=finding_words.of_all
    )
    verify.add_argument(
        "--seconds",
        type=number(1, MOST_SECONDS),
        default=timing.OPERATION,
        help="end after so long; the next run continues there; %(default)s by default",
    )
    verify.add_argument(
        "--anew", action="store_true", help="begin again, not at the point that the last run reached"
    )


def run(given: Namespace, system: System) -> Outcome:
    verified = Verify(system)(deadline=time.monotonic() + given.seconds, anew=given.anew, progress=given.say)
    findings = [{**asdict(found), **finding_words.said(found.name, found.count)} for found in verified]
    return Outcome(
        {"findings": findings, "complete": verified.complete},
        clean=verified.is_clean and verified.complete,
    )


@dataclass(frozen=True, slots=True)
class Verified:
    """What a run found; iterating gives the findings. `complete` is False if the next one continues."""

    findings: list[Finding]
    complete: bool

    def __iter__(self) -> Iterator[Finding]:
        return iter(self.findings)

    @property
    def is_clean(self) -> bool:
        return not any(finding.is_offence and finding.count for finding in self.findings)


class Verify:
    def __init__(self, system: System) -> None:
        self._checkout, self._application = system.checkout_database, system.application_database
        self._foreign_producers = system.config.foreign_producers
        self._ledger = LedgerAudit(self._checkout, self._application, system.config.currency)
        self._books = BooksAudit(self._checkout, system.config.stripe_livemode)

    def __call__(
        self, *, deadline: float | None = None, anew: bool = False, progress: Progress = lambda _: None
    ) -> Verified:
        """Every check, also those that found nothing; each is a metric.

        Without a deadline all of it. With one (time.monotonic()) the run continues at the position that the
        last run left, or begins if there is none, or if it should begin `anew`; it checks one range at
        least, and reports only what it found itself. Raises DatabaseUnavailable.
        """
        findings = self._none_yet()
        try:
            self._small(findings)
            complete = self._ranges(findings, deadline, anew, progress)
        except Exception:
            # The next run continues after this point, so nobody would learn of these findings.
            self._report(findings)
            raise
        self._report(findings)
        return Verified(list(findings), complete)

    def _none_yet(self) -> Findings:
        with self._checkout.transaction() as tx:
            accepted = stored_findings.accepted(tx)
        return Findings([self._expected(name, words.is_offence) for name, words in WORDS.items()], accepted)

    def _expected(self, name: str, is_offence: bool) -> Finding:
        is_normal = name == "CreditWithoutTransaction" and self._foreign_producers
        return Finding(name, is_offence and not is_normal, has_alarm=not is_normal)

    def _small(self, findings: Findings) -> None:
        """Checks of few rows, however long the tables are."""
        in_application: dict[str, Search] = {
            "EffectTwiceInLedger": invariants.repeated_effects,
            "RecordsParked": invariants.open_parked,
        }
        in_checkout: dict[str, Search] = {
            "OutboxStuck": invariants.stuck_messages,
            "EventsHeld": lambda tx, limit: invariants.unsettled_events(tx, "held", limit),
            "EventsWaiting": lambda tx, limit: invariants.unsettled_events(tx, "waiting", limit),
            "EventsStuck": invariants.stuck_events,
        }
        for database, searches in ((self._application, in_application), (self._checkout, in_checkout)):
            with database.transaction() as tx:
                take_time(tx)
                for name, search in searches.items():
                    findings.report(name, *search(tx, SAMPLES))

    def _ranges(self, findings: Findings, deadline: float | None, anew: bool, progress: Progress) -> bool:
        """Return True if it came to the end."""
        position: Position | None = self._beginning(deadline, anew)
        saved_at = time.monotonic()
        while position is not None:
            position = self._step(position, findings)
            now = time.monotonic()
            is_out_of_time = deadline is not None and now > deadline
            if position is None or is_out_of_time or now - saved_at > SAVED_EVERY_SECONDS:
                progress(_line(position))
                saved_at = now
                if deadline is not None:
                    self._save(position)
            if is_out_of_time:
                break
        return position is None

    def _step(self, position: Position, findings: Findings) -> Position | None:
        """Check one range, and return where to continue; None at the end."""
        checked = position["checked"]
        if position["part"] == "users":
            upto, entries = self._ledger.range(position["after"], findings)
            checked += entries
            if upto is not None:
                return {"part": "users", "after": upto, "checked": checked}
            return {"part": "payments", "after": self._books.START, "checked": checked}
        payment = self._books.range(position["after"], findings)
        return None if payment is None else {"part": "payments", "after": payment, "checked": checked}

    def _beginning(self, deadline: float | None, anew: bool) -> Position:
        first: Position = {"part": "users", "after": self._ledger.start, "checked": 0}
        if deadline is None or anew:
            return first
        with self._checkout.transaction() as tx:
            saved = reconciler_state.load(tx, POSITION)
        return saved if saved and saved.get("part") else first

    def _save(self, position: Position | None) -> None:
        with self._checkout.transaction() as tx:
            reconciler_state.save(tx, POSITION, position or {})

    def _report(self, findings: Findings) -> None:
        """Count and log them, and keep the samples that are shown, which can be accepted by their ids."""
        for finding in findings:
            if finding.has_alarm:
                telemetry.count(finding.name, finding.count)
            if finding.is_offence and finding.count:
                telemetry.logger.error(
                    "invariant broken", extra={"check": finding.name, "found": finding.count}
                )
        shown = [
            (sample["finding"], finding.name, {k: v for k, v in sample.items() if k != "finding"})
            for finding in findings
            for sample in finding.samples
            if "finding" in sample
        ]
        with self._checkout.transaction() as tx:
            stored_findings.store(tx, shown)


def _line(position: Position | None) -> str:
    if position is None:
        return "verify: all is checked"
    part = "user" if position["part"] == "users" else "payment"
    return f"verify: {position['checked']:,} ledger entries are checked, up to {part} {position['after']}"
