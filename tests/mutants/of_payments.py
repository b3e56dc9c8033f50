"""From what Stripe says to what a payment is."""

from tests.mutants.mutant import Mutant, Worlds

DECISIONS = "payments/decisions.py"
EMISSIONS = "payments/emissions.py"
SETTLEMENT = "payments/settlement.py"
LOCKED = "payments/locked.py"
REVERSALS = "payments/reversals.py"
SESSION_EVENT = "payments/session_event.py"
REVERSAL_EVENT = "payments/reversal_event.py"
SIGNATURE = "payments/signature.py"
RACES = "tests/integration/test_payment_races.py"
SHARES = "tests/integration/test_shares.py"
PRICE = "tests/integration/test_price.py"
BAD = "tests/integration/test_bad_webhooks.py"
OF_REVERSALS = "tests/integration/test_reversals.py"

MUTANTS = [
    Mutant(
        file=DECISIONS,
        text="row.stripe_session_id != reported.session_id and reported.promised is not None",
        instead="False",
        breaks="what a session promises whose request was refused is not credited, but its amount",
        caught_by=f"{PRICE}::test_a_request_that_was_refused_promised_nothing",
    ),
    Mutant(
        file=DECISIONS,
        text="    if row.stripe_session_id != reported.session_id and",
        instead="    if row.is_refused and row.credit_cents is None and",
        breaks="a request that is repeated after a restore overrides what its paid session promised",
        caught_by="tests/integration/test_idempotency_key.py"
        "::test_what_is_paid_in_the_session_of_a_key_that_was_taken_credits_what_that_promised",
    ),
    Mutant(
        file=SETTLEMENT,
        text="        table.lock_payment_intent(tx, intent)\n",
        instead="        if event is not None or isinstance(report, ReversalReport):\n"
        "            table.lock_payment_intent(tx, intent)\n",
        breaks="a payment that the reconciler finds does not see the refund that is stored at that moment",
        caught_by=f"{RACES}::test_a_payment_waits_for_the_handler_of_its_refund_and_emits_what_that_stored",
    ),
    Mutant(
        file=SETTLEMENT,
        text="        table.lock_payment_intent(tx, intent)\n",
        instead="        if event is None:\n            table.lock_payment_intent(tx, intent)\n",
        breaks="a payment and its refund at the same moment do not see each other",
        caught_by=f"{RACES}::test_a_payment_waits_for_the_handler_of_its_refund_and_emits_what_that_stored",
        worlds=Worlds.INTERLEAVED,
    ),
    Mutant(
        file=LOCKED,
        text="_OF_SESSION = _READ.format(",
        instead='_OF_SESSION = _READ.replace(" FOR UPDATE", "").format(',
        breaks="an expiry takes back the payment that commits at that moment",
        caught_by=f"{RACES}::test_an_expiry_that_comes_with_the_payment_does_not_take_it_back",
        worlds=Worlds.INTERLEAVED,
    ),
    Mutant(
        file=LOCKED,
        text="_OF_REVERSALS = _READ.format(",
        instead='_OF_REVERSALS = _READ.replace(" FOR UPDATE", "").format(',
        breaks="a refund waits for ever for a payment whose row is changed at that moment",
        caught_by=f"{RACES}::test_a_refund_waits_for_a_change_of_its_payments_row",
    ),
    Mutant(
        file=SETTLEMENT,
        text="    if not found.is_new:\n",
        instead="    if False:\n",
        breaks="an event that is delivered twice at once is applied twice",
        caught_by=f"{RACES}::test_the_same_event_twice_at_once_is_applied_once",
        worlds=Worlds.INTERLEAVED,
    ),
    Mutant(
        file="payments/inbox.py",
        text='" FROM stripe_events WHERE event_id = %s FOR UPDATE",',
        instead='" FROM stripe_events WHERE event_id = %s",',
        breaks="an event is applied while an operator settles it",
        caught_by=f"{RACES}::test_what_is_settled_while_it_is_tried_again_is_left_alone",
        worlds=Worlds.INTERLEAVED,
    ),
    Mutant(
        file="payments/inbox.py",
        text="WHERE event_id = %s FOR UPDATE SKIP LOCKED)",
        instead="WHERE event_id = %s FOR UPDATE)",
        breaks="an event that somebody holds keeps all that wait from being tried again",
        worlds=Worlds.INTERLEAVED,
    ),
    Mutant(
        file=DECISIONS,
        text="[emissions.success(moved), *released]",
        instead="[*released, emissions.success(moved)]",
        breaks="a payment is published after what takes it back",
        worlds=Worlds.SERIAL,
    ),
    Mutant(
        file=DECISIONS,
        text="    if not row.status.may_become(reported.status):\n",
        instead="    if False:\n",
        breaks="a late event moves a payment back",
        caught_by=f"{RACES}::test_an_expiry_that_comes_with_the_payment_does_not_take_it_back",
        worlds=Worlds.SERIAL,
    ),
    Mutant(
        file="payments/payment.py",
        text="order.index(other) > order.index(self)",
        instead="order.index(other) >= order.index(self)",
        breaks="the twin of an event emits its payment a second time",
        caught_by="tests/unit/checkout/test_domain.py::test_states_only_rise_and_success_absorbs",
        worlds=Worlds.SERIAL,
    ),
    Mutant(
        file=EMISSIONS,
        text="        amount_cents=payment.credited_cents if payment.purpose == TOP_UP else payment.paid_cents,\n",
        instead="        amount_cents=payment.amount_cents,\n",
        breaks="what was asked is credited, and not what was promised for what was paid",
        caught_by=f"{PRICE}::test_what_is_credited",
        worlds=Worlds.SERIAL,
    ),
    Mutant(
        file=EMISSIONS,
        text="        amount_cents=payment.credited_cents if payment.purpose == TOP_UP else payment.paid_cents,\n",
        instead="        amount_cents=payment.paid_cents,\n",
        breaks="the tax is credited",
        caught_by=f"{PRICE}::test_what_is_credited",
        worlds=Worlds.SERIAL,
    ),
    Mutant(
        file=DECISIONS,
        text="        moved = replace(moved, credit_cents=credit_cents)\n",
        instead="",
        breaks="a session that came to less than was asked is credited as if it had come to all of it",
        caught_by=f"{PRICE}::test_another_subtotal_is_credited_in_proportion_and_loud",
        worlds=Worlds.PRICED,
    ),
    Mutant(
        file=DECISIONS,
        text="    promised = reported.promised\n",
        instead="    promised = reported.promised and replace(\n"
        "        reported.promised, credit_cents=reported.promised.amount_cents\n"
        "    )\n",
        breaks="a payment whose row is lost loses its bonus",
        caught_by=f"{PRICE}::test_a_row_that_is_made_from_an_event_keeps_the_promise",
        worlds=Worlds.SERIAL,
    ),
    Mutant(
        file="payments/price.py",
        text="        return self.total_cents - self.subtotal_cents + self.discount_cents in (0, self.tax_cents)\n",
        instead="        return True\n",
        breaks="a total that nothing explains is believed without asking Stripe",
        caught_by=f"{PRICE}::test_a_total_that_nothing_explains_is_read_at_stripe",
    ),
    Mutant(
        file="payments/price.py",
        text="        return self.total_cents == 0 and self.discount_cents == self.subtotal_cents\n",
        instead="        return self.total_cents == 0\n",
        breaks="what no discount made free is credited",
        caught_by=f"{PRICE}::test_what_is_free_without_a_full_discount_is_held",
        worlds=Worlds.SERIAL,
    ),
    Mutant(
        file="payments/payment.py",
        text="        cents = self.paid_cents if self.credit_cents is None else self.credit_cents\n",
        instead="        cents = self.price.credit_cents\n",
        breaks="what the release before credited is emitted with another amount",
        caught_by=f"{PRICE}::test_what_the_release_before_has_credited_stays",
    ),
    Mutant(
        file=EMISSIONS,
        text="        currency=payment.paid_currency,\n",
        instead="        currency=payment.currency,\n",
        breaks="dollars are credited as if they were euros",
        caught_by="tests/integration/test_webhook_to_credit.py::test_what_is_emitted_is_what_was_paid",
    ),
    Mutant(
        file=DECISIONS,
        text="        payment_intent_id=reported.payment_intent_id or row.payment_intent_id,\n",
        instead="        payment_intent_id=row.payment_intent_id,\n",
        breaks="no refund finds its payment",
        caught_by=f"{OF_REVERSALS}::test_the_session_says_what_was_taken_back",
        worlds=Worlds.SERIAL,
    ),
    Mutant(
        file=SESSION_EVENT,
        text="    is_of_another = known.user_id != reported.user_id\n",
        instead="    is_of_another = False\n",
        breaks="an event that names another user than the row is applied",
        caught_by=f"{BAD}::test_another_user_than_the_rows_is_held",
        worlds=Worlds.SERIAL,
    ),
    Mutant(
        file=SESSION_EVENT,
        text="    if own is not None or known.stripe_session_id is None:\n",
        instead="    if True:\n",
        breaks="the second payment of a request is not credited",
        caught_by=f"{BAD}::test_another_session_of_a_known_request_is_a_payment_of_its_own_and_loud",
        worlds=Worlds.SERIAL,
    ),
    Mutant(
        file=SESSION_EVENT,
        text='        case "no_payment_required", _ if totals.is_free and session.get("status") == "complete":\n',
        instead='        case "no_payment_required", _:\n',
        breaks="what nobody paid is credited",
        caught_by=f"{BAD}::test_no_payment_required_is_held",
        worlds=Worlds.SERIAL,
    ),
    Mutant(
        file="payments/shares.py",
        text="    return (2 * credit_cents * reversed_cents + paid_cents) // (2 * paid_cents)\n",
        instead="    return credit_cents * reversed_cents // paid_cents\n",
        breaks="half a cent is rounded down",
        caught_by=f"{SHARES}::test_full_refunds_take_exactly_the_credit_though_one_failed_between",
        worlds=Worlds.PRICED,
    ),
    Mutant(
        file="payments/shares.py",
        text="        credit += direction * moved\n",
        instead="        credit += direction * one.reversal.amount_cents\n",
        breaks="two refunds that are taken in at once do not take their share",
        caught_by="tests/unit/checkout/test_proportion.py::test_what_is_taken_back_is_the_share_of_what_stripe_took_back",
        worlds=Worlds.SERIAL,
    ),
    Mutant(
        file=REVERSALS,
        text='            [one for one in own if one.state == "emitted"],\n',
        instead="            [],\n",
        breaks="each refund is rounded by itself, and full refunds take more than the credit",
        caught_by=f"{SHARES}::test_full_refunds_take_exactly_the_credit_though_one_failed_between",
        worlds=Worlds.PRICED,
    ),
    Mutant(
        file=REVERSALS,
        text="            event_id if report.subject in (None, one.object_id) else None,\n",
        instead="            event_id,\n",
        breaks="with the event of one refund another one is discarded",
        caught_by=f"{SHARES}::test_what_is_discarded_with_its_event_is_not_another_refund",
    ),
    Mutant(
        file=EMISSIONS,
        text=" for one in emitted if one.moved_cents\n",
        instead=" for one in emitted\n",
        breaks="a share of nothing is parked for ever",
        caught_by=f"{SHARES}::test_a_share_of_nothing_emits_nothing_and_its_failure_can_return_one",
        worlds=Worlds.SERIAL,
    ),
    Mutant(
        file="ledger/decision.py",
        text="[effect], rounding=1)",
        instead="[effect])",
        breaks="what returns one more than was taken is parked for ever",
        caught_by=f"{SHARES}::test_a_share_of_nothing_emits_nothing_and_its_failure_can_return_one",
    ),
    Mutant(
        file="payments/readings.py",
        text="        if event.type in reversal_event.REFUND_EVENTS and credit_differs(top_up):\n",
        instead="        if False:\n",
        breaks="after a restore the second refund takes the share of the first",
        caught_by=f"{SHARES}::test_new_refunds_are_taken_in_by_time_whichever_event_comes_first",
    ),
    Mutant(
        file=REVERSAL_EVENT,
        text="    return next((one for one in moved if",
        instead="    return next((one for one in reversed(moved) if",
        breaks="not the first withdrawal in another currency takes the dispute's amount",
        caught_by="tests/unit/checkout/test_proportion.py::"
        "test_a_dispute_settled_in_another_currency_moves_its_amount_once_each_way",
    ),
    Mutant(
        file=REVERSAL_EVENT,
        text='            if movement.get("id") in whole and isinstance(reversal, Reversal):\n',
        instead='            if movement.get("currency") != dispute.get("currency") and isinstance(reversal, Reversal):\n',
        breaks="each movement of a dispute in another currency moves all of it",
        worlds=Worlds.SETTLED,
    ),
    Mutant(
        file=REVERSAL_EVENT,
        text="_may_return_all(withdrawn, reinstated) and _was_won(dispute, moved)\n    return [",
        instead="_may_return_all(withdrawn, reinstated)\n    return [",
        breaks="a lost dispute that returns nine tenths in another currency returns all",
        caught_by="tests/unit/checkout/test_proportion.py"
        "::test_what_returns_a_part_of_a_dispute_is_not_taken_for_all_of_it",
        worlds=Worlds.SETTLED,
    ),
    Mutant(
        file=REVERSAL_EVENT,
        text="returns_all = _may_return_all(withdrawn, reinstated) and _was_won(dispute, moved)",
        instead="returns_all = True",
        breaks="a part of a dispute that is returned in another currency returns all",
        caught_by=f"{SHARES}::test_a_part_that_a_lost_dispute_returns_is_not_taken_for_all_of_it",
        worlds=Worlds.SETTLED,
    ),
    Mutant(
        file=REVERSAL_EVENT,
        text="        if amount and not is_undecided(dispute, movement):\n",
        instead="        if amount:\n",
        breaks="a dispute that gives back early is held, and so is what it gives back when it is won",
        caught_by=f"{SHARES}::test_what_an_open_dispute_gives_back_waits_for_its_end",
    ),
    Mutant(
        file=REVERSAL_EVENT,
        text='dispute.get("status") == "won" or',
        instead='dispute.get("status") not in ("lost", "prevented") or',
        breaks="what an open dispute gives back early is all of it, though it is lost then",
        caught_by=f"{SHARES}::test_what_an_open_dispute_gives_back_waits_for_its_end",
    ),
    Mutant(
        file="reconciliation/balance_transaction.py",
        text="        is_pending = reversal_event.is_undecided(source, transaction)\n",
        instead="",
        breaks="verify compares what an open dispute gave back, and for ever in the wrong currency",
        caught_by="tests/integration/test_stripe_books.py"
        "::test_what_an_open_dispute_gives_back_in_another_currency_is_compared_at_its_end",
    ),
    Mutant(
        file="reconciliation/stripe_books_table.py",
        text="currency = EXCLUDED.currency",
        instead="currency = stripe_balance_transactions.currency",
        breaks="what a dispute gave back before it was won is compared in the wrong currency for ever",
        caught_by="tests/integration/test_stripe_books.py"
        "::test_what_an_open_dispute_gives_back_in_another_currency_is_compared_at_its_end",
    ),
    Mutant(
        file=REVERSAL_EVENT,
        text=" == [True, False, True]\n",
        instead=" is None\n",
        breaks="of a dispute that was won and is open again, what it had given back is not counted",
        caught_by="tests/unit/checkout/test_proportion.py::"
        "test_a_dispute_settled_in_another_currency_moves_its_amount_once_each_way",
    ),
    Mutant(
        file="payments/reversals.py",
        text="        if first:\n",
        instead="        if False:\n",
        breaks="a dispute settled in another currency takes its amount twice",
        caught_by=f"{SHARES}::test_a_second_withdrawal_of_the_same_second_is_not_taken_for_the_first",
        worlds=Worlds.SETTLED,
    ),
    Mutant(
        file="reconciliation/entered_shares.py",
        text="<= ROUNDING:",
        instead=">= 0:",
        breaks="an entry of a wrong amount is taken for the right one",
        caught_by=f"{SHARES}::test_what_is_more_than_a_rounding_is_emitted_again_and_loud",
    ),
    Mutant(
        file=REVERSALS,
        text="if not is_discarded(one)]",
        instead="if not any(map(is_discarded, report.objects))]",
        breaks="with one refund of a charge that was discarded, the others do not act either",
        caught_by="tests/integration/test_decided_refunds.py"
        "::test_of_a_charges_refunds_only_the_discarded_one_does_not_act",
    ),
    Mutant(
        file=REVERSALS,
        text="payment if payment is not None and payment.status is Status.PAYMENT_SUCCEEDED else None",
        instead="payment",
        breaks="a refund is taken from the balance before its payment was credited",
        caught_by=f"{OF_REVERSALS}::test_a_dispute_of_a_debit_that_has_not_settled_waits",
    ),
    Mutant(
        file=REVERSAL_EVENT,
        text="            kinds: tuple[str, ...] = ()\n",
        instead='            kinds: tuple[str, ...] = ("refunded",)\n',
        breaks="a refund that has not happened is taken from the balance",
        caught_by=f"{OF_REVERSALS}::test_what_moved_nothing_yet_does_not_wait",
        worlds=Worlds.SERIAL,
    ),
    Mutant(
        file=REVERSAL_EVENT,
        text='            kinds = ("refunded", "refund_failed")\n',
        instead='            kinds = ("refund_failed",)\n',
        breaks="a failed refund gives back what was never taken",
        caught_by=f"{OF_REVERSALS}::test_two_handlers_that_read_different_statuses_of_a_refund_at_the_same_moment",
        worlds=Worlds.SERIAL,
    ),
    Mutant(
        file=REVERSAL_EVENT,
        text='"disputed" if amount < 0 else "dispute_won"',
        instead='"disputed" if amount != 0 else "dispute_won"',
        breaks="a dispute that was won is taken from the balance once more",
        caught_by="tests/integration/test_discarded_reversals.py"
        "::test_a_dispute_that_is_won_after_it_was_discarded_gives_nothing_back",
        worlds=Worlds.SERIAL,
    ),
    Mutant(
        file=SIGNATURE,
        text="    if signed_at > now() + TOLERANCE_SECONDS:\n",
        instead="    if False:\n",
        breaks="a signature that was made for later is good for ever",
        caught_by="tests/unit/checkout/test_signature_agreement.py::test_the_window_is_five_minutes_to_both_sides",
        worlds=Worlds.SERIAL,
    ),
    Mutant(
        file=SIGNATURE,
        text="    if not any(hmac.compare_digest(one, other) for one in expected for other in signatures):\n",
        instead="    if False:\n",
        breaks="anybody can credit anybody",
        caught_by=f"{BAD}::test_one_byte_changed",
        worlds=Worlds.SERIAL,
    ),
    Mutant(
        file="operations/verbs/held.py",
        text="            payments_table.lock_payment_intent(tx, event.payment_intent_id)\n",
        instead="            pass\n",
        breaks="what is stored of a dispute while an operator discards it acts alone",
        caught_by="tests/integration/test_discarded_reversals.py"
        "::test_an_operator_who_discards_while_another_event_is_applied_waits_for_it",
        worlds=Worlds.INTERLEAVED,
    ),
    Mutant(
        file="reconciliation/uncredited_payments_table.py",
        text='        f"   AND {PROVEN}"\n',
        instead="",
        breaks="a row that somebody has written is money",
        caught_by="tests/integration/test_evidence.py::test_while_stripe_is_away_the_others_are_emitted",
        worlds=Worlds.SERIAL,
    ),
    Mutant(
        file=DECISIONS,
        text="    if not session_event.is_believed(reported, row):\n        return Unconfirmed()\n",
        instead="",
        breaks="a session that nobody began here is credited as the signed body says",
        caught_by="tests/integration/test_sessions_not_begun_here.py"
        "::test_any_other_is_credited_as_stripe_has_it",
        worlds=Worlds.SERIAL,
    ),
    Mutant(
        file="payments/readings.py",
        text="            if event.context and not self._has_row(event.object, intent):\n",
        instead="            if event.context:\n",
        breaks="an organisation's event of our payment is ignored after an hour",
        caught_by="tests/integration/test_sessions_not_begun_here.py"
        "::test_an_organisation_s_event_of_our_payment_waits_until_stripe_knows_its_object",
    ),
    Mutant(
        file="payments/readings.py",
        text=" or self._has_row(session, None)\n",
        instead="\n",
        breaks="a session that was begun here is ignored without its mark",
        caught_by="tests/integration/test_sessions_not_begun_here.py"
        "::test_a_session_that_was_begun_here_is_ours_without_its_mark",
        worlds=Worlds.SERIAL,
    ),
    Mutant(
        file="outbox/finished_event.py",
        text="paid_by(payment_intent_id, self.session_id, self.paid_cents)",
        instead="payment_intent_id",
        breaks="after a restore, a free credit stands for what another session of its request has paid",
        caught_by=f"{PRICE}::test_a_free_credit_of_before_a_restore_stands_for_its_session_alone",
    ),
    Mutant(
        file="payments/payment.py",
        text="paid_by(self.payment_intent_id, self.stripe_session_id, self.paid_cents)",
        instead="self.payment_intent_id",
        breaks="a payment is shown as credited by the free session that its request had before a restore",
        caught_by=f"{PRICE}::test_a_free_credit_of_before_a_restore_stands_for_its_session_alone",
    ),
    Mutant(
        file="reconciliation/lost_entries_table.py",
        text="paid_currency, {PAID_BY},",
        instead="paid_currency, payment_intent_id,",
        breaks="a free credit that the ledger has under another key is missing for ever after a restore",
        caught_by=f"{PRICE}::test_a_free_credit_of_before_a_restore_stands_for_its_session_alone",
    ),
    Mutant(
        file="operations/ledger_ranges.py",
        text="{payments_table.PAID_BY} AS payment_intent_id",
        instead="payment_intent_id",
        breaks="verify misses a free credit that the ledger has under another key",
        caught_by=f"{PRICE}::test_a_free_credit_of_before_a_restore_stands_for_its_session_alone",
    ),
    Mutant(
        file="payments/reversals.py",
        text="    return bool(one.movements) and not (has_failed and moved == 0)\n",
        instead="    return bool(one.movements)\n",
        breaks="a refund of a debit that has failed waits for ever",
        caught_by="tests/integration/test_reversals.py::test_a_refund_of_a_debit_that_fails_does_not_wait",
    ),
    Mutant(
        file=REVERSAL_EVENT,
        text="    movements = [one for one in listed if not _is_fee(one)]\n",
        instead="    movements = listed\n",
        breaks="a fee that Stripe lists with a dispute is taken from the user",
        caught_by="tests/integration/test_reversals.py"
        "::test_a_fee_that_a_dispute_lists_is_not_taken_from_the_user",
    ),
    Mutant(
        file="sessions/table.py",
        text="COALESCE(NULLIF(paid_cents, 0), amount_cents)",
        instead="COALESCE(paid_cents, amount_cents)",
        breaks="who has a code for 100 % has no daily limit",
        caught_by="tests/integration/test_price.py"
        "::test_a_free_payment_counts_with_its_price_in_the_daily_limit",
    ),
    Mutant(
        file="payments/decisions.py",
        text="        if may_be_second and table.is_any_paid(tx, row.user_id, reported.request_id):\n",
        instead="        if False:\n",
        breaks="nobody hears of a debit that settles after a recovered session was paid",
        caught_by="tests/integration/test_sessions_not_begun_here.py"
        "::test_a_debit_that_settles_after_another_session_was_paid_is_a_second_payment",
    ),
]
