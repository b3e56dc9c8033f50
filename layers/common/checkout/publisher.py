"""Ask for a Checkout session through Kafka: for other services, by one import or from the command line.

The answer comes on `checkout.finished` under the same request_id: `session_created` with `session_url`, where
the customer pays, or `failed` with `error_message`; after `session_created` also what becomes of the payment.
Needs KAFKA_BROKERS, and the stack's KAFKA_TOPIC_PREFIX, if it has one.
"""

import argparse
import os
import sys
from datetime import UTC, datetime
from functools import cache

from checkout.base import terminal, timing
from checkout.base.config import Config
from checkout.base.errors import CheckoutError, Unavailable
from checkout.base.request_ids import new_request_id
from checkout.base.text import printable
from checkout.base.user_ids import UserId
from checkout.outbox.effects import TOP_UP
from checkout.outbox.finished_event import iso_utc
from checkout.outbox.request_event import TOPIC, CheckoutRequestEvent, decoded
from checkout.outbox.table import Message
from checkout.system import System


@cache
def _system() -> System:
    return System(Config(os.environ))


def request_session(
    user_id: UserId,
    amount_cents: int,
    *,
    request_id: str | None = None,
    currency: str | None = None,
    purpose: str = TOP_UP,
    success_url: str | None = None,
    cancel_url: str | None = None,
) -> str:
    """The request_id, made up if none is given; the brokers have acknowledged the request then.

    Raises ValueError, naming the field, for what would be put aside unanswered; Unavailable if the brokers
    did not acknowledge within 10 s. Whoever makes up the request_id and keeps it can repeat the call then, or
    after a crash: one request_id is one session, however often it is asked for. Not for several threads at
    once.
    """
    event = CheckoutRequestEvent(
        request_id=new_request_id() if request_id is None else request_id,
        user_id=user_id,
        amount_cents=amount_cents,
        currency=currency,
        purpose=purpose,
        timestamp=iso_utc(datetime.now(UTC)),
        success_url=success_url,
        cancel_url=cancel_url,
    )
    accepted = decoded(event.encoded(), _system().config.user_ids)
    # In its canonical form: one user's records have one key.
    message = Message(event.request_id, TOPIC, str(accepted.user_id), event.encoded())
    if not _system().kafka_publisher.publish([message], timing.PUBLISH_REQUEST).acknowledged:
        raise Unavailable(f"Kafka did not acknowledge request {accepted.request_id}; it can be sent again.")
    return accepted.request_id


def _user(given: str) -> UserId:
    """The id in canonical form. Text that is no id is returned unchanged, and the request is then refused."""
    return _system().config.user_ids.from_text(given) or given


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m checkout.publisher",
        description="Ask for a Checkout session on the topic checkout.requests; prints the request_id.",
        epilog="Reads KAFKA_BROKERS, KAFKA_TOPIC_PREFIX and USER_ID_TYPE. The answer comes on the topic"
        " checkout.finished.",
    )
    parser.add_argument(
        "--user", dest="user_id", type=_user, required=True, metavar="ID", help="whose balance is topped up"
    )
    parser.add_argument("--amount-cents", type=int, required=True, metavar="N", help="in minor units")
    parser.add_argument("--request-id", metavar="TEXT", help="the same one again gives the same session")
    parser.add_argument("--currency", metavar="CODE", help="the balance's, if not given")
    parser.add_argument("--purpose", default=TOP_UP, help="%(default)s, if not given")
    parser.add_argument("--success-url", metavar="URL", help="where the customer goes after paying")
    parser.add_argument("--cancel-url", metavar="URL", help="where the customer goes without paying")
    given = parser.parse_args(arguments)
    try:
        request_id = request_session(**vars(given))
    except (ValueError, CheckoutError) as error:
        terminal.complain(printable(str(error)))
        return 1
    terminal.say(printable(request_id))
    return 0


if __name__ == "__main__":
    sys.exit(main())
