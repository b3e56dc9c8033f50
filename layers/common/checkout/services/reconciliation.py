"""Find succeeded payments that were never credited, and emit them again: Kafka may lose everything.

If the process dies before its commit, nothing happened; after it, the outbox has what is to be emitted. To
emit a payment that is credited after all changes nothing.
"""

from dataclasses import asdict, dataclass
from typing import Any

from checkout import telemetry
from checkout.adapters import ledger, transactions
from checkout.adapters.postgres import Database
from checkout.config import Config
from checkout.domain.effects import TOP_UP, success_key
from checkout.services.delivery import Delivery, enqueue
from checkout.services.payments import success_event

MOST_PER_RUN = 500
LONGEST_WAIT_SECONDS = 24 * 3600


@dataclass(frozen=True, slots=True)
class Reconciled:
    """How many payments a run looked at, and what it found."""

    credited: int
    parked: int
    emitted: int

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


class ReemitUncredited:
    def __init__(self, checkout: Database, application: Database, delivery: Delivery, config: Config) -> None:
        self._checkout = checkout
        self._application = application
        self._delivery = delivery
        self._config = config

    def __call__(self) -> Reconciled:
        """At most 500 payments, each at twice the interval of its last look. Raises DatabaseUnavailable."""
        after = self._config.reemit_after_seconds
        with self._checkout.transaction() as cursor:
            due = transactions.due_for_check(cursor, purpose=TOP_UP, after_seconds=after, limit=MOST_PER_RUN)
            events = {success_key(row.request_id): success_event(row) for row in due}
            with self._application.transaction() as other:
                in_ledger = ledger.claims(other, events.keys())
                parked = ledger.parked_claims(other, events.keys())
            credited, waiting, lost = [], [], []
            for key, event in events.items():
                claim = (event.user_id, event.amount_cents, event.currency)
                if key in in_ledger:
                    credited.append(event)
                elif (key, claim) in parked:
                    waiting.append(event)
                else:
                    lost.append(event)
            transactions.credited(cursor, [event.request_id for event in credited])
            transactions.check_again(
                cursor,
                [event.request_id for event in waiting + lost],
                after_seconds=after,
                at_most_seconds=LONGEST_WAIT_SECONDS,
            )
            queued = [enqueue(cursor, success_key(event.request_id), event) for event in lost]
        for event in lost:
            telemetry.logger.warning(
                "uncredited payment emitted again", extra={"request_id": event.request_id}
            )
        telemetry.count("UncreditedPaymentsEmitted", len(lost))
        self._delivery.at_once([message for message in queued if message is not None])
        return Reconciled(credited=len(credited), parked=len(waiting), emitted=len(lost))
