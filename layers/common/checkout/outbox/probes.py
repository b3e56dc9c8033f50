"""Records that their consumers commit without effect, in this release and in the one before.

A balance stays as it is, and nothing is parked:
- on checkout.finished for three reasons, each of them enough: the status moves no balance, the purpose is not
  that of a top-up, and no balance has the currency;
- on checkout.requests because a request for another currency than the balance's, if not for so little, is
  refused before its user is looked up or Stripe is asked. The refusal is kept in one row, since every such
  record has the same request_id, and answered as `failed`, with the same purpose and currency.
"""

from datetime import UTC, datetime

from msgspec import Struct

from checkout.base.user_ids import UserId
from checkout.outbox import finished_event, request_event
from checkout.outbox.finished_event import CheckoutFinishedEvent, iso_utc
from checkout.outbox.request_event import CheckoutRequestEvent

REQUEST_ID = "smoke:triggers"
PURPOSE = "smoke"
CURRENCY = "xxx"
"""ISO 4217's code for no currency."""

AMOUNT_CENTS = 1


class Probe(Struct, frozen=True):
    """A record, and the consumer group that must commit it."""

    topic: str
    group: str
    key: bytes
    value: bytes


def probes(user_id: UserId) -> list[Probe]:
    """One for each topic, with an id that no user of the application has."""
    now = iso_utc(datetime.now(UTC))
    finished = CheckoutFinishedEvent(
        request_id=REQUEST_ID,
        user_id=user_id,
        amount_cents=AMOUNT_CENTS,
        currency=CURRENCY,
        purpose=PURPOSE,
        status="failed",
        error_message="This is no payment: it shows that the topic is read.",
        timestamp=now,
    )
    requested = CheckoutRequestEvent(
        request_id=REQUEST_ID,
        user_id=user_id,
        amount_cents=AMOUNT_CENTS,
        currency=CURRENCY,
        purpose=PURPOSE,
        timestamp=now,
    )
    key = str(user_id).encode()
    return [
        Probe(finished_event.TOPIC, finished_event.CONSUMER_GROUP, key, finished.encoded()),
        Probe(request_event.TOPIC, request_event.CONSUMER_GROUP, key, requested.encoded()),
    ]
