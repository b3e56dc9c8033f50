"""Every outcome of a payment, with its events in every order: the same rows, entries and balance at the end.

Stripe (the simulator) lives each outcome once. `tests/support/every_order.py` says how its events are told.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

import pytest

from checkout.base.user_ids import BIGINT, UserId
from checkout.outbox.finished_event import decoded
from checkout.outbox.table import Message
from tests.support import every_order
from tests.support.every_order import Order, described
from tests.support.functions import Functions
from tests.support.outcomes import OUTCOMES, End
from tests.support.stripe_lives import BEFORE_PRICES, Payer, Telling
from tests.support.stripe_simulator import Simulator

pytestmark = pytest.mark.usefixtures("quiet")

ALL_ORDERS_UP_TO = 6


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_every_order_of_its_events_ends_the_same(fns: Functions, living: Simulator, outcome: str) -> None:
    live, expected = OUTCOMES[outcome]
    # Which of two payments is the second one, only the session that is known before can tell.
    told, messages = every_order.in_every_order(
        fns,
        live(Payer(living)),
        outcome,
        sale=BEFORE_PRICES,
        all_up_to=ALL_ORDERS_UP_TO,
        first_is_known=len(expected.rows) > 1,
    )

    check_emitted_once(told, messages, expected, outcome)
    ends = every_order.all_ends(fns, told)
    for telling, order in told.items():
        assert ends[telling.user_id] == expected, described(outcome, telling, order)
    every_order.check_nothing_is_left(fns)
    every_order.check_verified(reversed_beyond_paid=len(told) if expected.balance < 0 else 0)


def check_emitted_once(
    told: Mapping[Telling, Order], messages: Sequence[Message], expected: End, outcome: str
) -> None:
    """However often it was told. `failed` moves nothing; where the payment succeeds in the end, some orders
    emit it before and some never."""
    emitted: dict[UserId, Counter[str]] = defaultdict(Counter)
    for message in messages:
        event = decoded(message.value, "eur", BIGINT)
        emitted[event.user_id][event.effect.effect_key if event.effect else event.status] += 1
    effects = expected.entries.keys() | (set() if expected.entries else {"failed"})
    for telling, order in told.items():
        found = Counter({telling.readable(key): count for key, count in emitted[telling.user_id].items()})
        found.pop("failed" if expected.entries else "", None)
        assert found == Counter(effects), described(outcome, telling, order)
