"""What can happen in one world: each world has only some of the faults and acts, and others are more frequent
than in other worlds. So what two rare faults do together is seen where nothing else is in their way."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random

from simulation import connections, kafka, pages, server, terms
from simulation.stripe_model import api
from simulation.terms import Terms

AT_STATEMENT = (
    *(connections.LOST_BEFORE, connections.LOST_AFTER, *connections.REFUSED_BY_SERVER),
    *(connections.DIES_BEFORE, connections.DIES_AFTER, connections.FREEZES),
)
RATES = (0.0, 0.03, 0.08, 0.2)
WEIGHTS = {
    "sign up": 2.0,
    "ask": 9.0,
    "ask through Kafka": 3.0,
    "pay": 14.0,
    "expire": 1.0,
    "end debit": 6.0,
    "refund": 6.0,
    "move refund": 6.0,
    "dispute": 4.0,
    "move dispute": 10.0,
    "tell twice": 2.0,
    "deliver": 20.0,
    "lose event": 4.0,
    "consume": 14.0,
    "consume requests": 3.0,
    "relay": 4.0,
    "reconcile": 4.0,
    "die again and again": 8.0,
    "Stripe falls behind": 3.0,
    "broker away": 1.0,
    "refuse large": 0.7,
    "lose record": 1.0,
    "reset offsets": 1.0,
    "empty topic": 0.3,
    "pass time": 6.0,
    "move balance": 3.0,
    "back up": 3.0,
    "restore": 2.0,
    "lose hours": 1.0,
    "operate": 5.0,
    "discard": 3.0,
    "adjust": 1.5,
    "accept": 0.5,
    "refund by an operator": 3.0,
    "change rule": 1.0,
    "pass a month": 0.5,
    "pay elsewhere": 2.5,
    "get for nothing": 1.0,
    "foreign payment": 1.0,
    "order": 1.0,
    "poison": 2.0,
    "mislead": 1.5,
    "usurp": 0.5,
    "unmark": 0.5,
    "recover": 1.0,
    "change settings": 0.7,
    "mistake the app id": 0.4,
    "deploy another stack": 0.3,
}
DISPUTES = {"dispute": 3, "move dispute": 4, "change rule": 3, "move balance": 2, "pay": 1, "refund": 1}
THEMES: tuple[Mapping[str, float], ...] = (
    {
        **{"discard": 6, "change rule": 4, "reset offsets": 4, "lose record": 6},
        **{"refund": 2, "move refund": 4, "dispute": 2, "move dispute": 3},
    },
    {"discard": 3, "change rule": 3, "back up": 2, "restore": 2, "lose record": 2},
    {"ask through Kafka": 3, "pay elsewhere": 3, "mislead": 2, "usurp": 6, "back up": 1, "restore": 1.5},
    DISPUTES,
)
"""What three of ten worlds are about, and how much more frequent that is there: decisions, restores, payments
that were not begun here, and disputes."""
ALWAYS = {"sign up", "ask", "pay", "deliver", "consume"}
"""Without these nothing happens."""


@dataclass(frozen=True, slots=True)
class Swarm:
    """Weights of the acts, names of the faults at each kind of call, and how probable a fault is there."""

    weights: Mapping[str, float]
    at_statement: Sequence[str]
    at_connect: Sequence[str]
    at_stripe: Sequence[str]
    at_publish: Sequence[str]
    rate: float
    rule: str
    """Of the application: see server.RULES."""
    terms: Terms
    present: float
    """How probable it is that a user is there at the beginning."""
    has_older: bool
    """Those users may have a balance from before the ledger."""
    settles_elsewhere: bool
    """Stripe settles in another currency than that of the balances."""
    is_in_organisation: bool
    """Stripe's events come from an organisation, and name the account."""
    page: int | None
    """How many rows a page has: see pages.py."""


def of(seed: int) -> Swarm:
    random = Random(f"{seed} swarm")

    def half(names: Sequence[str]) -> list[str]:
        return [name for name in names if random.random() < 0.5]

    weights = {name: weight for name, weight in WEIGHTS.items() if name in ALWAYS or random.random() < 0.6}
    chosen = terms.some(random)
    if random.random() < 0.3:
        chosen = replace(chosen, four_eyes_cents=terms.FOUR_EYES_CENTS)
    theme = random.choice(THEMES) if random.random() < 0.3 else {}
    weights |= {name: WEIGHTS[name] * factor for name, factor in theme.items()}
    if not chosen.is_plain:
        # In another order than before a restore, shares are rounded otherwise.
        weights.pop("restore", None)
        # What shares are rounded to shows only in several refunds of a payment.
        weights["refund"] = 4 * WEIGHTS["refund"]
    return Swarm(
        weights={name: weight * random.choice((0.5, 1, 2)) for name, weight in weights.items()},
        at_statement=half(AT_STATEMENT),
        at_connect=half(["connection refused"]),
        at_stripe=half(sorted({*api.READING, *api.WRITING})),
        at_publish=half(kafka.PUBLISHING),
        rate=random.choice(RATES),
        rule=random.choice((*server.RULES, *[server.NO_RULE] * (0 if "change rule" in theme else 6))),
        terms=chosen,
        present=random.choice((0.8, 0.8, 0.8, 0.3)),
        has_older=random.random() < 0.15,
        settles_elsewhere=random.random() < (0.5 if theme is DISPUTES else 0.04),
        is_in_organisation=random.random() < 0.06,
        page=pages.of(seed),
    )
