"""What is believed, what Stripe is asked, and what an operator has decided about a refund or dispute."""

from tests.mutants.mutant import Mutant, Worlds

READINGS = "payments/readings.py"
SETTLEMENT = "payments/settlement.py"
STALE = "payments/stale_reversals.py"
HELD = "operations/verbs/held.py"
REVERSALS = "payments/reversals.py"
SESSION_EVENT = "payments/session_event.py"
BEHIND = "tests/integration/test_stripe_behind.py"
NOT_BEGUN = "tests/integration/test_sessions_not_begun_here.py"
DISCARDED = "tests/integration/test_discarded_reversals.py"
EVIDENCE = "tests/integration/test_evidence.py"
RACES = "tests/integration/test_payment_races.py"

MUTANTS = [
    Mutant(
        file=READINGS,
        text="        if is_behind(answer, event.object):\n",
        instead="        if False:\n",
        breaks="a refund that Stripe's answer does not show yet is settled, and never taken",
        caught_by=f"{BEHIND}::test_it_waits_until_stripe_answers_what_the_event_says",
        worlds=Worlds.DISPUTED,
    ),
    Mutant(
        file=READINGS,
        text="            if stale_reversals.refunds_are_behind(refunds, event.object):\n",
        instead="            if False:\n",
        breaks="a refund that Stripe's list does not show yet is settled, and never taken",
        caught_by=f"{BEHIND}::test_a_list_of_refunds_without_one_that_the_charge_counts",
    ),
    Mutant(
        file=STALE,
        text=" and not _is_appealed(answer)\n",
        instead="\n",
        breaks="a lost dispute that is appealed is announced as one that Stripe does not show",
        caught_by=f"{BEHIND}::test_a_dispute_that_is_appealed_was_closed_before",
    ),
    Mutant(
        file=STALE,
        text=" and not is_waiting\n",
        instead="\n",
        breaks="what a dispute gave back is settled before its appeal says how much that is",
        caught_by=f"{BEHIND}::test_what_only_the_end_of_an_appeal_decides_waits_for_it",
    ),
    Mutant(
        file=READINGS,
        text="        if stripe_object.payment_intent_of(answer) not in (None, payment_intent_id):\n",
        instead="        if False:\n",
        breaks="a refund of another payment is taken from this one",
        caught_by=f"{BEHIND}::test_an_object_of_another_payment_is_held",
    ),
    Mutant(
        file=READINGS,
        text="        if event.account is not None:\n",
        instead="        if False:\n",
        breaks="the payment of a connected account is credited",
        caught_by=f"{NOT_BEGUN}::test_an_event_of_a_connected_account_is_ignored_and_nothing_is_read",
        worlds=Worlds.SERIAL,
    ),
    Mutant(
        file=SESSION_EVENT,
        text='    if session.get("mode", "payment") != "payment":\n',
        instead="    if False:\n",
        breaks="a subscription is credited",
        caught_by=f"{NOT_BEGUN}::test_a_session_of_another_mode_is_held",
        worlds=Worlds.SERIAL,
    ),
    Mutant(
        file=SESSION_EVENT,
        text="    if status is Status.PAYMENT_SUCCEEDED and payment_intent_id is None and not totals.is_free:\n",
        instead="    if False:\n",
        breaks="what no refund could ever find is credited",
        caught_by=f"{NOT_BEGUN}::test_paid_without_a_payment_intent_is_held",
        worlds=Worlds.SERIAL,
    ),
    Mutant(
        file=SESSION_EVENT,
        text="    if row is None or row.stripe_session_id != reported.session_id:\n        return False\n",
        instead="",
        breaks="a session that nobody here began is credited on its word",
        caught_by=f"{NOT_BEGUN}::test_any_other_is_credited_as_stripe_has_it",
        worlds=Worlds.SERIAL,
    ),
    Mutant(
        file=SESSION_EVENT,
        text="(reported.totals.subtotal_cents, reported.currency) == (row.amount_cents, row.currency)",
        instead="reported.currency == row.currency",
        breaks="another amount than was asked is credited without asking Stripe",
        caught_by=f"{NOT_BEGUN}::test_any_other_is_credited_as_stripe_has_it",
    ),
    Mutant(
        file="reconciliation/evidence.py",
        text="        return session_event.difference(reported, row)\n",
        instead="        return None\n",
        breaks="a row that says more than Stripe does is turned into money",
        caught_by=f"{EVIDENCE}::test_a_row_that_stripe_does_not_confirm_is_never_emitted_and_loud",
        worlds=Worlds.SERIAL,
    ),
    Mutant(
        file="reconciliation/evidence_table.py",
        text=' AND e.request_id = t.request_id))"',
        instead='))"',
        breaks="the event of one payment vouches for another",
        caught_by=f"{EVIDENCE}::test_the_event_that_reported_it_is_evidence_if_it_is_of_this_payment",
        worlds=Worlds.SERIAL,
    ),
    Mutant(
        file=READINGS,
        text="        return None if self._is_ours(session) else _of_another_application(session)",
        instead="        return None",
        breaks="a session of another application is taken for ours",
        worlds=Worlds.SERIAL,
    ),
    Mutant(
        file="payments/locked.py",
        text="one.stripe_session_id == session_id)",
        instead="one.stripe_session_id is not None)",
        breaks="an event is applied to the payment of another session",
        worlds=Worlds.SERIAL,
    ),
    Mutant(
        file="payments/locked.py",
        text='payments="payment_intent_id = %(payment_intent_id)s ORDER BY id LIMIT 1"',
        instead='payments="payment_intent_id IS NOT NULL ORDER BY id LIMIT 1"',
        breaks="a refund is that of the oldest payment",
        worlds=Worlds.SERIAL,
    ),
    Mutant(
        file="outbox/effects.py",
        text="        return (self.user_id, self.amount_cents, self.currency)",
        instead="        return (self.user_id, 0, self.currency)",
        breaks="another amount under a known key is the same movement",
        worlds=Worlds.SERIAL,
    ),
    Mutant(
        file="outbox/effects.py",
        text="        return (self.user_id, self.amount_cents, self.currency)",
        instead="        return (0, self.amount_cents, self.currency)",
        breaks="another user under a known key is the same movement",
        worlds=Worlds.SERIAL,
    ),
    Mutant(
        file=HELD,
        text="            for object_id in decision.objects:\n",
        instead="            for object_id in decision.objects[:0]:\n",
        breaks="what one event brought is discarded, and another event of the dispute gives it back",
        caught_by=f"{DISCARDED}::test_what_comes_after_the_decision_is_discarded_though_nothing_of_it_was_known",
        worlds=Worlds.DISCARDED,
    ),
    Mutant(
        file=SETTLEMENT,
        text="        table.lock_payment_intent(tx, intent)\n",
        instead="        if event is not None or isinstance(report, SessionReport):\n"
        "            table.lock_payment_intent(tx, intent)\n",
        breaks="what is read again does not see what an operator discards at that moment",
        caught_by=f"{RACES}::test_what_is_read_again_while_it_is_discarded_does_not_act",
    ),
    Mutant(
        file=REVERSALS,
        text='    held = {one.reversal.object_id for one in own if one.state == "held"}\n',
        instead="    held: set[str] = set()\n",
        breaks="a dispute that was won gives back what was never taken",
        caught_by=f"{DISCARDED}::test_a_movement_of_a_dispute_that_an_earlier_release_has_discarded_holds_the_others",
    ),
    Mutant(
        file=REVERSALS,
        text="return one.object_id in locked.discarded or bool(held & {*one.effect_keys})",
        instead="return one.object_id in locked.discarded",
        breaks="the failure of a refund that an earlier release has discarded is called applied",
        caught_by="tests/integration/test_decided_refunds.py"
        "::test_the_failure_of_a_refund_that_an_earlier_release_has_discarded_is_ignored",
    ),
    Mutant(
        file="release/privileges.py",
        text='" stripe_attempt, completed_at, updated_at"',
        instead='" stripe_attempt, completed_at, updated_at, paid_cents, paid_currency"',
        breaks="a function that the internet reaches can write a payment",
        caught_by=f"{EVIDENCE}::test_a_role_that_outsiders_reach_can_write_no_payment",
    ),
]
