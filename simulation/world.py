"""One world: who is in it, what is true there, and the time."""

from collections import Counter
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any, Protocol

from checkout.operations import four_eyes
from simulation import connections, kafka, swarm
from simulation.clock import Clock
from simulation.connections import WorldsDatabase
from simulation.databases import WorldDatabase
from simulation.deeds import Deeds
from simulation.discarded import replayed
from simulation.kafka import Topic
from simulation.metrics import Metrics
from simulation.stripe_model.account import Account, Resource
from simulation.stripe_model.keys import Keys
from simulation.stripe_model.lag import Lag
from simulation.stripe_model.model import StripeModel
from simulation.stripe_model.refunding import Refunding
from simulation.stripe_model.webhooks import Webhooks
from simulation.tape import Tape

API_VERSION = "2026-10-28.endive"
OLD_API_VERSION = "2025-09-30.clover"
CURRENCY = "eur"
SETTLEMENT = "usd"
"""In which Stripe settles where it is not the currency of the balances."""
RATES = (1.05, 1.1, 1.15)
"""How many of those are worth one of these."""
TOP_UP = "balance_topup"
USERS = (1, 2, 3)
UNSEEN_SECONDS = 1800


class Processes(Protocol):
    """Where the code runs."""

    def run(self, act: Callable[..., Any]) -> Any: ...
    def run_in(self, environment: Any, act: Callable[..., Any]) -> Any: ...
    def replace(self) -> None: ...
    def deploy(self) -> None: ...
    def complete(self) -> None: ...


