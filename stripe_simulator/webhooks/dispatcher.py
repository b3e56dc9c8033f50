"""Delivers events until the endpoints answer with a 2xx, or until Stripe would give up."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from stripe_simulator.addresses import may_be_posted_to
from stripe_simulator.agenda import Agenda
from stripe_simulator.settings import Settings
from stripe_simulator.storage.database import Database
from stripe_simulator.storage.transaction import Transaction
from stripe_simulator.webhooks import deliveries
from stripe_simulator.webhooks.deliveries import Delivery
from stripe_simulator.webhooks.posting import PostFailed, post
from stripe_simulator.webhooks.signing import signature_header

PARALLEL = 32
"""The attempts at one endpoint at a time, so a slow one does not delay the others; briefly twice as many."""

USER_AGENT = "Stripe/1.0 (+https://stripe.com/docs/webhooks)"


@dataclass(frozen=True)
class _Outcome:
    """`answer` is the status, or the reason why there was none."""

    accepted: bool
    answer: str


class Dispatcher:
    def __init__(self, database: Database, settings: Settings, clock: Callable[[], float]) -> None:
        self._database = database
        self._settings = settings
        self._clock = clock
        self._under_way: dict[int, tuple[Delivery, asyncio.Task[None]]] = {}
        self._answered: dict[str, asyncio.Event] = {}
        self.agenda = Agenda(self._start_due, clock)

    async def run(self) -> None:
        """Deliver until cancelled; attempts under way are cancelled, too, and repeated after a restart."""
        try:
            await self.agenda.run()
        finally:
            attempts = [task for _, task in self._under_way.values()]
            for task in attempts:
                task.cancel()
            await asyncio.gather(*attempts, return_exceptions=True)

    async def wait_until_answered(self, event_ids: list[str], timeout_seconds: float) -> None:
        """Return once every endpoint has answered these events, or when the time is up."""
        signals = [self._answered.setdefault(event_id, asyncio.Event()) for event_id in event_ids]
        try:
            async with asyncio.timeout(timeout_seconds):
                if not await self._database.run(
                    lambda transaction: deliveries.answered(transaction, event_ids)
                ):
                    for signal in signals:
                        await signal.wait()
        except TimeoutError:
            return
        finally:
            for event_id in event_ids:
                self._answered.pop(event_id, None)

    async def _start_due(self) -> float | None:
        under_way = list(self._under_way)
        per_endpoint = Counter(delivery.endpoint_id for delivery, _ in self._under_way.values())
        busy = [endpoint_id for endpoint_id, count in per_endpoint.items() if count >= PARALLEL]
        due, next_at = await self._database.run(
            lambda transaction: deliveries.due(transaction, PARALLEL, under_way, busy)
        )
        for delivery in due:
            self._under_way[delivery.seq] = delivery, asyncio.create_task(self._attempt(delivery))
        return next_at

    async def _attempt(self, delivery: Delivery) -> None:
        try:
            started = time.perf_counter()
            outcome = await self._send(delivery)
            milliseconds = (time.perf_counter() - started) * 1000
            answered = await self._database.run(
                lambda transaction: _record(transaction, delivery, outcome, milliseconds)
            )
        finally:
            del self._under_way[delivery.seq]
            self.agenda.poke()
        if answered and delivery.event_id in self._answered:
            self._answered[delivery.event_id].set()

    async def _send(self, delivery: Delivery) -> _Outcome:
        # An endpoint of an earlier run may not be allowed any more.
        if not may_be_posted_to(delivery.url, self._settings.endpoints):
            return _Outcome(False, "not sent, since it is neither on loopback nor allowed")
        headers = {
            "Accept": "*/*; q=0.5, application/xml",
            "Cache-Control": "no-cache",
            "Content-Type": "application/json; charset=utf-8",
            "User-Agent": USER_AGENT,
            "Stripe-Signature": signature_header(delivery.body, delivery.secret, int(self._clock())),
        }
        try:
            status = await post(delivery.url, delivery.body, headers, self._settings.webhook_timeout_seconds)
        except PostFailed as error:
            return _Outcome(False, str(error))
        return _Outcome(200 <= status <= 299, str(status))


def _record(transaction: Transaction, delivery: Delivery, outcome: _Outcome, milliseconds: float) -> bool:
    """True if every endpoint has now answered this event."""
    about = f"{delivery.event_type} {delivery.event_id}"
    if delivery.request_id:
        about += f" request_id={delivery.request_id}"
    if outcome.accepted:
        deliveries.record_success(transaction, delivery.seq)
        transaction.say(f"webhook delivered {about}: {outcome.answer} in {milliseconds:.0f} ms")
    else:
        wait = deliveries.record_failure(transaction, delivery.seq)
        after = "given up" if wait is None else f"again in {wait:g} s"
        transaction.say(f"webhook failed {about}: {outcome.answer} in {milliseconds:.0f} ms, {after}")
    return deliveries.answered(transaction, [delivery.event_id])
