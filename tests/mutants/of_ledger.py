"""From the record to the balance, and what an application or an operator does to it."""

from tests.mutants.mutant import Mutant, Worlds

LEDGER = "ledger/table.py"
MOVE = "release/migrations/application/0010_ledger_move_by_exactly_the_amount.sql"
TABLES = "release/migrations/application/0001_ledger.sql"
EFFECTS = "outbox/effects.py"
FINISHED = "outbox/finished_event.py"
RACES = "tests/integration/test_ledger_races.py"
OF_MOVE = "tests/integration/test_ledger_move.py"
OF_DOMAIN = "tests/unit/checkout/test_domain.py"
OF_CREDITING = "tests/integration/test_crediting.py"
OF_PARKED = "tests/integration/test_parked_records.py"

MUTANTS = [
    Mutant(
        file=LEDGER,
        text='WHERE id = ANY(%s::{tx.user_ids.array}) ORDER BY id"\n',
        instead='WHERE id = ANY(%s::{tx.user_ids.array})"\n',
        breaks="an application and an operator that move the balances of the same users deadlock",
        caught_by=f"{RACES}::test_what_waits_for_several_users_locks_them_in_one_order",
    ),
    Mutant(
        file=LEDGER,
        text='" FOR NO KEY UPDATE" + (" SKIP LOCKED" if skip_locked else ""),',
        instead='"",',
        breaks="somebody moves a balance between our look at it and our entry",
        caught_by="tests/integration/test_locked_users.py::test_nobody_moves_a_balance_while_it_is_credited",
        worlds=Worlds.INTERLEAVED,
    ),
    Mutant(
        file=LEDGER,
        text='" FOR NO KEY UPDATE" + (" SKIP LOCKED" if skip_locked else ""),',
        instead='" FOR UPDATE" + (" SKIP LOCKED" if skip_locked else ""),',
        breaks="an order that is not paid yet keeps its user's payments waiting",
        caught_by="tests/integration/test_crediting.py"
        "::test_an_open_transaction_that_refers_to_a_user_does_not_hold_up_the_users_credits",
        worlds=Worlds.INTERLEAVED,
    ),
    Mutant(
        file=LEDGER,
        text="            ORDER BY effect_key\n            ON CONFLICT",
        instead="            ON CONFLICT",
        breaks="two consumers with the same effects wait for each other",
        caught_by=f"{RACES}::test_batches_that_share_effects_enter_them_in_one_order",
    ),
    Mutant(
        file="ledger/parked.py",
        text="WHERE {others} ORDER BY id FOR UPDATE",
        instead="WHERE {others} ORDER BY id",
        breaks="what one operator decides is silently replaced by what another one decided at that moment",
        caught_by=f"{RACES}::test_a_record_is_decided_by_one_operator",
        worlds=Worlds.INTERLEAVED,
    ),
    Mutant(
        file="operations/verbs/corrections.py",
        text="            if not ledger.lock_users(tx, {user_id}):\n"
        '                raise NotFound(f"There is no user {user_id}.")\n            before, after',
        instead="            if not ledger.user_exists(tx, user_id):\n"
        '                raise NotFound(f"There is no user {user_id}.")\n            before, after',
        breaks="a balance that is rebuilt loses the credit of that moment",
        caught_by=f"{RACES}::test_a_balance_that_is_rebuilt_while_it_is_credited_keeps_the_credit",
        worlds=Worlds.INTERLEAVED,
    ),
    Mutant(
        file=MOVE,
        text="WHERE id = ledger_move.user_id FOR NO KEY UPDATE;",
        instead="WHERE id = ledger_move.user_id;",
        breaks="two debits at once take more than there is",
        caught_by=f"{RACES}::test_a_debit_waits_for_another_and_is_refused_what_that_has_taken",
    ),
    Mutant(
        file=MOVE,
        text="WHERE id = ledger_move.user_id FOR NO KEY UPDATE;",
        instead="WHERE id = ledger_move.user_id FOR UPDATE;",
        breaks="two orders of a user that are paid in their own transactions deadlock",
        caught_by=f"{OF_MOVE}::test_ten_parallel_orders_of_a_user_are_paid_in_their_own_transactions",
        worlds=Worlds.INTERLEAVED,
    ),
    Mutant(
        file=MOVE,
        text="    IF FOUND THEN\n        IF (known.user_id",
        instead="    IF FOUND AND available >= 0 - amount_cents THEN\n        IF (known.user_id",
        breaks="a debit that emptied the balance is refused when it comes again",
        caught_by=f"{OF_MOVE}::test_the_same_again_changes_nothing_and_says_so",
        worlds=Worlds.SERIAL,
    ),
    Mutant(
        file=MOVE,
        text="available + amount_cents < 0 THEN",
        instead="available < 0 THEN",
        breaks="a balance is overdrawn",
        caught_by=f"{OF_MOVE}::test_a_balance_is_not_overdrawn_unless_told_otherwise",
        worlds=Worlds.SERIAL,
    ),
    Mutant(
        file=MOVE,
        text="(known.user_id, known.amount_cents, known.currency) = (user_id, amount_cents, currency)",
        instead="(known.user_id, known.currency) = (user_id, currency)",
        breaks="another amount under a known key is taken for done",
        caught_by=f"{OF_MOVE}::test_the_same_key_for_something_else_is_an_error",
        worlds=Worlds.SERIAL,
    ),
    Mutant(
        file=MOVE,
        text="OR kind = ANY (payment_kinds) THEN",
        instead="THEN",
        breaks="an application can enter what looks like a payment",
        caught_by=f"{OF_MOVE}::test_what_can_never_be_right_is_refused",
        worlds=Worlds.SERIAL,
    ),
    Mutant(
        file=TABLES,
        text="BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_entries",
        instead="BEFORE UPDATE OR DELETE ON ledger_entries",
        breaks="the ledger can be emptied",
        caught_by=f"{RACES}::test_the_ledger_is_closed_to_its_owner_too",
        worlds=Worlds.SERIAL,
    ),
    Mutant(
        file="release/migrations/application/0007_one_credit_a_payment_intent.sql",
        text="CREATE UNIQUE INDEX",
        instead="CREATE INDEX",
        breaks="a payment is credited twice under two request ids",
        caught_by=f"{OF_CREDITING}::test_a_payment_intent_is_credited_once_under_whatever_request_id",
        worlds=Worlds.RESTORED,
    ),
    Mutant(
        file=EFFECTS,
        text='"refunded": -1,',
        instead='"refunded": 1,',
        breaks="a refund is credited",
        caught_by=f"{OF_DOMAIN}::test_the_effect_of_each_status",
        worlds=Worlds.SERIAL,
    ),
    Mutant(
        file=EFFECTS,
        text='"dispute_won": 1,',
        instead='"dispute_won": -1,',
        breaks="a dispute that was won is taken a second time",
        caught_by=f"{OF_DOMAIN}::test_the_effect_of_each_status",
        worlds=Worlds.SERIAL,
    ),
    Mutant(
        file=EFFECTS,
        text='    return f"{status}:{source_id}"',
        instead='    return f"reversal:{source_id}"',
        breaks="a refund and its failure have one key, so that only the first of them counts",
        caught_by=f"{OF_DOMAIN}::test_the_effect_of_each_status",
        worlds=Worlds.SERIAL,
    ),
    Mutant(
        file=EFFECTS,
        text="        return (self.user_id, self.amount_cents, self.currency)",
        instead="        return (self.user_id, self.amount_cents, 'eur')",
        breaks="another currency under a known key is taken for known",
        caught_by=f"{OF_DOMAIN}::test_a_claim_is_the_user_the_amount_and_the_currency",
        worlds=Worlds.SERIAL,
    ),
    Mutant(
        file=FINISHED,
        text="if self.status not in DIRECTIONS or self.purpose != TOP_UP:",
        instead="if self.status not in DIRECTIONS:",
        breaks="a payment for something else is credited to the balance",
        caught_by=f"{OF_CREDITING}::test_what_moves_no_balance_passes",
        worlds=Worlds.SERIAL,
    ),
    Mutant(
        file="base/text.py",
        text="return value if type(value) is int and 1 <= value",
        instead="return value if isinstance(value, int) and 1 <= value",
        breaks="an amount of 1 that is written as true is credited",
        caught_by=f"{OF_DOMAIN}::test_what_is_no_amount",
    ),
    Mutant(
        file="operations/verbs/parked.py",
        text="        ledger.lock_users(tx, {existing.user_id})\n",
        instead="        pass\n",
        breaks="a reversal is parked between an operator's look and decision, and left behind",
        caught_by=f"{RACES}::test_an_operator_waits_for_the_consumer_and_decides_about_what_that_has_parked",
    ),
]
