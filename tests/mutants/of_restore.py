"""A restored database: all that it lost is entered again, and nothing that was decided otherwise."""

from tests.mutants.mutant import Mutant, Worlds

LOST = "reconciliation/lost_entries.py"
PAGE = "reconciliation/lost_entries_page.py"
DECISIONS = "reconciliation/decisions.py"
REEMISSION = "reconciliation/uncredited.py"
OF_LOST = "tests/integration/test_lost_entries.py"

MUTANTS = [
    Mutant(
        file=DECISIONS,
        text="                if places[one.effect_key] is Place.PARKED:\n",
        instead="                if False:\n",
        breaks="what was parked before a restored time, and discarded after it, is open again",
        caught_by="tests/integration/test_lost_entries.py"
        "::test_what_was_parked_before_the_restored_time_and_discarded_after_it_is_discarded_again",
        worlds=Worlds.RESTORED,
    ),
    Mutant(
        file=DECISIONS,
        text="            for part in _without_rivals(page):\n",
        instead="            for part in [page]:\n",
        breaks="of two claims of a payment, of which one was discarded after a restored time, that one is open",
        caught_by="tests/integration/test_lost_entries.py"
        "::test_of_two_claims_of_a_payment_the_one_whose_decision_was_lost_is_discarded_again",
    ),
    Mutant(
        file=DECISIONS,
        text="            ledger.lock_users(tx, {one.user_id for one in page})\n",
        instead="",
        breaks="what a consumer enters at this moment is discarded again after a restore",
        caught_by="tests/integration/test_lost_entries.py"
        "::test_what_is_entered_at_this_moment_is_not_discarded_again",
    ),
    Mutant(
        file=DECISIONS,
        text="            unapplied = parked.unapplied_of(tx, effects)\n"
        "            places = whereabouts.find(tx, effects)\n",
        instead="            places = whereabouts.find(tx, effects)\n"
        "            unapplied = parked.unapplied_of(tx, effects)\n",
        breaks="who signs up at this moment gets what is discarded again after a restore",
        caught_by="tests/integration/test_lost_entries.py"
        "::test_who_signs_up_at_this_moment_does_not_get_what_is_discarded_again",
    ),
    Mutant(
        file="ledger/parked.py",
        text="        if not one.is_discarded and one.effect.claim == effect.claim and are_one(one.effect, effect)\n",
        instead="        if not one.is_discarded and are_one(one.effect, effect)\n",
        breaks="a rival of a discarded record is discarded with it after a restore",
        caught_by="tests/integration/test_lost_entries.py"
        "::test_what_was_parked_before_the_restored_time_and_discarded_after_it_is_discarded_again",
    ),
    Mutant(
        file="ledger/batch.py",
        text='                parking.leave(tx, plan.left_behind, group.refusal or "")\n',
        instead="",
        breaks="nobody hears that what waited for a refund was refused when that came",
        caught_by="tests/integration/test_decided_together.py"
        "::test_what_is_refused_when_it_is_brought_along_calls_somebody",
    ),
    Mutant(
        file="ledger/entering.py",
        text="    if any(one.parked_id is not None and one.effect.effect_key in contradicted for one in entered):\n",
        instead="    if False:\n",
        breaks="nobody hears that a trigger kept out what waited for a refund",
        caught_by="tests/integration/test_decided_together.py"
        "::test_what_is_refused_when_it_is_brought_along_calls_somebody",
    ),
    Mutant(
        file=DECISIONS,
        text="    if revived is not None:\n",
        instead="    if False:\n",
        breaks="a discarded refund is debited after a restore, since another one of its payment was replayed",
        caught_by=f"{OF_LOST}::test_a_replay_of_another_refund_leaves_the_decision_about_this_one",
    ),
    Mutant(
        file=DECISIONS,
        text='        intent is not None and intent == replayed["payment_intent_id"]\n',
        instead="        False\n",
        breaks="what the release before has replayed by another event of it is discarded again after a restore",
        caught_by=f"{OF_LOST}::test_a_replay_by_the_release_before_may_have_taken_back_all_of_its_payment",
    ),
    Mutant(
        file=DECISIONS,
        text="            if decision.act_id in kept:\n",
        instead="            if False:\n",
        breaks="a dispute whose replay's end was not noted is discarded again, and gives nothing back if won",
        caught_by=f"{OF_LOST}::test_what_was_replayed_stays_so_though_the_application_lost_the_replay",
    ),
    Mutant(
        file=DECISIONS,
        text="(others | kept).values()",
        instead="others.values()",
        breaks="a dispute is discarded again if the application lost its replay, and gives nothing back if won",
        caught_by=f"{OF_LOST}::test_what_was_replayed_stays_so_though_each_database_was_restored_once",
    ),
    Mutant(
        file="operations/verbs/held.py",
        text="                if objects := stored_reversals.discarded_with(tx, event_id):\n",
        instead="                if objects := []:\n",
        breaks="a discard that died before its end was noted cannot be noted, and a restore takes it away",
        caught_by=f"{OF_LOST}"
        "::test_a_discard_that_died_before_its_end_was_noted_is_noted_when_it_is_repeated",
    ),
    Mutant(
        file="reconciliation/run.py",
        text="        if since is not None and not dry_run:\n",
        instead="        if False:\n",
        breaks="a discarded refund is debited after a restore, since the application's journal was away",
        caught_by=f"{OF_LOST}::test_nothing_is_applied_before_it_is_known_what_was_discarded",
    ),
    Mutant(
        file=LOST,
        text="            if not position.is_compared or uncredited:\n",
        instead="            if not position.is_compared:\n",
        breaks="a restore is called complete while lost entries are still to be entered",
        caught_by=f"{OF_LOST}::test_however_many_are_lost_all_are_entered_before_it_is_complete",
        worlds=Worlds.RESTORED,
    ),
    Mutant(
        file=LOST,
        text="            elif position.phase == PAYMENTS or position.events_until is not None:\n",
        instead="            else:\n",
        breaks="a restore is called complete before Stripe's events were read",
        caught_by=f"{OF_LOST}::test_it_is_not_complete_before_stripes_events_are_read",
    ),
    Mutant(
        file=LOST,
        text="            known_until = read_until or int(began) - stripe_lists.STRIPE_KEEPS_SECONDS + _OVERLAP\n",
        instead="            known_until = read_until or since\n",
        breaks="a late webhook's event is lost by a restore from before the first run of the reconciler",
        caught_by=f"{OF_LOST}::test_events_are_read_from_where_every_earlier_one_was_stored",
    ),
    Mutant(
        file=LOST,
        text="            if position.left:\n",
        instead="            if False:\n",
        breaks="a lost payment that somebody held is forgotten",
        caught_by=f"{OF_LOST}::test_a_lost_payment_that_somebody_holds_is_left_for_another_pass",
    ),
    Mutant(
        file=LOST,
        text="        self._decisions.restore(since - MARGIN_SECONDS)\n",
        instead="",
        breaks="what an operator discarded is credited after a restore",
        caught_by=f"{OF_LOST}::test_what_was_discarded_stays_so_though_the_restore_took_the_decision_along",
        worlds=Worlds.RESTORED,
    ),
    Mutant(
        file="operations/verbs/restored.py",
        text="GREATEST((extract(epoch FROM clock_timestamp()) * %s)::bigint,",
        instead="GREATEST((0 * %s)::bigint + 1,",
        breaks="a number of an entry is given out twice",
        caught_by="tests/integration/test_restored.py"
        "::test_the_next_row_of_each_table_comes_far_behind_the_last_one",
        worlds=Worlds.RESTORED,
    ),
    Mutant(
        file=PAGE,
        text="        return {movement for movement in newer if _number(movement) > newest}\n",
        instead="        return frozenset()\n",
        breaks="somebody else's payment is credited to the user who got the number anew",
        caught_by=f"{OF_LOST}"
        "::test_a_number_that_the_application_may_have_given_to_somebody_else_is_decided_by_a_person",
        worlds=Worlds.RESTORED,
    ),
    Mutant(
        file=PAGE,
        text="            newest = lost_entries.newest_user_of_entries(tx, min(movement.at for movement in newer))\n",
        instead="            newest = position.newest_user\n",
        breaks="everybody's lost payment is left to an operator, if the time given is too early",
        caught_by=f"{OF_LOST}::test_a_time_that_is_too_early_makes_nobody_doubtful",
    ),
    Mutant(
        file=LOST,
        text="        position = self._hurry(self.begin(since))\n",
        instead="        position = self.begin(since)\n",
        breaks="a lost payment that was never seen waits for a look that is a day away",
        caught_by=f"{OF_LOST}::test_what_was_never_seen_is_looked_for_however_late_its_next_look_is",
    ),
    Mutant(
        file="reconciliation/lost_entries_position.py",
        text="self.since - MARGIN_SECONDS",
        instead="self.since",
        breaks="an entry that was committed after it was noted stays lost",
        caught_by=f"{OF_LOST}::test_an_entry_can_be_younger_than_the_moment_at_which_it_was_seen",
    ),
    Mutant(
        file="operations/verbs/restored.py",
        text="        lost_entries_position.forget(tx)\n",
        instead="        pass\n",
        breaks="after a second restore to the same time the search goes on behind what is gone again",
        caught_by="tests/integration/test_lost_entries.py"
        "::test_after_another_restore_to_the_same_time_the_search_begins_anew",
        worlds=Worlds.RESTORED,
    ),
    Mutant(
        file="reconciliation/lost_entries.py",
        text="            doubtful = self._comparison.park_unseen(tx, position)\n",
        instead="            doubtful = 0\n",
        breaks="a lost credit that nobody had seen goes to the person who has the number now",
        caught_by="tests/integration/test_lost_entries.py"
        "::test_a_number_that_the_application_may_have_given_to_somebody_else_is_decided_by_a_person",
        worlds=Worlds.RESTORED,
    ),
    Mutant(
        file="ledger/decision.py",
        text="movement.record in self._refused or self._to_decide.known(effect) is not None",
        instead="movement.record in self._refused",
        breaks="what a person is to decide after a restore is entered when Kafka has it again",
        caught_by="tests/integration/test_lost_entries.py"
        "::test_a_number_that_the_application_may_have_given_to_somebody_else_is_decided_by_a_person",
    ),
    Mutant(
        file="reconciliation/uncredited.py",
        text="self._payments(before, contradicted=hurry)",
        instead="self._payments(before)",
        breaks="a payment that Stripe contradicts keeps the search after a restore from all reversals",
        caught_by="tests/integration/test_lost_entries.py"
        "::test_a_payment_that_stripe_contradicts_does_not_keep_the_search_from_its_end",
    ),
    Mutant(
        file="reconciliation/discarded_effects.py",
        text="one.claim == effect.claim and are_one(one, effect)",
        instead="one.claim == effect.claim and one.effect_key == effect.effect_key",
        breaks="a decision about another payment of the same request keeps this one from being emitted",
        caught_by="tests/integration/test_lost_entries.py"
        "::test_what_was_discarded_of_another_payment_of_the_request_keeps_nothing_from_being_emitted",
    ),
    Mutant(
        file="release/migrate.py",
        text="                    owner.require_no_entries(tx, before, self._owner[1])\n",
        instead="                    pass\n",
        breaks="balances that nobody has paid for change their currency",
        caught_by="tests/integration/test_owner.py"
        "::test_balances_that_nobody_has_paid_for_keep_their_currency_too",
    ),
    Mutant(
        file=LOST,
        text="        self._decisions.restore(since - MARGIN_SECONDS)\n",
        instead="        self._decisions.restore(since - MARGIN_SECONDS)\n"
        "        with self._checkout.transaction() as tx:\n"
        "            tx.execute(\n"
        '                "UPDATE checkout_transactions SET credited_at = NULL, recheck_at = NULL"\n'
        "                \" WHERE status = 'payment_succeeded'\"\n"
        "            )\n",
        breaks="a restore of a large table times out each time",
        worlds=Worlds.SMALL,
    ),
    Mutant(
        file=PAGE,
        text="is_compared=after_id is None)",
        instead="is_compared=True)",
        breaks="of a large table only the first page is looked through for lost entries",
        caught_by=f"{OF_LOST}::test_however_many_are_lost_all_are_entered_before_it_is_complete",
    ),
    Mutant(
        file=REEMISSION,
        text="            is_last = compared.total < MOST_AT_ONCE or total.emitted >= most\n",
        instead="            is_last = True\n",
        breaks="a run looks for 500 lost records at most",
        caught_by="tests/integration/test_reconciler.py"
        "::test_all_that_was_credited_is_seen_in_one_run_and_what_was_lost_comes_in_portions",
        worlds=Worlds.SMALL,
    ),
    Mutant(
        file="operations/verbs/restored.py",
        text="setval(sequence, GREATEST((extract(epoch FROM clock_timestamp()) * %s)::bigint,",
        instead="setval(sequence, 10000000000 + GREATEST((0 * %s)::bigint,",
        breaks="after another restore to the same time numbers come a second time",
        caught_by="tests/integration/test_restored.py"
        "::test_after_another_restore_to_the_same_time_no_number_comes_again",
        worlds=Worlds.SERIAL,
    ),
]
