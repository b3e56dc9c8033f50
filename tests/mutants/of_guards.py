"""Rules that a second one hides: each is taken away together with that one. So a world gets to where the rule
decides, and the second one alone keeps the promise there."""

from tests.mutants.mutant import Change, Mutant, Worlds

LEDGER = "release/migrations/application/0001_ledger.sql"
ONE_CREDIT = "release/migrations/application/0007_one_credit_a_payment_intent.sql"
MOVE = "release/migrations/application/0010_ledger_move_by_exactly_the_amount.sql"
REVERSALS = "payments/reversals.py"
DECIDING = "ledger/decision.py"

MUTANTS = [
    Mutant(
        file=MOVE,
        text="WHERE id = ledger_move.user_id FOR NO KEY UPDATE;",
        instead="WHERE id = ledger_move.user_id;",
        also=[
            Change(
                file=MOVE,
                text="IF moved IS DISTINCT FROM available + amount_cents THEN",
                instead="IF moved IS NULL OR moved > available + amount_cents THEN",
            )
        ],
        breaks="two debits of a user do not wait for each other, and one that takes too much is not refused",
        worlds=Worlds.INTERLEAVED,
    ),
    Mutant(
        file=REVERSALS,
        text="own = [one for one in stored if one.payment_intent_id == paid.payment_intent_id]",
        instead="own = [*stored]",
        also=[
            Change(
                file="payments/locked.py",
                text="WHERE payment_intent_id = %(payment_intent_id)s OR effect_key = ANY(%(effect_keys)s)",
                instead="WHERE true OR payment_intent_id = %(payment_intent_id)s OR effect_key = ANY(%(effect_keys)s)",
            )
        ],
        breaks="what belongs to another payment's reversals is read, and taken from this one",
        worlds=Worlds.SERIAL,
    ),
    Mutant(
        file=LEDGER,
        text="effect_key        TEXT NOT NULL UNIQUE,",
        instead="effect_key        TEXT NOT NULL,",
        also=[
            Change(
                file=DECIDING,
                text="        elif self._entered.known(effect) is not None:\n",
                instead="        elif False:\n",
            )
        ],
        breaks="a refund that comes again is entered again, and no unique index refuses it",
        worlds=Worlds.SERIAL,
    ),
    Mutant(
        file=ONE_CREDIT,
        text="CREATE UNIQUE INDEX",
        instead="CREATE INDEX",
        also=[
            Change(
                file=LEDGER,
                text="effect_key        TEXT NOT NULL UNIQUE,",
                instead="effect_key        TEXT NOT NULL,",
            )
        ],
        breaks="a payment that comes again is credited again, and neither unique index refuses it",
        worlds=Worlds.SERIAL,
    ),
    Mutant(
        file=DECIDING,
        text="    for movement in in_order(movements):\n",
        instead="    for movement in movements:\n",
        also=[
            Change(
                file="ledger/batch.py",
                text="_Group(in_order(chosen), mode)",
                instead="_Group(list(chosen), mode)",
            )
        ],
        breaks="what takes back a payment that comes later in its batch is parked, in whatever order they are",
        worlds=Worlds.SERIAL,
    ),
]
