"""What operators decide: once, and no more than that."""

from tests.mutants.mutant import Mutant, Worlds

REFUNDS = "payments/refunds.py"
OF_REFUND = "tests/integration/test_refund.py"

MUTANTS = [
    Mutant(
        file="operations/erasure_table.py",
        text="AND event_id = ANY(%s) ORDER BY event_id FOR UPDATE",
        instead="AND event_id = ANY(%s) ORDER BY event_id",
        breaks="an event that is to be applied after all loses what is needed for that",
        caught_by="tests/integration/test_erasure.py"
        "::test_an_event_that_waits_again_when_it_is_reached_stays_whole",
    ),
    Mutant(
        file=REFUNDS,
        text="        made = next((one for one in refunds if _key_of(one) == refund_key), None)\n",
        instead="        made = None\n",
        breaks="a key refunds again once Stripe has forgotten it",
        caught_by=f"{OF_REFUND}"
        "::test_a_key_stands_for_one_payment_and_one_amount_though_stripe_has_forgotten_it",
        worlds=Worlds.SERIAL,
    ),
    Mutant(
        file=REFUNDS,
        text="    if known is None:\n        return\n",
        instead="    return\n",
        breaks="a key refunds a second payment once Stripe has forgotten it",
        caught_by=f"{OF_REFUND}"
        "::test_a_key_stands_for_one_payment_and_one_amount_though_stripe_has_forgotten_it",
    ),
    Mutant(
        file=REFUNDS,
        text="(requested.amount_cents if requested is not None else left)",
        instead="left",
        breaks="a key gives back another amount the second time",
        caught_by=f"{OF_REFUND}"
        "::test_without_an_amount_a_key_stays_what_was_left_when_it_was_first_asked_for",
    ),
    Mutant(
        file=REFUNDS,
        text='f"refund:{self._app_id}:{refund_key}"',
        instead='f"refund:{self._app_id}:{refund_key}:{id(wanted)}"',
        breaks="an answer that was lost is paid out a second time",
        caught_by=f"{OF_REFUND}::test_an_answer_that_is_lost_is_asked_for_again_under_the_same_key",
        worlds=Worlds.INTERLEAVED,
    ),
    Mutant(
        file=REFUNDS,
        text="        left = payment.paid_cents - sum(one",
        instead="        left = payment.paid_cents - 2 * sum(one",
        breaks="each refund counts twice, so what is left is kept",
        worlds=Worlds.SERIAL,
    ),
    Mutant(
        file=REFUNDS,
        text='one["status"] not in GIVEN_BACK)',
        instead='one["status"] != "canceled")',
        breaks="what could not be refunded cannot be refunded again",
        worlds=Worlds.SERIAL,
    ),
    Mutant(
        file="operations/verbs/parked.py",
        text="        except (Refused, DatabaseContended) as refusal:\n",
        instead="        except Refused as refusal:\n",
        breaks="a row that somebody holds keeps all other parked records from being replayed",
        caught_by="tests/integration/test_operations.py"
        "::test_all_others_are_replayed_though_somebody_holds_the_row_of_one",
    ),
    Mutant(
        file="operations/replays.py",
        text="clean=clean and not left)",
        instead="clean=clean)",
        breaks="a replay of all says that it is done although records were not tried",
        caught_by="tests/integration/test_operations.py"
        "::test_a_replay_of_all_ends_in_time_and_is_continued_after_what_cannot_be_replayed",
    ),
    Mutant(
        file="operations/event_erasure.py",
        text='        if not saved or saved["sought"] != self._sought():\n',
        instead="        if not saved:\n",
        breaks="what was settled behind the position of an erasure is never erased",
        caught_by="tests/integration/test_erasure.py"
        "::test_what_is_settled_behind_the_position_is_searched_again",
    ),
    Mutant(
        file="operations/verbs/erase.py",
        text="self.complete and not (self.unsettled_events",
        instead="not (self.unsettled_events",
        breaks="an erasure whose time was up says that nothing is left",
        caught_by="tests/integration/test_erasure.py"
        "::test_a_search_that_takes_longer_than_a_run_is_continued_by_the_next",
    ),
    Mutant(
        file="operations/four_eyes.py",
        text="verb.at_stake(given) > limit",
        instead="verb.at_stake(given) > 2 * limit",
        breaks="one operator gives back more than one may",
        caught_by="tests/integration/test_four_eyes.py"
        "::test_what_is_above_the_limit_happens_when_another_operator_has_approved_it",
    ),
    Mutant(
        file="operations/four_eyes.py",
        text="        if caller_identity.person(request.requested_by) == caller_identity.person(approver):\n",
        instead="        if False:\n",
        breaks="one operator approves what he has asked for",
        caught_by="tests/integration/test_four_eyes.py::test_nobody_approves_what_they_have_asked_for",
    ),
    Mutant(
        file="operations/four_eyes.py",
        text="        if request.is_expired:\n",
        instead="        if False:\n",
        breaks="an old request is carried out when nobody expects it any more",
        caught_by="tests/integration/test_four_eyes.py::test_a_request_expires",
    ),
    Mutant(
        file="operations/four_eyes.py",
        text="    if caller.identity is None:\n        raise Refused(",
        instead="    if caller.identity is None:\n        return str(given.operator)\n        raise Refused(",
        breaks="on AWS one person approves under two names",
        caught_by="tests/integration/test_four_eyes.py::test_on_aws_a_name_is_not_enough",
    ),
    Mutant(
        file="operations/caller_identity.py",
        text='    return identity.rpartition("/")[2] if identity.startswith("arn:") else identity\n',
        instead="    return identity\n",
        breaks="on AWS one person approves by another role",
        caught_by="tests/integration/test_four_eyes.py::test_on_aws_nobody_is_somebody_else_by_another_role",
    ),
    Mutant(
        file="operations/caller_identity.py",
        text='    if arn[1].split(":")[4] != account:\n',
        instead="    if False:\n",
        breaks="one person approves as somebody of an AWS account of their own",
        caught_by="tests/unit/checkout/test_caller_identity.py::test_who_is_of_another_account_is_refused",
    ),
    Mutant(
        file="payments/readings.py",
        text="        if event.type in radar_event.HANDLED:\n",
        instead="        if False:\n",
        breaks="nobody hears that a card's issuer suspects fraud",
        caught_by="tests/integration/test_fraud_warnings.py"
        "::test_a_warning_is_stored_with_its_payment_shown_and_loud",
    ),
    Mutant(
        file="payments/readings.py",
        text="            refunds = [resource, *refunds]\n",
        instead="            pass\n",
        breaks="a refund that Stripe does not list yet stays on the balance",
        caught_by="tests/integration/test_refund.py"
        "::test_an_answer_that_is_younger_than_stripes_list_is_applied_with_its_share",
    ),
    Mutant(
        file="payments/settlement.py",
        text="revived=reversals.revive_unread(tx, event) if is_to_come else ()",
        instead="revived=()",
        breaks="a discarded refund that is replayed while Stripe answers what is older stays discarded",
        caught_by="tests/integration/test_discarded_reversals.py"
        "::test_replayed_while_stripe_answers_what_is_older_it_acts_once_stripe_shows_it",
    ),
    Mutant(
        file="payments/reversals_table.py",
        text="sorted({*discarded_with(tx, event_id), *brought_by(tx, event_id)})",
        instead="discarded_with(tx, event_id)",
        breaks="a charge's refund that is replayed while Stripe's list is older stays discarded",
        caught_by="tests/integration/test_discarded_reversals.py"
        "::test_a_replay_of_a_charge_that_stripe_s_list_is_behind_takes_up_what_it_brought",
    ),
]
