"""What was missed, what was lost, and how far Stripe's lists were read."""

from tests.mutants.mutant import Change, Mutant, Worlds

STRIPE_LISTS = "reconciliation/stripe_lists.py"
REEMISSION = "reconciliation/uncredited.py"
UNCREDITED = "reconciliation/uncredited_payments_table.py"
UNFINISHED_TABLE = "reconciliation/unfinished_table.py"
MISSED = "reconciliation/missed_events.py"
UNFINISHED = "reconciliation/unfinished.py"
LISTS = "tests/integration/test_stripe_lists.py"
OF_RECONCILER = "tests/integration/test_reconciler.py"
ROWS = "tests/integration/test_reconciler_rows.py"
SETBACKS = "tests/integration/test_reconciler_setbacks.py"

MUTANTS = [
    Mutant(
        file=MISSED,
        text="                return recorded\n",
        instead="                pass\n",
        breaks="a run of the reconciler goes on with a page until Lambda ends it, if Stripe is slow",
        caught_by="tests/integration/test_missed_webhooks.py"
        "::test_a_page_that_takes_longer_than_the_run_is_recorded_by_several",
    ),
    Mutant(
        file=STRIPE_LISTS,
        text="_reachable(last.began - OVERLAP_SECONDS, now)",
        instead="_reachable(last.began, now)",
        breaks="an event that Stripe lists behind a later one is never found",
        caught_by=f"{LISTS}::test_what_is_created_while_a_pass_is_on_its_way_is_read_by_the_next",
        worlds=Worlds.SERIAL,
    ),
    Mutant(
        file=STRIPE_LISTS,
        text="_reachable(last.began - OVERLAP_SECONDS, now)",
        instead="_reachable(now - OVERLAP_SECONDS, now)",
        breaks="what happened while the reconciler was away is never found",
        caught_by=f"{OF_RECONCILER}"
        "::test_a_pass_begins_an_hour_before_the_last_and_never_before_what_stripe_keeps",
        worlds=Worlds.SERIAL,
    ),
    Mutant(
        file=STRIPE_LISTS,
        text="            if last.after:\n",
        instead="            if False:\n",
        breaks="a list that takes longer than a run is never read to its end",
        caught_by=f"{LISTS}::test_runs_that_are_out_of_time_read_everything_once",
        worlds=Worlds.SERIAL,
    ),
    Mutant(
        file=STRIPE_LISTS,
        text='position.after = page[-1]["id"] if has_more else None',
        instead='position.after = page[-1]["id"] if page else None',
        breaks="once a list was read to its end, nothing new in it is found",
        caught_by=f"{LISTS}::test_what_is_created_while_a_pass_is_on_its_way_is_read_by_the_next",
    ),
    Mutant(
        file=STRIPE_LISTS,
        text="    return last.since if last.after else last.began\n",
        instead="    return last.began\n",
        breaks="a payment that Stripe does not have is reported though its books were not read so far",
        caught_by=f"{LISTS}::test_a_list_is_known_as_far_as_the_last_complete_pass_began",
    ),
    Mutant(
        file=STRIPE_LISTS,
        text="            page, has_more = self._page(position)\n            yield page\n",
        instead="            page, has_more = self._page(position)\n"
        "            with self._checkout.transaction() as tx:\n"
        '                last = {**asdict(position), "after": page[-1]["id"] if has_more else None}\n'
        "                reconciler_state.save(tx, self._name, last)\n"
        "            yield page\n",
        breaks="the page in which a run died is never read again",
        caught_by=f"{LISTS}::test_a_page_in_which_the_process_died_is_read_again",
    ),
    Mutant(
        file=STRIPE_LISTS,
        text='name if since is None else f"{name} since"',
        instead="name",
        breaks="a pass that an operator asks for makes the usual one skip what is older",
        caught_by=f"{OF_RECONCILER}"
        "::test_going_through_the_events_anew_goes_on_where_it_was_and_leaves_the_usual_pass_alone",
    ),
    Mutant(
        file=STRIPE_LISTS,
        text="            if not self._dry_run:\n",
        instead="            if True:\n",
        breaks="after a dry run the next run takes what was only counted for done",
        caught_by=f"{LISTS}::test_what_is_only_looked_at_moves_nothing",
    ),
    Mutant(
        file=MISSED,
        text="types=sorted(HANDLED), starting_after",
        instead='types=sorted(one for one in HANDLED if "session" in one), starting_after',
        breaks="refunds and disputes that no webhook brought are never found",
        worlds=Worlds.SERIAL,
    ),
    Mutant(
        file=UNCREDITED,
        text="        \" WHERE status = 'payment_succeeded' AND credited_at IS NULL AND purpose = %s\"\n"
        '        "   AND COALESCE(recheck_at',
        instead="        \" WHERE status = 'none' AND credited_at IS NULL AND purpose = %s\"\n"
        '        "   AND COALESCE(recheck_at',
        breaks="a payment that Kafka lost is never emitted again",
        worlds=Worlds.SERIAL,
    ),
    Mutant(
        file="reconciliation/uncredited_reversals_table.py",
        text="WHERE state = 'emitted' AND credited_at IS NULL\"\n        \"   AND COALESCE",
        instead="WHERE state = 'none' AND credited_at IS NULL\"\n        \"   AND COALESCE",
        breaks="a refund or dispute that Kafka lost is never emitted again",
        worlds=Worlds.SERIAL,
    ),
    Mutant(
        file="reconciliation/uncredited.py",
        text='key=lambda key: (due[key].status != "success", key)',
        instead='key=lambda key: (due[key].status == "success", key)',
        breaks="what is emitted again takes back a payment before it is credited",
        worlds=Worlds.SERIAL,
    ),
    Mutant(
        file=UNCREDITED,
        text='f"   AND {PROVEN}"',
        instead='""',
        breaks="a payment for which there is no evidence is emitted",
        worlds=Worlds.SERIAL,
    ),
    Mutant(
        file="payments/inbox.py",
        text="\"SELECT event_id FROM stripe_events WHERE outcome = 'waiting'\"",
        instead="\"SELECT event_id FROM stripe_events WHERE outcome = 'none'\"",
        breaks="an event that waits is never retried",
        worlds=Worlds.SERIAL,
    ),
    Mutant(
        file=MISSED,
        text="for event in reversed(page)",
        instead="for event in page",
        breaks="events are recorded newest first",
        caught_by=f"{ROWS}::test_missed_events_are_recorded_oldest_first",
    ),
    Mutant(
        file=REEMISSION,
        text='key=lambda key: (due[key].status != "success", key)',
        instead='key=lambda key: (due[key].status == "success", key)',
        breaks="a reversal is emitted before the credit that it reverses",
        caught_by=f"{OF_RECONCILER}::test_what_kafka_lost_is_emitted_again_credits_first",
    ),
    Mutant(
        file=REEMISSION,
        text="                self._schedule(tx, credited, missing | parked)\n",
        instead="",
        breaks="the same payments are emitted by every run, and the others never",
        caught_by="tests/integration/test_delivery.py"
        "::test_a_payment_that_kafka_lost_is_emitted_again_with_doubling_waits",
        worlds=Worlds.SERIAL,
    ),
    Mutant(
        file=REEMISSION,
        text="            if place is Place.ENTERED or (place is Place.NOWHERE and key in nothing)\n",
        instead="            if place is not Place.NOWHERE or key in nothing\n",
        breaks="an entry of another user stands for the payment",
        caught_by=f"{OF_RECONCILER}::test_an_entry_of_another_user_does_not_stand_for_the_payment",
        worlds=Worlds.SERIAL,
    ),
    Mutant(
        file=UNCREDITED,
        text="COALESCE(recheck_at, completed_at) LIMIT %s FOR UPDATE SKIP LOCKED",
        instead="COALESCE(recheck_at, completed_at) LIMIT %s FOR UPDATE",
        breaks="one locked payment ends the search for all lost ones",
        caught_by=f"{ROWS}::test_what_somebody_holds_keeps_nothing_else_from_being_emitted_again",
        worlds=Worlds.INTERLEAVED,
    ),
    Mutant(
        file="reconciliation/uncredited_reversals_table.py",
        text="COALESCE(recheck_at, emitted_at) LIMIT %s FOR UPDATE SKIP LOCKED",
        instead="COALESCE(recheck_at, emitted_at) LIMIT %s FOR UPDATE",
        breaks="one locked reversal ends the search for all lost ones",
        caught_by=f"{ROWS}::test_what_somebody_holds_keeps_nothing_else_from_being_emitted_again",
        worlds=Worlds.INTERLEAVED,
    ),
    Mutant(
        file=UNCREDITED,
        text="COALESCE(recheck_at, completed_at) LIMIT %s FOR UPDATE SKIP LOCKED",
        instead="COALESCE(recheck_at, completed_at) LIMIT %s",
        also=[
            Change(
                file="reconciliation/uncredited_reversals_table.py",
                text="COALESCE(recheck_at, emitted_at) LIMIT %s FOR UPDATE SKIP LOCKED",
                instead="COALESCE(recheck_at, emitted_at) LIMIT %s",
            )
        ],
        breaks="what is due to be emitted again is taken without a lock, and waits for whoever holds it",
        worlds=Worlds.INTERLEAVED,
    ),
    Mutant(
        file="reconciliation/comparisons_table.py",
        text="WHERE {self.key} = ANY(%s) FOR UPDATE SKIP LOCKED",
        instead="WHERE {self.key} = ANY(%s) FOR UPDATE",
        breaks="one locked row keeps all others from being marked as credited",
        caught_by=f"{ROWS}::test_a_row_that_somebody_holds_is_neither_marked_nor_compared_again",
        worlds=Worlds.INTERLEAVED,
    ),
    Mutant(
        file=UNFINISHED_TABLE,
        text="LIMIT %(limit)s FOR UPDATE SKIP LOCKED)",
        instead="LIMIT %(limit)s FOR UPDATE)",
        breaks="one locked payment keeps all unfinished ones from being finished",
        caught_by=f"{ROWS}::test_an_unfinished_payment_that_somebody_holds_is_left_to_a_later_run",
        worlds=Worlds.INTERLEAVED,
    ),
    Mutant(
        file=UNFINISHED_TABLE,
        text="WHERE request_id = %s FOR UPDATE SKIP LOCKED)",
        instead="WHERE request_id = %s)",
        breaks="a locked payment that Stripe does not know ends the reading of the unfinished ones",
        caught_by=f"{ROWS}::test_a_payment_that_stripe_does_not_know_is_not_waited_for",
        worlds=Worlds.INTERLEAVED,
    ),
    Mutant(
        file=UNFINISHED_TABLE,
        text='"   AND COALESCE(reread_at, now()) <= now()"\n',
        instead="",
        breaks="every run asks Stripe about the same payments, and about no others",
        caught_by=f"{OF_RECONCILER}::test_an_abandoned_session_is_read_again",
    ),
    Mutant(
        file=UNFINISHED,
        text='            case "open", _:\n                return None\n',
        instead='            case "open", _:\n                return "checkout.session.expired"\n',
        breaks="a session that the customer may still pay is called expired",
        caught_by=f"{OF_RECONCILER}::test_an_abandoned_session_is_read_again",
        worlds=Worlds.SERIAL,
    ),
    Mutant(
        file=UNFINISHED,
        text='                failures.skip(f"payment {row.request_id}", error)\n                return\n',
        instead="                return\n",
        breaks="a payment that Stripe does not tell of stays unfinished, and nobody hears of it",
        caught_by=f"{SETBACKS}::test_a_payment_that_stripe_does_not_tell_of_is_named_and_counted",
    ),
    Mutant(
        file="reconciliation/uncredited_reversals_table.py",
        text='        "   AND NOT EXISTS (SELECT FROM outbox o WHERE o.effect_key = r.effect_key)"\n',
        instead="",
        breaks="what the relay still has to publish is reported as lost",
        caught_by=f"{ROWS}::test_what_is_still_in_the_outbox_is_not_lost",
    ),
    Mutant(
        file=UNFINISHED_TABLE,
        text="COALESCE(expires_at, created_at + interval '1 day')",
        instead="expires_at",
        breaks="Stripe is never asked about a session whose expiry is not known",
        caught_by=f"{ROWS}::test_a_session_of_unknown_expiry_is_read_after_the_longest_that_stripe_gives_it",
    ),
]