class World(Deeds):
    """`log` says what happened; `counts` how often. With `is_calm` nothing goes wrong any more."""

    has_release_before = False
    """True if that works in it, too."""
    works_at_once = False
    """True if several processes do."""

    def __init__(self, tape: Tape, clock: Clock, checkout: WorldDatabase, application: WorldDatabase) -> None:
        super().__init__()
        self.tape, self.clock = tape, clock
        self.checkout, self.application = checkout, application
        self.swarm = swarm.of(tape.seed)
        # Where pages are small, so is what stands for a large table.
        checkout.most_rows = None if self.works_at_once else self.swarm.page
        self.account = Account(clock, tape.digits, self._described, self._settled)
        refunding = Refunding(self.account, clock, is_slow=lambda: tape.chance(0.3))
        self.stripe = StripeModel(self.account, Keys(), refunding, Lag(self.account, clock))
        if self.swarm.is_in_organisation:
            # What Stripe does not show for longer is taken for another account's.
            self.stripe.unseen_seconds = UNSEEN_SECONDS
        self.webhooks = Webhooks(self.account, clock)
        self.metrics = Metrics(clock)
        self.metrics.listen()
        self.topics = {name: Topic(name) for name in (kafka.FINISHED, kafka.REQUESTS)}
        self.settings = {"PUBLIC_ORIGIN": "https://pay.example.com"}
        """Those that differ from ENVIRONMENT of processes.py, or may."""
        self.broker_returns = 0.0
        """Until then Kafka takes nothing."""
        self.unpublished: dict[str, bytes] = {}
        """By effect key, messages that Kafka did not take: the outbox still has them."""
        self.restored_to: float | None = None
        """The earliest point in time to which a database was restored, until that is mended."""
        self.restores = 0
        self.restores_decided = 0
        """The number of restores when the last drill began, which brings the decisions back."""
        self.published_before = 0
        """How many records of effects had been published at the first restore since then."""
        self.answered_before = 0
        """How many different records had been published at the last restore."""
        self.lost: set[tuple[str, str]] = set()
        """Kind and source of the payments' entries that restores have taken away."""
        self.newest_entry = 0
        """The highest number of an entry that was there before a restore."""
        self.log: list[str] = []
        self.counts: Counter[str] = Counter()
        self.is_calm = False
        self.calls_left: int | None = None
        """After how many more calls a process dies; None if that is left to the faults."""
        application.rule = self.swarm.rule
        self.act: Callable[[], None] = lambda: None
        """One more act, chosen by the tape."""
        self.judge: Callable[[], None] = lambda: None
        """Requires what must hold after every commit."""
        self.depth = 0
        """Above 0 while others act because a process waits."""
        self.interruptions = 0
        """How often a process has waited, and others may have acted meanwhile."""
        self.processes: Processes
        self.connecting: Callable[[WorldDatabase, connections.Faults], WorldsDatabase] = WorldsDatabase
        """Makes what a process knows of a database."""
        clock.while_asleep = self.meanwhile
        # The ids that the code makes are the seed's, too.
        code: Any = four_eyes
        code.uuid = SimpleNamespace(uuid4=tape.uuid)

    def _described(self, resource: Resource) -> Resource:
        """The resource in an event. An endpoint of an older version has the amounts of a session as texts."""
        is_old = self.tape.chance(0.05)
        if is_old and resource["object"] == "checkout.session":
            amounts = {name: str(resource[name]) for name in ("amount_subtotal", "amount_total")}
            resource = {**resource, **amounts}
        return {"api_version": OLD_API_VERSION if is_old else API_VERSION, "data": {"object": resource}}

    def _settled(self, amount: int, currency: str) -> tuple[int, str]:
        """An amount as Stripe settles it, at the rate of the moment. The release before counts otherwise."""
        if not self.swarm.settles_elsewhere or self.has_release_before or currency == SETTLEMENT:
            return amount, currency
        return round(amount * self.tape.pick(RATES)), SETTLEMENT

    def say(self, line: str) -> None:
        self.log.append("  " * self.depth + line)

    def fault(self, place: str, names: Sequence[str]) -> str | None:
        if self.is_calm:
            return None
        # Sessions are seldom begun.
        rate = self.swarm.rate * (3 if place.startswith("Stripe POST") else 1)
        found = self.tape.fault(place, names, rate)
        if found is not None:
            self.say(f"  fault at {place}: {found}")
        return found

    def dies_after(self, calls: int | None) -> None:
        """See `calls_left`."""
        self.calls_left = calls

    def is_last_call(self) -> bool:
        """True if the process that makes this call dies at it."""
        if self.calls_left is None:
            return False
        self.calls_left -= 1
        if self.calls_left >= 0:
            return False
        self.calls_left = None
        return True

    def run(self, what: str, act: Callable[..., Any]) -> Any:
        """`act` in a process. Returns what it returns, its CheckoutError, or Died."""
        result = self.processes.run(act)
        outcome = f"{type(result).__name__} {result}" if isinstance(result, BaseException) else result
        self.say(f"{what} → {outcome}")
        self.ran()
        return result

    @property
    def is_alone(self) -> bool:
        """No other process works at the same time."""
        return True

    def ran(self) -> None:
        """A process has come to an end, and others may not have."""
        if not self.depth:
            self.judge()

    def restored(self, database: WorldDatabase, number: int) -> None:
        """Roll the database back to its backup of this number; the functions are deployed anew."""
        if self.depth:
            return
        before = self._entries()
        self.discarded.forget(replayed(self.application))
        self.newest_entry = max(self.newest_entry, *self.entry_ids(), 0)
        time = database.restore(number)
        self.lost |= before - self._entries()
        if self.restores == self.restores_decided:
            self.published_before = len(self.topics[kafka.FINISHED].published)
        self.restored_to = time if self.restored_to is None else min(self.restored_to, time)
        self.answered_before = len(self.topics[kafka.FINISHED].ever)
        self.restores += 1
        self.stripe.keys.is_restored = True
        self.discarded.restored(database, time)
        self.accepted.restored()
        self.ignored.clear()
        self.discarded_records.clear()
        self.paid.clear()
        self.unpublished.clear()
        self.counts["restores"] += 1
        self.processes.replace()
        self.clock.pass_(self.tape.number(600, 7200))  # So long it takes.
        self.say(f"{database.name} is restored to a time {self.clock.epoch - time:.0f} s ago")

    def entry_ids(self) -> set[int]:
        return {row["id"] for row in self.application.rows("SELECT id FROM ledger_entries")}

    def _entries(self) -> set[tuple[str, str]]:
        found = self.application.rows(
            "SELECT kind, CASE kind WHEN 'success' THEN payment_intent_id ELSE source_id END AS source"
            " FROM ledger_entries"
        )
        return {(row["kind"], row["source"]) for row in found if row["source"] is not None}

    def meanwhile(self) -> None:
        """While a process waits without a transaction, others act."""
        self.interruptions += 1
        if self.depth or self.is_calm or self.checkout.is_open or self.application.is_open:
            return
        self.depth += 1
        try:
            for _ in range(self.tape.number(0, 2)):
                self.act()
        finally:
            self.depth -= 1
