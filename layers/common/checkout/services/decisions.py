"""What operators have decided never to apply. It is kept in both databases, so that a restore of the
application's does not have it applied after all.

If the process dies between the two commits, the checkout database has a discard that the other one has not:
the record is still open there, and an operator decides again. A decision that is taken back is gone here
first: it would not survive a restore then, and the record is still discarded there.
"""

from collections.abc import Sequence

from checkout.adapters import discarded_effects, ledger
from checkout.adapters.discarded_effects import Discarded
from checkout.adapters.parked import ParkedRecord
from checkout.adapters.postgres import Database
from checkout.domain.fields import Unprocessable
from checkout.domain.finished_event import CheckoutFinishedEvent, decoded
from checkout.services import whereabouts
from checkout.services.whereabouts import Place

AT_ONCE = 500


class Decisions:
    def __init__(self, checkout: Database, application: Database) -> None:
        self._checkout = checkout
        self._application = application

    def keep(self, records: Sequence[ParkedRecord], *, reason: str, operator: str | None) -> None:
        """They are discarded. To be called before the application's transaction commits that. Raises
        DatabaseUnavailable."""
        discarded = [_discarded(record, reason, operator) for record in records]
        with self._checkout.transaction() as cursor:
            discarded_effects.keep(cursor, [one for one in discarded if one is not None])

    def take_back(self, records: Sequence[ParkedRecord]) -> None:
        """They are applied. To be called before the application's transaction commits that. Raises
        DatabaseUnavailable."""
        keys = {record.effect_key for record in records if record.effect_key is not None}
        with self._checkout.transaction() as cursor:
            discarded_effects.take_back(cursor, keys)

    def restore(self) -> int:
        """Discard again what the application's database, restored, neither has entered nor knows as parked.
        Returns how many. Raises DatabaseUnavailable."""
        restored = 0
        last: Discarded | None = None
        while True:
            with self._checkout.transaction() as cursor:
                page = discarded_effects.page(cursor, behind=last, limit=AT_ONCE)
            if page:
                restored += self._discard_again(page)
            if len(page) < AT_ONCE:
                return restored
            last = page[-1]

    def _discard_again(self, page: Sequence[Discarded]) -> int:
        with self._application.transaction() as cursor:
            # As the consumer does, which therefore comes wholly before or after this.
            ledger.lock_users(cursor, {one.user_id for one in page})
            places = whereabouts.find(cursor, [one.effect for one in page])
            gone = [one for one in page if places[one.effect_key] in (Place.NOWHERE, Place.ENTERED_OTHERWISE)]
            if gone:
                discarded_effects.discard_again(cursor, gone)
        return len(gone)


def _discarded(record: ParkedRecord, reason: str, operator: str | None) -> Discarded | None:
    """None if the record could not be read: it asks for nothing that could be emitted again."""
    if (
        record.effect_key is None
        or record.user_id is None
        or record.amount_cents is None
        or record.currency is None
    ):
        return None
    event = _said(record.value, record.currency)
    return Discarded(
        effect_key=record.effect_key,
        user_id=record.user_id,
        amount_cents=record.amount_cents,
        currency=record.currency,
        request_id=record.request_id,
        payment_intent_id=event.payment_intent_id if event else None,
        dispute_id=event.dispute_id if event else None,
        topic=record.topic,
        partition=record.partition,
        kafka_offset=record.kafka_offset,
        value=event.encoded() if event else None,
        parked_for=record.reason,
        reason=reason,
        operator=operator,
    )


def _said(value: bytes, currency: str) -> CheckoutFinishedEvent | None:
    try:
        return decoded(value, currency) if value else None
    except Unprocessable:
        return None
