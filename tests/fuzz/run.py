"""Sends thousands of inputs in several threads, and prints a line every few seconds."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from random import Random
from urllib.parse import urlsplit

from tests.fuzz import records, routes
from tests.fuzz.callers import Callers
from tests.fuzz.payments import GoodPayments
from tests.fuzz.raw_http import Answer, Connection, Request
from tests.fuzz.records import Record
from tests.fuzz.topics import Stuck, Topics
from tests.fuzz.webhooks import Webhooks

SHARES = {"create": 20, "read": 17, "public": 8, "webhook": 22, "finished": 19, "requests": 8, "good": 6}
"""Percent of the inputs by kind."""

THREADS = 12
SAY_SECONDS = 5.0
NO_HTTP = b"Invalid HTTP request received."
"""The server's answer to bytes that are not allowed in headers."""

MOST_PROBLEMS = 20
"""The number of problems after which a run stops."""


@dataclass(frozen=True)
class Input:
    """An input by its kind and its number."""

    kind: str
    number: int

    def random(self, seed: int) -> Random:
        return Random(f"{seed} {self.kind} {self.number}")

    def __str__(self) -> str:
        return f"{self.kind}:{self.number}"


@dataclass
class Tally:
    """The results so far; may be shared by threads."""

    statuses: dict[str, Counter[int]] = field(default_factory=dict)
    """The number of answers by kind and status; records have 0."""
    problems: list[str] = field(default_factory=list)
    records: dict[bytes, str] = field(default_factory=dict)
    """The inputs that were produced to the topics, by their values."""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def done(self) -> int:
        return sum(counter.total() for counter in self.statuses.values())

    def count(self, kind: str, status: int) -> None:
        with self._lock:
            self.statuses.setdefault(kind, Counter())[status] += 1

    def problem(self, given: Input, what: str) -> None:
        with self._lock:
            self.problems.append(f"{given}: {what}")

    def put(self, given: Input, record: Record) -> None:
        with self._lock:
            self.records[record.value or b""] = str(given)


class Fuzzer:
    def __init__(
        self,
        seed: int,
        api_url: str,
        callers: Callers,
        webhooks: Webhooks,
        topics: Topics,
        good: GoodPayments,
        known: tuple[str, ...],
    ) -> None:
        """`known` are existing request ids and cursors."""
        self.tally = Tally()
        self._seed = seed
        address = urlsplit(api_url)
        self._address = (str(address.hostname), int(address.port or 80))
        self._callers = callers
        self._webhooks = webhooks
        self._topics = topics
        self._good = good
        self._known = known
        self._stopping = threading.Event()

    def __call__(self, inputs: Sequence[Input], until: float, say: Callable[[str], None]) -> None:
        """Send all inputs, in about this order. Ends early at `until` (time.monotonic()), and after many
        problems, which is a problem, too."""
        begun, queue = time.monotonic(), iter(inputs)
        lock = threading.Lock()

        def work() -> None:
            connection = Connection(*self._address)
            while not self._stopping.is_set():
                with lock:
                    given = next(queue, None)
                if given is None:
                    break
                self._do(given, connection)
            connection.close()

        with ThreadPoolExecutor(THREADS + 1) as pool:
            workers = [pool.submit(work) for _ in range(THREADS)]
            payer = pool.submit(self._pay_asked)
            while not all(worker.done() for worker in workers):
                time.sleep(0.2)
                seconds = time.monotonic() - begun
                if seconds % SAY_SECONDS < 0.2:
                    done, problems = self.tally.done, len(self.tally.problems)
                    say(f"{done:,} of {len(inputs):,} inputs, {done / seconds:.0f}/s, {problems} problems")
                if time.monotonic() > until or len(self.tally.problems) >= MOST_PROBLEMS:
                    self._stopping.set()
            self._stopping.set()
            for future in (*workers, payer):
                future.result()
        if self.tally.done < len(inputs):
            self.tally.problems.append(f"only {self.tally.done:,} of {len(inputs):,} inputs were made")

    def _do(self, given: Input, connection: Connection) -> None:
        random, users = given.random(self._seed), self._callers.user_ids
        match given.kind:
            case "create":
                self._ask(given, routes.create(random, self._callers), connection)
            case "read":
                self._ask(given, routes.read(random, self._callers, self._known), connection)
            case "public":
                self._ask(given, routes.public(random), connection)
            case "webhook":
                self._ask(given, self._webhooks.make(random), connection)
            case "finished":
                self._put(given, records.finished(random, users))
            case "requests":
                self._put(given, records.requested(random, users))
            case _:
                self._guard(given, lambda: self._good.make(random))

    def _ask(self, given: Input, request: Request, connection: Connection) -> None:
        answer = connection.ask(request)
        self.tally.count(given.kind, answer.status)
        if wrong := wrong_answer(request, answer):
            self.tally.problem(given, f"{wrong}: {str(request)[:1500]} -> {answer.body[:500]!r}")

    def _put(self, given: Input, record: Record) -> None:
        self.tally.put(given, record)
        self._guard(given, lambda: self._topics.produce(record))

    def _guard(self, given: Input, act: Callable[[], None]) -> None:
        try:
            act()
        except (AssertionError, Stuck, OSError) as error:
            self.tally.problem(given, f"{type(error).__name__}: {str(error)[:1500]}")
        self.tally.count(given.kind, 0)

    def _pay_asked(self) -> None:
        while not self._stopping.wait(0.3):
            try:
                self._good.pay_asked()
            except (AssertionError, OSError) as error:
                self.tally.problem(Input("good", -1), f"a session asked for by Kafka: {error}")


def wrong_answer(request: Request, answer: Answer) -> str | None:
    """The problem of an answer to any request, or None."""
    if answer.status == 0:
        return "no answer"
    if answer.status >= 500:
        return f"status {answer.status}"
    if answer.body == NO_HTTP:
        return None
    if request.allowed and answer.status not in request.allowed:
        return f"status {answer.status}, not one of {sorted(request.allowed)}"
    if b"Traceback" in answer.body:
        return "a stack trace"
    return None


def plan(seed: int, total: int) -> list[Input]:
    """The inputs of all kinds by SHARES, shuffled."""
    whole = sum(SHARES.values())
    inputs = [Input(kind, n) for kind, share in SHARES.items() for n in range(total * share // whole)]
    inputs += [Input("public", total + n) for n in range(total - len(inputs))]
    Random(seed).shuffle(inputs)
    return inputs
