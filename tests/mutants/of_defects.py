"""Defects that there have been, put back: docs/simulation-defects.md. Those that other lists have are there."""

from tests.mutants.mutant import Mutant, Worlds

MOVE = "release/migrations/application/0010_ledger_move_by_exactly_the_amount.sql"
BOOKS = "tests/integration/test_stripe_books.py"
OF_PARKED = "tests/integration/test_parked_records.py"
NOT_BEGUN_HERE = "tests/integration/test_sessions_not_begun_here.py"
DECISION = "ledger/decision.py"
CORRECTIONS = "tests/integration/test_corrections.py"

MUTANTS = [
    Mutant(
        file=MOVE,
        text="    IF moved IS DISTINCT FROM available + amount_cents THEN",
        instead="    IF false THEN",
        breaks="a debit is entered although a trigger of the application has kept it from the balance",
        caught_by="tests/integration/test_ledger_move.py"
        "::test_a_trigger_that_does_something_else_with_the_balance_is_noticed",
        worlds=Worlds.SERIAL,
    ),
    Mutant(
        file="base/postgres.py",
        text="sql.encode(), given",
        instead="sql, given",
        breaks="each record that is parked ends in an error of the code's",
        worlds=Worlds.SERIAL,
    ),
    Mutant(
        file="base/postgres.py",
        text="            if isinstance(meaning, DatabaseUnavailable)"
        " and not isinstance(meaning, DatabaseContended):\n",
        instead="            if False:\n",
        breaks="after a failover a process keeps its connection to the old writer for ever",
        worlds=Worlds.SERIAL,
    ),
    Mutant(
        file="ledger/batch.py",
        text="        except DataRefused as refusal:\n            self._refused(",
        instead="        except ZeroDivisionError as refusal:\n            self._refused(",
        breaks="a record that the application's schema refuses stops its whole batch for ever",
        worlds=Worlds.SERIAL,
    ),
    Mutant(
        file="reconciliation/stripe_books.py",
        text="            if moved.is_ours and moved.undone_by is not None:\n",
        instead="            if False:\n",
        breaks="a debit that has failed is reported as money that is missing here",
        caught_by=f"{BOOKS}::test_a_failure_that_does_not_say_of_which_payment_it_is_is_found_by_its_charge",
        worlds=Worlds.SERIAL,
    ),
    Mutant(
        file="ledger/whereabouts.py",
        text="    candidates = {*recorded.get(effect.effect_key, ()),"
        ' *recorded.get(effect.payment_intent_id or "", ())}\n',
        instead="    candidates = {*recorded.get(effect.effect_key, ())}\n",
        breaks="a payment that a restore has renamed is taken for uncredited",
        worlds=Worlds.RESTORED,
    ),
    Mutant(
        file="operations/audit_ledger.py",
        text="    for entry in compared.unexplained:\n",
        instead="    for entry in (one for one in compared.unexplained if is_credit(one.effect_key)):\n",
        breaks="an entry of a refund that nobody made is not seen",
        worlds=Worlds.SERIAL,
    ),
    Mutant(
        file="operations/verbs/parked.py",
        text="        except (Refused, DatabaseContended) as refusal:\n            # One",
        instead="        except ZeroDivisionError as refusal:\n            # One",
        breaks="one record that cannot be replayed keeps all others parked",
        worlds=Worlds.SERIAL,
    ),
    Mutant(
        file="payments/readings.py",
        text='            return Behind("Stripe knows no such object yet")\n',
        instead='            return Ignored("of another account")\n',
        breaks="an event whose object Stripe does not show yet is never applied",
        worlds=Worlds.SERIAL,
    ),
    Mutant(
        file="sessions/create.py",
        text="isinstance(error, StripeRefused | StripeObjectMissing)",
        instead="isinstance(error, StripeRefused)",
        breaks="a 404 that Stripe has answered is replayed for ever",
        worlds=Worlds.SERIAL,
    ),
    Mutant(
        file="sessions/session_request.py",
        text="            if text is not None and text != text.strip():\n",
        instead="            if False:\n",
        breaks="what is paid for a request_id with blanks around it comes back under another",
        worlds=Worlds.SERIAL,
    ),
    Mutant(
        file="reconciliation/decisions.py",
        text="        self._restore_reversals(since)\n",
        instead="",
        breaks="a discarded refund is taken after a restore",
        caught_by="tests/integration/test_lost_entries.py"
        "::test_a_discarded_refund_stays_so_though_the_checkout_database_was_restored",
        worlds=Worlds.RESTORED,
    ),
    Mutant(
        file=DECISION,
        text="        is_done = any(one.user_id == effect.user_id for one in done)\n",
        instead="        is_done = bool(done)\n",
        breaks="a refund is taken from a user whose credit another one has",
        caught_by=f"{OF_PARKED}::test_a_reversal_of_a_credit_that_conflicts_with_another_users_is_parked_with_it",
        worlds=Worlds.ELSEWHERE,
    ),
    Mutant(
        file=DECISION,
        text="return not is_done and (bool(done) or self._has_unapplied_credit(effect))",
        instead="return not is_done and self._has_unapplied_credit(effect)",
        breaks="a refund that comes before its credit is taken, though the ledger has that with another user",
        caught_by=f"{OF_PARKED}"
        "::test_a_reversal_that_comes_before_its_credit_is_parked_if_another_user_has_that",
        worlds=Worlds.ELSEWHERE,
    ),
    Mutant(
        file=DECISION,
        text="_is_covered(taken, [*given, *givings], rounding)",
        instead="_is_covered(taken, [*givings], rounding)",
        breaks="a second reinstatement of a dispute is entered before its withdrawal",
        worlds=Worlds.DISPUTED,
    ),
    Mutant(
        file="operations/verbs/parked.py",
        text="    if is_entered:\n",
        instead="    if False:\n",
        breaks="what is in the ledger is discarded",
        caught_by=f"{OF_PARKED}::test_what_is_in_the_ledger_is_not_discarded_but_settled_by_a_replay",
        worlds=Worlds.DISCARDED,
    ),
    Mutant(
        file="reconciliation/decisions.py",
        text="        payment_intent_id=record.payment_intent_id,\n",
        instead="        payment_intent_id=None,\n",
        breaks="what was discarded comes back after a restore without its payment intent",
        caught_by="tests/integration/test_lost_entries.py"
        "::test_what_was_discarded_stays_so_though_the_restore_took_the_decision_along",
        worlds=Worlds.RESTORED,
    ),
    Mutant(
        file="ledger/whereabouts_table.py",
        text=" UNION SELECT {columns} FROM parked_events WHERE payment_intent_id = ANY(%s)",
        instead=" UNION SELECT {columns} FROM parked_events WHERE false AND payment_intent_id = ANY(%s)",
        breaks="a parked credit is not found by its payment intent",
        caught_by="tests/integration/test_two_payments_of_a_request.py"
        "::test_a_credit_parked_under_another_request_is_found_by_its_payment_intent",
        worlds=Worlds.RESTORED,
    ),
    Mutant(
        file="reconciliation/failures.py",
        text="        except NotYetConfigured:\n            raise\n",
        instead="        except (NotYetConfigured, CheckoutError):\n            raise\n",
        breaks="one part of the reconciler that fails ends the others",
        worlds=Worlds.SERIAL,
    ),
    Mutant(
        file="reconciliation/stripe_books.py",
        text="found = list((listed | undone).values())",
        instead="found = [*listed.values(), *undone.values()]",
        breaks="Stripe's books are copied no further than to a failed debit",
        worlds=Worlds.SERIAL,
    ),
    Mutant(
        file="reconciliation/stripe_lists.py",
        text="            if position.after is None:\n                raise\n",
        instead="            raise\n",
        breaks="a list whose position is gone at Stripe is never read again",
        worlds=Worlds.SERIAL,
    ),
    Mutant(
        file="reconciliation/run.py",
        text="        if complete:\n            self._lost_entries.events_are_read(since)\n",
        instead="        self._lost_entries.events_are_read(since)\n",
        breaks="a restore is called complete once Stripe's events were read in part",
        worlds=Worlds.RESTORED,
    ),
    Mutant(
        file="ledger/table.py",
        text="""   AND NOT EXISTS (SELECT FROM ledger_entries WHERE effect_key = 'opening:' || u.id)""",
        instead="""   AND NOT EXISTS (SELECT FROM ledger_entries WHERE user_id = u.id)""",
        breaks="what a user had before the ledger is never opened once he was credited",
        caught_by=f"{CORRECTIONS}::test_a_user_who_was_credited_before_is_opened_only_by_name",
        worlds=Worlds.SERIAL,
    ),
    Mutant(
        file="ledger/table.py",
        text="u.balance - entered.cents, %s, 'opening'",
        instead="u.balance, %s, 'opening'",
        breaks="what was credited before an opening is entered again by it",
        caught_by=f"{CORRECTIONS}::test_a_user_who_is_credited_meanwhile_is_opened_with_what_they_had_before",
        worlds=Worlds.SERIAL,
    ),
    Mutant(
        file="release/migrations/application/0006_balance_not_null.sql",
        text="            ALTER COLUMN balance SET DEFAULT 0,\n            ALTER COLUMN balance SET NOT NULL;",
        instead="            ALTER COLUMN balance DROP DEFAULT;",
        breaks="a balance that is NULL takes any debit, and no credit",
        caught_by="tests/integration/test_adoption.py::test_a_balance_that_is_null_becomes_one_that_counts",
        worlds=Worlds.SERIAL,
    ),
    Mutant(
        file="base/postgres.py",
        text='    "default_transaction_isolation": "read committed",\n',
        instead="",
        breaks="where a database's transactions are repeatable reads, who waited for a lock sees nothing new",
        caught_by="tests/integration/test_sign_in.py"
        "::test_who_waited_for_a_lock_sees_what_was_committed_whatever_the_database_s_default_is",
        worlds=Worlds.INTERLEAVED,
    ),
    Mutant(
        file="payments/readings.py",
        text="            if event.context and not self._has_row(event.object, intent):\n                return Unseen(",
        instead="            if event.context:\n                return Ignored(",
        breaks="an organisation's event of our payment is ignored for good",
        caught_by=f"{NOT_BEGUN_HERE}"
        "::test_an_organisation_s_event_of_our_payment_waits_until_stripe_knows_its_object",
        worlds=Worlds.ORGANISATION,
    ),
    Mutant(
        file="payments/readings.py",
        text="                return Unseen(",
        instead="                return Ignored(",
        breaks="an organisation's event of a session that Stripe does not show yet is ignored for good",
        caught_by=f"{NOT_BEGUN_HERE}"
        "::test_an_organisation_s_event_of_a_session_not_begun_here_waits_until_stripe_shows_it",
        worlds=Worlds.ORGANISATION,
    ),
    Mutant(
        file="payments/session_event.py",
        text="    return [name for name in map(request_identifier, names) if name is not None]\n",
        instead="    return [name for name in map(request_identifier, names[:1]) if name is not None]\n",
        breaks="of two sessions whose ids differ in case alone one is held",
        caught_by=f"{NOT_BEGUN_HERE}::test_two_sessions_whose_ids_differ_in_case_alone_are_two_payments",
        worlds=Worlds.ELSEWHERE,
    ),
    Mutant(
        file="payments/decisions.py",
        text="    if reported.recovered_from is not None and not is_second:\n",
        instead="    if False:\n",
        breaks="a recovered session is announced as a second payment",
        caught_by=f"{NOT_BEGUN_HERE}::test_a_session_that_was_recovered_is_no_second_payment",
        worlds=Worlds.SERIAL,
    ),
]
