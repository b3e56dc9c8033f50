"""From what a caller asks for to a session at Stripe."""

from tests.mutants.mutant import Mutant, Worlds

SESSIONS = "sessions/create.py"
REQUESTS = "sessions/requests.py"
TABLE = "sessions/table.py"
RACES = "tests/integration/test_session_races.py"
CREATE = "tests/integration/test_create_session.py"
KEYS = "tests/integration/test_idempotency_key.py"
AMOUNTS = "tests/integration/test_amounts.py"
OF_REQUESTS = "tests/integration/test_requests.py"

MUTANTS = [
    Mutant(
        file="sessions/session_request.py",
        text="        if config.offers_only:\n",
        instead="        if False:\n",
        breaks="an amount that is not for sale is sold",
        caught_by="tests/integration/test_price_list.py::test_other_amounts_are_refused_with_the_list",
    ),
    Mutant(
        file="sessions/create.py",
        text='        if row.stripe_parameters.get("expires_at", 0) is None:\n',
        instead="        if False:\n",
        breaks="a request that Stripe refused for its age is refused for ever",
        caught_by="tests/integration/test_price_list.py::"
        "test_when_a_session_expires_is_computed_anew_for_a_new_idempotency_key",
        worlds=Worlds.SERIAL,
    ),
    Mutant(
        file="release/migrate.py",
        text="        if self._prices:\n",
        instead="        if False:\n",
        breaks="during the deployment that brings prices, the release before credits the tax",
        caught_by="tests/integration/test_price_list.py::"
        "test_prices_are_refused_in_the_run_that_adds_their_columns_to_payments",
    ),
    Mutant(
        file=TABLE,
        text='" WHERE request_id = %s AND (stripe_session_id IS NULL OR stripe_session_id = %s)"',
        instead='" WHERE request_id = %s AND %s IS NOT NULL"',
        breaks="a stored session, which the customer may be paying, is replaced by another",
        caught_by=f"{RACES}::test_a_session_that_was_stored_meanwhile_is_not_replaced_by_another",
        worlds=Worlds.INTERLEAVED,
    ),
    Mutant(
        file=TABLE,
        text='" status = CASE WHEN status = ANY(%s) THEN %s ELSE status END,"',
        instead='" status = CASE WHEN %s IS NOT NULL THEN %s ELSE status END,"',
        breaks="a payment that overtook its session is moved back to session_created",
        caught_by=f"{RACES}::test_a_session_that_is_stored_again_does_not_move_its_payment_back",
    ),
    Mutant(
        file=TABLE,
        text="WHERE request_id = %s AND stripe_attempt = %s AND stripe_session_id IS NULL",
        instead="WHERE request_id = %s AND %s > 0 AND stripe_session_id IS NULL",
        breaks="a failure that comes late takes a newer attempt back, and its idempotency key with it",
        caught_by=f"{RACES}::test_a_failure_does_not_take_a_newer_attempt_back",
    ),
    Mutant(
        file=TABLE,
        text="stripe_attempt = %s AND stripe_session_id IS NULL AND status = ANY(%s)",
        instead="stripe_attempt = %s AND status = ANY(%s)",
        breaks="a failure is written next to a session",
        caught_by=f"{RACES}::test_a_failure_is_not_written_next_to_a_session_whatever_the_state",
    ),
    Mutant(
        file=TABLE,
        text="stripe_attempt = %s AND stripe_session_id IS NULL AND status = ANY(%s)",
        instead="stripe_attempt = %s AND stripe_session_id IS NULL AND %s IS NOT NULL",
        breaks="a failure is written over what an event has reported",
        caught_by=f"{RACES}::test_a_failure_is_not_written_over_a_payment_without_a_session",
    ),
    Mutant(
        file=TABLE,
        text='        "   AND checkout_transactions.completed_at IS NULL"\n',
        instead="",
        breaks="the answer to a request changes after it was given",
        caught_by=f"{RACES}::test_a_refusal_is_not_written_over_an_earlier_one",
        worlds=Worlds.SERIAL,
    ),
    Mutant(
        file=REQUESTS,
        text="        if not row.is_refused:\n            raise Unavailable(",
        instead="        if False:\n            raise Unavailable(",
        breaks="a refused request that lost a race is answered with a session that is not there yet",
        caught_by=f"{RACES}::test_a_request_that_is_refused_while_somebody_else_begins_it_comes_again",
    ),
    Mutant(
        file=REQUESTS,
        text="        request.require_same(row)\n        if not",
        instead="        if not",
        breaks="a request that is refused under another one's request_id gets that one's answer",
        caught_by=f"{RACES}"
        "::test_a_request_that_is_refused_while_another_one_under_its_id_is_refused_is_parked",
    ),
    Mutant(
        file=REQUESTS,
        text="                blocked.add(record.partition)\n",
        instead="",
        breaks="a request is answered before an earlier one of its partition",
        caught_by=f"{OF_REQUESTS}::test_stripe_away_keeps_the_order_of_a_partition_and_lets_the_others_go_on",
        worlds=Worlds.SERIAL,
    ),
    Mutant(
        file=TABLE,
        text='    tx.queue("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", (f"checkout user {user_id}",))\n',
        instead="",
        breaks="requests at the same moment overtake the limit of open sessions",
        caught_by=f"{RACES}::test_a_users_requests_are_counted_one_after_the_other",
        worlds=Worlds.INTERLEAVED,
    ),
    Mutant(
        file=TABLE,
        text="WHERE user_id = %s AND id > %s)",
        instead="WHERE user_id = %s AND id < 0 AND id > %s)",
        breaks="a request overtakes the limit while another one is being begun",
        caught_by=f"{RACES}::test_a_users_requests_are_counted_one_after_the_other",
        worlds=Worlds.INTERLEAVED,
    ),
    Mutant(
        file=SESSIONS,
        text="        request.require_same(row)\n        if row.stripe_session_id",
        instead="        if row.stripe_session_id",
        breaks="somebody gets the session of another user who used the same request_id",
        caught_by=f"{CREATE}::test_a_request_id_that_stands_for_something_else_is_409_without_saying_whose",
        worlds=Worlds.SERIAL,
    ),
    Mutant(
        file=SESSIONS,
        text="next_attempt=row.stripe_attempt + 1 if answered else row.stripe_attempt,",
        instead="next_attempt=row.stripe_attempt,",
        breaks="an error that Stripe answered is replayed for ever",
        caught_by=f"{CREATE}::test_an_error_that_stripe_answered_is_not_asked_for_again",
        worlds=Worlds.SERIAL,
    ),
    Mutant(
        file=SESSIONS,
        text="next_attempt=row.stripe_attempt + 1 if answered else row.stripe_attempt,",
        instead="next_attempt=row.stripe_attempt + 1,",
        breaks="what Stripe did not take gets another key, and may be begun twice",
        caught_by=f"{CREATE}::test_what_stripe_did_not_take_keeps_the_idempotency_key",
        worlds=Worlds.SERIAL,
    ),
    Mutant(
        file=SESSIONS,
        text="        if isinstance(error, StripeOutcomeUnknown):\n            return\n",
        instead="",
        breaks="a session whose answer was lost is taken for one that failed",
        caught_by=f"{CREATE}::test_an_unknown_outcome_keeps_the_idempotency_key",
    ),
    Mutant(
        file="payments/stripe_api.py",
        text="        if not may_have_arrived:\n",
        instead="        if _never_connected(error.__cause__):\n",
        breaks="a refund that Stripe has made is reported as one for which it could not be reached",
        caught_by="tests/unit/checkout/test_stripe_refusals.py"
        "::test_stripe_was_not_reached_only_if_no_attempt_of_the_sdk_reached_it",
    ),
    Mutant(
        file="payments/stripe_api.py",
        text='return StripeKeyTaken("Stripe knows',
        instead='return StripeRefused("Stripe knows',
        breaks="a request that was made anew after a restore gets a second session next to its paid one",
        caught_by=f"{KEYS}::test_the_session_of_a_key_that_was_taken_is_still_this_requests",
        worlds=Worlds.RESTORED,
    ),
    Mutant(
        file="payments/stripe_api.py",
        text='return StripeKeyTaken("Stripe knows',
        instead='return StripeNotReached("Stripe knows',
        breaks="a request whose idempotency key is taken blocks its partition",
        caught_by=f"{OF_REQUESTS}::test_a_request_whose_idempotency_key_is_taken_is_answered_failed",
        worlds=Worlds.SERIAL,
    ),
    Mutant(
        file=TABLE,
        text="AND NOT (status = %s AND completed_at IS NOT NULL) RETURNING",
        instead="AND %s IS NOT NULL RETURNING",
        breaks="a request that was answered `failed` gets a session from an attempt that was under way",
        caught_by=f"{OF_REQUESTS}::test_an_answer_failed_stays_the_answer_whatever_another_attempt_brings",
    ),
    Mutant(
        file="payments/decisions.py",
        text="        refused_because=row.refusal,\n",
        instead="",
        breaks="a request that was refused, and is paid in a session made elsewhere, gets another answer",
        caught_by=f"{OF_REQUESTS}"
        "::test_a_refusal_stays_the_answer_whatever_becomes_of_a_session_made_elsewhere",
        worlds=Worlds.ELSEWHERE,
    ),
    Mutant(
        file=SESSIONS,
        text="for_good=_is_for_good(error, row.stripe_attempt),",
        instead="for_good=False,",
        breaks="what can never succeed is tried again by each call",
        caught_by=f"{AMOUNTS}::test_what_only_stripe_knows_is_refused_for_good_by_the_fields_name",
    ),
    Mutant(
        file="sessions/session_request.py",
        text="if not is_in_range or self.amount_cents % currencies.step(config.currency):",
        instead="if not is_in_range:",
        breaks="Stripe is asked for an amount that the currency does not have",
        caught_by=f"{AMOUNTS}::test_over_http_a_known_rule_is_checked_before_stripe_is_asked",
    ),
    Mutant(
        file="sessions/limits.py",
        text="usage.day_cents + amount_cents > most_cents",
        instead="usage.day_cents > most_cents",
        breaks="the payment that exceeds the limit of a day is begun",
        caught_by="tests/integration/test_limits.py::test_what_is_left_of_the_amount_can_still_be_paid",
        worlds=Worlds.LIMITED,
    ),
    Mutant(
        file=TABLE,
        text='"without_payment": list(WITHOUT_PAYMENT),',
        instead='"without_payment": [],',
        breaks="payments that failed count against the limit of a day",
        caught_by="tests/integration/test_limits.py::test_what_counts",
        worlds=Worlds.LIMITED,
    ),
    Mutant(
        file=TABLE,
        text=" AND stripe_parameters -> 'expires_at' = 'null' RETURNING",
        instead=" RETURNING",
        breaks="an idempotency key is sent with two expiries, and Stripe refuses the request",
        caught_by=f"{RACES}::test_an_attempt_sends_the_expiry_that_another_process_has_kept_for_it",
    ),
]
