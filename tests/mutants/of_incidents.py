"""The safeguards that the tests of public incidents name, each taken away."""

from collections.abc import Sequence
from dataclasses import replace

from tests.mutants.mutant import Mutant, Worlds

TWICE = "tests/incidents/test_credited_twice.py"
LOST = "tests/incidents/test_paid_and_not_credited.py"
TAKEN = "tests/incidents/test_refunds_and_disputes.py"
ORDER = "tests/incidents/test_order_and_origin.py"
ASKED = "tests/incidents/test_asking_and_spending.py"

READINGS = "payments/readings.py"
REVERSAL_EVENT = "payments/reversal_event.py"
ERRORS = "base/errors.py"

KNOWN_MISTAKES = {
    f"{TWICE}::test_two_deliveries_at_the_same_moment": (
        "an event that is delivered twice at once is applied twice"
    ),
    f"{TWICE}::test_the_payment_in_an_event_with_another_id": (
        "the twin of an event emits its payment a second time"
    ),
    f"{TWICE}::test_the_return_page_again_and_again": (
        "a function that the internet reaches can write a payment"
    ),
    f"{TWICE}::test_a_payment_intent_under_two_names": "a payment is credited twice under two request ids",
    f"{LOST}::test_another_amount_than_was_asked": "what was asked is credited, and not what was promised for what was paid",
    f"{LOST}::test_an_amount_beyond_the_column": "one sum beyond BIGINT stops its partition for ever",
    f"{TAKEN}::test_a_dispute_that_is_won": "a dispute that was won is taken from the balance once more",
    f"{TAKEN}::test_a_refund_after_a_dispute_that_was_won": "a dispute that was won is taken a second time",
    f"{TAKEN}::test_a_refund_before_its_payment": (
        "a refund is taken from the balance before its payment was credited"
    ),
    f"{TAKEN}::test_a_failure_after_the_credit": "a late event moves a payment back",
    f"{ORDER}::test_an_older_event_later": "a late event moves a payment back",
    f"{ORDER}::test_events_of_the_same_second": "a late event moves a payment back",
    f"{ORDER}::test_a_connected_account": "the payment of a connected account is credited",
    f"{ASKED}::test_an_attempt_after_an_error": "an error that Stripe answered is replayed for ever",
    f"{ASKED}::test_an_amount_that_the_currency_does_not_have": (
        "Stripe is asked for an amount that the currency does not have"
    ),
    f"{ASKED}::test_a_lock_that_excludes_nobody": "two debits at once take more than there is",
    f"{ASKED}::test_ten_at_once_with_money_for_five": "a balance is overdrawn",
    f"{ASKED}::test_everybody_behind_one_lock": "one user whom somebody holds keeps everybody else waiting",
}
"""Test of an incident → what breaks in a mutant of another list, which that test must catch, too."""

