"""A batch of records, each effect once."""

from tests.mutants.mutant import Mutant, Worlds

CREDITING = "ledger/crediting.py"
BATCH = "ledger/batch.py"
ENTERING = "ledger/entering.py"
DECIDING = "ledger/decision.py"
BELONGING = "ledger/belonging.py"
LEDGER = "ledger/table.py"
PARKED = "ledger/parked.py"
ERRORS = "base/postgres_errors.py"
OF_CREDITING = "tests/integration/test_crediting.py"
OF_RECORDS = "tests/integration/test_bad_records.py"
OF_PARKED = "tests/integration/test_parked_records.py"
LOCKED = "tests/integration/test_locked_users.py"
RULES = "tests/integration/test_application_rules.py"
TOGETHER = "tests/integration/test_decided_together.py"

MUTANTS = [
    Mutant(
        file=BATCH,
        text="            self._park()\n",
        instead="            pass\n",
        breaks="what is refused is parked only after users who are held were waited for",
        caught_by=f"{LOCKED}::test_what_is_refused_is_parked_before_anybody_is_waited_for",
    ),
    Mutant(
        file=ENTERING,
        text="        if on_record.known(effect) is None\n",
        instead="        if False\n",
        breaks="a payment whose key another one gets at this moment is silently lost",
        caught_by="tests/integration/test_ledger_races.py"
        "::test_batches_that_share_effects_enter_them_in_one_order",
    ),
    Mutant(
        file=DECIDING,
        text="        elif self._discarded.known(effect) is not None:\n",
        instead="        elif False:\n",
        breaks="what an operator discarded is credited when it comes again",
        caught_by=f"{TOGETHER}::test_a_record_of_a_user_who_signs_up_is_not_credited_while_it_is_discarded",
        worlds=Worlds.DISCARDED,
    ),
    Mutant(
        file=DECIDING,
        text="            return CREDIT_IS_PARKED if self._has_unapplied_credit(effect) else CREDIT_IS_ANOTHERS\n",
        instead="            return None\n",
        breaks="a refund is taken though its payment was never credited",
        caught_by=f"{OF_PARKED}::test_a_reversal_waits_parked_with_its_parked_credit_and_a_replay_takes_both",
        worlds=Worlds.SERIAL,
    ),
    Mutant(
        file=DECIDING,
        text="        if effect.kind not in TAKING_OF or self._is_taken(effect):\n            return None\n",
        instead="        return None\n",
        breaks="what comes before what it gives back is credited, though that is refused later",
        caught_by=f"{TOGETHER}::test_what_could_not_be_taken_is_not_given_back",
        worlds=Worlds.SERIAL,
    ),
    Mutant(
        file=DECIDING,
        text="            return GIVING_IS_DISCARDED if self._is_given_up(effect) else None",
        instead="            return None",
        breaks="what takes is entered alone, after what gives it back was discarded",
        caught_by=f"{TOGETHER}::test_what_was_discarded_before_it_was_taken_is_not_taken",
    ),
    Mutant(
        file=DECIDING,
        text="            return CREDIT_IS_DISCARDED if own and not is_open else None",
        instead="            return None",
        breaks="a refund of a payment that was discarded raises an alarm",
        caught_by=f"{TOGETHER}::test_paid_in_another_currency_discarded_and_refunded_ends_quiet_and_exact",
    ),
    Mutant(
        file=BELONGING,
        text="    if one.payment_intent_id and other.payment_intent_id:\n"
        "        return one.payment_intent_id == other.payment_intent_id\n"
        "    return one.request_id",
        instead="    return one.request_id",
        breaks="a refund is decided with the payment that has its request_id since a restore",
        caught_by=f"{TOGETHER}::test_a_parked_credit_is_found_by_the_payment_intent_too",
    ),
    Mutant(
        file=CREDITING,
        text="is_other = effect.currency != self._currency\n",
        instead="is_other = False\n",
        breaks="dollars are credited as if they were euros",
        caught_by=f"{OF_RECORDS}::test_it_is_parked_and_the_rest_of_the_batch_is_credited",
        worlds=Worlds.SERIAL,
    ),
    Mutant(
        file=LEDGER,
        text="UPDATE users SET balance = balance + total.amount_cents\n",
        instead="UPDATE users SET balance = total.amount_cents\n",
        breaks="a credit replaces the balance",
        caught_by=f"{OF_CREDITING}::test_reversals_go_down_and_come_back_and_may_go_below_zero",
        worlds=Worlds.SERIAL,
    ),
    Mutant(
        file=LEDGER,
        text="        raise BalanceNotMoved(unmoved)\n",
        instead="        pass\n",
        breaks="an entry is committed though the application kept the balance as it was",
        caught_by=f"{OF_CREDITING}::test_an_entry_whose_balance_does_not_move_is_not_committed",
        worlds=Worlds.SERIAL,
    ),
    Mutant(
        file=LEDGER,
        text='(" SKIP LOCKED" if skip_locked else "")',
        instead='""',
        breaks="one user whom somebody holds keeps everybody else waiting",
        caught_by=f"{LOCKED}::test_one_of_a_thousand_is_held_for_20_s_and_the_others_are_credited_within_3",
        worlds=Worlds.INTERLEAVED,
    ),
    Mutant(
        file=ENTERING,
        text="    existing = ledger.existing_users(tx, absent) if absent else set()\n",
        instead="    existing: set[int] = set()\n",
        breaks="who is locked is parked as if there were no such user",
        caught_by=f"{LOCKED}::test_a_user_who_is_not_there_does_not_wait_and_one_who_is_locked_is_not_parked",
        worlds=Worlds.INTERLEAVED,
    ),
    Mutant(
        file=BATCH,
        text="                    wait=group.mode is _Mode.PATIENT,\n",
        instead="                    wait=False,\n",
        breaks="a row that is seldom free is never got",
        caught_by=f"{LOCKED}::test_a_row_that_is_given_up_soon_is_waited_for",
    ),
    Mutant(
        file=BATCH,
        text="                parking.park(tx, self._to_park)\n                plan =",
        instead="                plan =",
        breaks="a refund is taken though the database has refused its payment a moment before",
        caught_by=f"{RULES}::test_of_a_user_s_records_only_those_are_parked_that_are_refused_and_what_depends_on_them",
    ),
    Mutant(
        file=PARKED,
        text='payment_intent_id = {among})"\n        " ORDER BY id FOR UPDATE"',
        instead='payment_intent_id = {among})"\n        " ORDER BY id"',
        breaks="a record of a user who signs up is discarded and credited",
        caught_by=f"{TOGETHER}::test_a_record_of_a_user_who_signs_up_is_not_credited_while_it_is_discarded",
        worlds=Worlds.INTERLEAVED,
    ),
    Mutant(
        file=ERRORS,
        text='_REFUSED = ("0A", "21", "22", ',
        instead='_REFUSED = ("0A", "21", ',
        breaks="one sum beyond BIGINT stops its partition for ever",
        caught_by=f"{OF_RECORDS}::test_a_sum_beyond_bigint_is_parked_alone",
    ),
    Mutant(
        file=ERRORS,
        text="error.diag.source_function in (_RAISED, _POLICY)",
        instead="error.diag.source_function == _POLICY",
        breaks="a trigger that raises what looks like an outage stops everybody for ever",
        caught_by=f"{RULES}::test_what_it_refuses_is_parked_alone_and_can_be_replayed_when_the_rule_is_gone",
        worlds=Worlds.SERIAL,
    ),
    Mutant(
        file="ledger/parking.py",
        text="    if known and not parked.are_there(tx, known):\n",
        instead="    if False:\n",
        breaks="a record is lost whose number another parked one has",
        caught_by=f"{OF_PARKED}::test_no_record_is_taken_for_parked_because_another_one_has_its_id",
    ),
]
