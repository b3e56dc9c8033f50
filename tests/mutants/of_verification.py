"""The last line of defence: what `verify` must see, and what must not alarm."""

from tests.mutants.mutant import Mutant, Worlds

AUDIT = "operations/audit_ledger.py"
VERIFY = "operations/verbs/verify.py"
COMPARISON = "operations/comparison.py"
BOOKS = "reconciliation/stripe_books_table.py"
CATEGORIES = "reconciliation/balance_transaction.py"
OF_VERIFICATION = "tests/integration/test_verification.py"
DECISIONS = "tests/integration/test_verification_decisions.py"
POSITIONS = "tests/integration/test_verification_positions.py"
OF_BOOKS = "tests/integration/test_stripe_books.py"

MUTANTS = [
    Mutant(
        file=VERIFY,
        text="            self._report(findings)\n            raise\n",
        instead="            raise\n",
        breaks="what verify has found is never said if a database is away later in the run",
        caught_by="tests/integration/test_verification_positions.py"
        "::test_a_run_that_dies_is_gone_on_with_at_its_last_range",
    ),
    Mutant(
        file=AUDIT,
        text="            if ledger.wrong_balances:\n",
        instead="            if False:\n",
        breaks="a balance that was edited by hand is not seen",
        caught_by=f"{OF_VERIFICATION}::test_a_balance_edited_by_hand",
        worlds=Worlds.SERIAL,
    ),
    Mutant(
        file=AUDIT,
        text="            if (ledger.effects, ledger.digest) != (checkout.effects, checkout.digest):\n",
        instead="            if ledger.effects != checkout.effects:\n",
        breaks="an entry of another amount than was paid is not seen",
        caught_by=f"{OF_VERIFICATION}::test_an_entry_that_is_not_its_payments",
        worlds=Worlds.SERIAL,
    ),
    Mutant(
        file=AUDIT,
        text="            if checkout.unequal_shares:\n",
        instead="            if False:\n",
        breaks="coins that a refund took too many are not seen",
        caught_by=f"{OF_VERIFICATION}::test_what_is_taken_back_is_not_the_share_of_the_credit",
        worlds=Worlds.SERIAL,
    ),
    Mutant(
        file=AUDIT,
        text="        if place is Place.NOWHERE and seen.is_settled:\n",
        instead="        if place is Place.NOWHERE:\n",
        breaks="a credit that is on its way raises an alarm",
        caught_by=f"{OF_VERIFICATION}::test_a_credit_that_is_missing_is_no_offence_for_half_an_hour",
        worlds=Worlds.SERIAL,
    ),
    Mutant(
        file=AUDIT,
        text="        if place is Place.DISCARDED:\n",
        instead="        if False:\n",
        breaks="money that Stripe kept and nobody was credited with is not seen",
        caught_by=f"{DECISIONS}::test_a_discarded_payment_is_listed_until_it_is_refunded",
        worlds=Worlds.DISCARDED,
    ),
    Mutant(
        file=COMPARISON,
        text="entry.effect_key in left and (claim is None or entry.claim == claim)",
        instead="entry.effect_key in left",
        breaks="another amount in the ledger is taken for what was paid",
        caught_by=f"{OF_VERIFICATION}::test_an_entry_that_is_not_its_payments",
        worlds=Worlds.SERIAL,
    ),
    Mutant(
        file=VERIFY,
        text='        return saved if saved and saved.get("part") else first\n',
        instead="        return first\n",
        breaks="a pass that takes longer than a run never comes to its end",
        caught_by=f"{POSITIONS}::test_a_run_that_is_out_of_time_is_gone_on_with",
    ),
    Mutant(
        file=BOOKS,
        text='float("inf") if found.is_pending else found.created',
        instead="found.created",
        breaks="a bank debit that nobody has answered raises an alarm",
        caught_by=f"{OF_BOOKS}::test_a_bank_debit_is_no_offence_while_it_is_pending_nor_when_it_has_failed",
        worlds=Worlds.SERIAL,
    ),
    Mutant(
        file=BOOKS,
        text="HAVING COALESCE(sum(stripe_cents), 0) <> COALESCE(sum(our_cents), 0) AND bool_and(is_comparable)",
        instead="HAVING COALESCE(sum(stripe_cents), 0) > COALESCE(sum(our_cents), 0) AND bool_and(is_comparable)",
        breaks="a payment that Stripe does not have is not seen",
        caught_by=f"{OF_BOOKS}::test_a_payment_that_stripe_does_not_have",
        worlds=Worlds.SERIAL,
    ),
    Mutant(
        file=CATEGORIES,
        text='    return f"{UNKNOWN}:{transaction_id}"\n',
        instead='    return f"paid:{payment_intent_id}"\n',
        breaks="what Stripe moves under a category that we do not know is taken for the payment",
        caught_by=f"{OF_BOOKS}::test_what_stripe_moves_under_a_category_that_we_do_not_know_is_reported",
    ),
    Mutant(
        file="operations/audit_ledger.py",
        text="(cents or not judged.isdisjoint(discarded))",
        instead="cents",
        breaks="what was credited by hand stays after the payment is charged back, and nobody is told",
        caught_by="tests/integration/test_verification_decisions.py"
        "::test_an_accepted_finding_that_later_money_undoes_is_listed_again",
        worlds=Worlds.SERIAL,
    ),
    Mutant(
        file="operations/ledger_offences.py",
        text='"   OR request_id = ANY(%(judged)s)) ORDER BY',
        instead='"   OR request_id = ANY(%(judged)s) AND false) ORDER BY',
        breaks="goodwill stays after the dispute is won, and nobody is told",
        caught_by="tests/integration/test_verification_decisions.py"
        "::test_an_accepted_double_reversal_that_is_won_is_listed_again",
        worlds=Worlds.SERIAL,
    ),
    Mutant(
        file="operations/audit_ledger.py",
        text='        findings.add("EffectTwiceInLedger", {"effect_key": key, "entries": entries})\n',
        instead="        pass\n",
        breaks="an effect that a broken index has let in twice is not seen",
        caught_by="tests/integration/test_verification.py"
        "::test_an_effect_that_a_broken_index_has_let_in_twice",
        worlds=Worlds.SERIAL,
    ),
]