OWN = [
    Mutant(
        file="outbox/effects.py",
        text='    return f"success:{request_id}"',
        instead='    return f"success:{request_id}:{id(object()) if request_id else str()}"',
        breaks="a credit has another key each time",
        caught_by=f"{TWICE}::test_a_webhook_that_is_sent_again",
        worlds=Worlds.SERIAL,
    ),
    Mutant(
        file="ledger/table.py",
        text="            ON CONFLICT DO NOTHING\n            RETURNING effect_key, user_id",
        instead="            RETURNING effect_key, user_id",
        breaks="what the ledger has already stops the batch in which it comes again",
        caught_by=f"{TWICE}::test_a_handler_that_looks_for_no_earlier_credit",
        worlds=Worlds.SERIAL,
    ),
    Mutant(
        file="sessions/create.py",
        text="        if row.stripe_session_id is not None:\n            return row, False\n        session = self._ask(row)",
        instead="        session = self._ask(row)",
        breaks="a request that has its session asks Stripe for another one",
        caught_by=f"{TWICE}::test_the_same_top_up_from_the_api_twice",
        worlds=Worlds.SERIAL,
    ),
    Mutant(
        file="outbox/delivery.py",
        text="    outbox.queue(tx, message)\n",
        instead="",
        breaks="an event is stored without the message that credits it",
        caught_by=f"{LOST}::test_the_retry_after_a_failed_credit",
        worlds=Worlds.SERIAL,
    ),
    Mutant(
        file="outbox/delivery.py",
        text="        acknowledged = self._publisher.publish(messages, timing.PUBLISH_AT_ONCE).acknowledged\n",
        instead="        self._publisher.publish(messages, timing.PUBLISH_AT_ONCE)\n"
        "        acknowledged = [message.effect_key for message in messages]\n",
        breaks="what was sent to a broker that is away is taken for published",
        caught_by=f"{LOST}::test_a_broker_that_is_away_at_the_commit",
        worlds=Worlds.SERIAL,
    ),
    Mutant(
        file=ERRORS,
        text='    status = 503\n    code = "temporarily_unavailable"',
        instead='    status = 200\n    code = "temporarily_unavailable"',
        breaks="Stripe is told that an event was stored which was not",
        caught_by=f"{LOST}::test_a_failure_that_was_answered_200",
        worlds=Worlds.SERIAL,
    ),
    Mutant(
        file=ERRORS,
        text='    status = 502\n    code = "stripe_unavailable"',
        instead='    status = 200\n    code = "stripe_unavailable"',
        breaks="an event that could not be read is answered as if it were stored",
        caught_by=f"{LOST}::test_every_error_caught_and_logged",
        worlds=Worlds.SERIAL,
    ),
    Mutant(
        file="reconciliation/missed_events.py",
        text='if event["id"] not in known)',
        instead='if event["id"] in known)',
        breaks="an event that no webhook brought is never recorded",
        caught_by=f"{LOST}::test_an_endpoint_that_moved",
        worlds=Worlds.SERIAL,
    ),
    Mutant(
        file="payments/decisions.py",
        text="[emissions.success(moved), *released]",
        instead="[*released]",
        breaks="a paid session is stored, and its credit is left to others",
        caught_by=f"{LOST}::test_a_browser_that_does_not_return",
        worlds=Worlds.SERIAL,
    ),
    Mutant(
        file=READINGS,
        text="    return event.api_version not in (None, API_VERSION)\n",
        instead="    return False\n",
        breaks="an event of another API version is read as if it were of ours",
        caught_by=f"{LOST}::test_another_version_of_the_api",
        worlds=Worlds.SERIAL,
    ),
    Mutant(
        file="payments/session_event.py",
        text="            return Status.PAYMENT_PROCESSING, None\n",
        instead='            return Status.PAYMENT_FAILED, "It was not paid."\n',
        breaks="a bank debit that has begun is called failed",
        caught_by=f"{LOST}::test_a_bank_debit_that_completes_unpaid",
        worlds=Worlds.SERIAL,
    ),
    Mutant(
        file="ledger/crediting.py",
        text="        except Unprocessable as reason:\n",
        instead="        except ZeroDivisionError as reason:\n",
        breaks="a record that cannot be read stops its partition for ever",
        caught_by=f"{LOST}::test_one_record_that_cannot_be_read",
        worlds=Worlds.SERIAL,
    ),
    Mutant(
        file=REVERSAL_EVENT,
        text='            kinds = ("refunded",)\n',
        instead="            kinds = ()\n",
        breaks="a refund leaves the credits on the balance",
        caught_by=f"{TAKEN}::test_a_refund_that_nobody_handled",
        worlds=Worlds.SERIAL,
    ),
    Mutant(
        file="ledger/table.py",
        text="SET balance = balance + total.amount_cents\n",
        instead="SET balance = greatest(0, balance + total.amount_cents)\n",
        breaks="what was spent before a refund is given away",
        caught_by=f"{TAKEN}::test_a_refund_of_what_was_spent",
        worlds=Worlds.SERIAL,
    ),
    Mutant(
        file=REVERSAL_EVENT,
        text='            if movement.get("id") in whole and isinstance(reversal, Reversal):\n',
        instead="            if False:\n",
        breaks="a dispute moves what was settled, in another currency than the balance's",
        caught_by=f"{TAKEN}::test_a_dispute_in_another_unit",
    ),
    Mutant(
        file=REVERSAL_EVENT,
        text="for one in in_order(refunds)]",
        instead="for one in list(in_order(refunds))[-1:]]",
        breaks="of several refunds of a charge only the last is taken",
        caught_by=f"{TAKEN}::test_partial_refunds_and_the_charges_running_total",
        worlds=Worlds.SERIAL,
    ),
    Mutant(
        file=REVERSAL_EVENT,
        text="        case status if status in GIVEN_BACK:",
        instead='        case "failed":',
        breaks="a refund that was canceled stays taken",
        caught_by=f"{TAKEN}::test_a_refund_that_is_canceled",
        worlds=Worlds.SERIAL,
    ),
    Mutant(
        file=REVERSAL_EVENT,
        text="_reversal(kind, movement, abs(amount), dispute_id)",
        instead="_reversal(kind, movement, min(500, abs(amount)), dispute_id)",
        breaks="a dispute is cut off at the amount of its payment",
        caught_by=f"{TAKEN}::test_a_dispute_above_the_payment",
        worlds=Worlds.SERIAL,
    ),
    Mutant(
        file=REVERSAL_EVENT,
        text="    for movement in in_order(movements):\n",
        instead="    for movement in in_order(movements)[:1]:\n",
        breaks="of a dispute only the first balance transaction counts",
        caught_by=f"{TAKEN}::test_a_dispute_with_several_balance_transactions",
        worlds=Worlds.SERIAL,
    ),
    Mutant(
        file="payments/stripe_object.py",
        text="    return app_of(resource) == app_id\n",
        instead="    return app_of(resource) is not None\n",
        breaks="a payment in another environment of the Stripe account is credited here",
        caught_by=f"{ORDER}::test_another_environment_of_the_account",
        worlds=Worlds.SERIAL,
    ),
    Mutant(
        file=READINGS,
        text="        return Ignored(UNHANDLED)\n",
        instead="        raise InvalidRequest(UNHANDLED)\n",
        breaks="events that nobody asked for are answered as errors until Stripe disables the endpoint",
        caught_by=f"{ORDER}::test_foreign_events_for_days",
        worlds=Worlds.SERIAL,
    ),
    Mutant(
        file=READINGS,
        text="        if event.livemode != self._config.stripe_livemode():\n",
        instead="        if False:\n",
        breaks="who pays with a test card is credited",
        caught_by=f"{ORDER}::test_a_test_event_in_production",
    ),
    Mutant(
        file="payments/payment.py",
        text="        key = self.request_id\n",
        instead='        key = f"{self.user_id}-of-today"\n        return key\n',
        breaks="all requests of a user have one idempotency key",
        caught_by=f"{ASKED}::test_two_attempts_on_one_day",
        worlds=Worlds.SERIAL,
    ),
    Mutant(
        file="api/accounts.py",
        text='        "credited": credit is Place.ENTERED,\n',
        instead='        "credited": row.stripe_session_id is not None,\n',
        breaks="a payment is shown as credited before it is",
        caught_by=f"{ASKED}::test_a_success_before_the_charge",
    ),
    Mutant(
        file="api/http.py",
        text='base64.b64decode(body) if event.get("isBase64Encoded") else body.encode()',
        instead="body.encode()",
        breaks="the signature is compared with what API Gateway has made of the body",
        caught_by=f"{ASKED}::test_a_body_that_the_gateway_encoded",
    ),
    Mutant(
        file="base/text.py",
        text="    if text.isprintable():\n        return text\n    return",
        instead="    if text:\n        return text\n    return",
        breaks="a record writes on the operator's terminal",
        caught_by=f"{ASKED}::test_a_record_that_writes_on_the_operators_terminal",
    ),
]


def mutants(others: Sequence[Mutant]) -> list[Mutant]:
    """The own ones, and those of the other lists that a test of an incident must catch, too."""
    by_consequence = {one.breaks: one for one in reversed(others)}
    return OWN + [
        replace(by_consequence[breaks], caught_by=test, worlds=None)
        for test, breaks in KNOWN_MISTAKES.items()
    ]
