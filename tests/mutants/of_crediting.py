"""A batch of records, each effect once."""

from tests.mutants.mutant import Mutant

CREDITING = "services/crediting.py"
LEDGER = "adapters/ledger.py"
OF_CREDITING = "tests/integration/test_crediting.py"
OF_RECORDS = "tests/integration/test_bad_records.py"
OF_PARKED = "tests/integration/test_parked_records.py"

MUTANTS = [
    Mutant(
        file=CREDITING,
        text="conflicts = [m for m in repeated if on_record.get(m.effect.effect_key) != m.effect.claim]",
        instead="conflicts: list[_Movement] = []",
        breaks="another amount or user under a known key is silently dropped",
        caught_by=f"{OF_RECORDS}::test_a_known_request_with_another_amount_user_or_currency_is_parked",
    ),
    Mutant(
        file=CREDITING,
        text='if undone.get((m.effect.effect_key, m.effect.claim)) != "discarded"]',
        instead="]",
        breaks="what an operator discarded is credited when it comes again",
        caught_by=f"{OF_PARKED}::test_a_discarded_effect_never_comes_back_by_itself_and_its_reversal_is_parked",
    ),
    Mutant(
        file=CREDITING,
        text="if m.credit_key in undone_now])",
        instead="if False])",
        breaks="a refund is taken though its payment was never credited",
        caught_by=f"{OF_PARKED}::test_a_reversal_waits_parked_with_its_parked_credit_and_a_replay_takes_both",
    ),
    Mutant(
        file=CREDITING,
        text="                if effect.currency != self._currency:\n",
        instead="                if False:\n",
        breaks="dollars are credited as if they were euros",
        caught_by=f"{OF_RECORDS}::test_it_is_parked_and_the_rest_of_the_batch_is_credited",
    ),
    Mutant(
        file=LEDGER,
        text="UPDATE users SET balance = balance + total.amount_cents\n",
        instead="UPDATE users SET balance = total.amount_cents\n",
        breaks="a credit replaces the balance",
        caught_by=f"{OF_CREDITING}::test_reversals_go_down_and_come_back_and_may_go_below_zero",
    ),
    Mutant(
        file=LEDGER,
        text='        raise InvariantBroken("entries without their user\'s balance moved")\n',
        instead="        pass\n",
        breaks="an entry is committed though the application kept the balance as it was",
        caught_by=f"{OF_CREDITING}::test_an_entry_whose_balance_does_not_move_is_not_committed",
    ),
    Mutant(
        file="adapters/postgres.py",
        text='_REFUSED_CLASSES = ("22", "23", "54")',
        instead='_REFUSED_CLASSES = ("23", "54")',
        breaks="one sum beyond BIGINT stops its partition for ever",
        caught_by=f"{OF_RECORDS}::test_a_sum_beyond_bigint_is_parked_alone",
    ),
]
