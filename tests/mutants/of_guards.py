"""Rules that a second one hides: each is taken away together with that one. So a world gets to where the rule
decides, and the second one alone keeps the promise there."""

from tests.mutants.mutant import Change, Mutant, Worlds

MOVE = "release/migrations/application/0010_ledger_move_by_exactly_the_amount.sql"
REVERSALS = "payments/reversals.py"

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
]
