"""What calls a person, and what must not."""

from tests.mutants.mutant import Mutant, Worlds

PARKING = "ledger/parking.py"
TELEMETRY = "base/telemetry.py"
EVENTS = "payments/events.py"
DECISIONS = "payments/decisions.py"
VERIFY = "operations/verbs/verify.py"
MISSED = "reconciliation/missed_events.py"
OF_WEBHOOKS = "tests/integration/test_bad_webhooks.py"
OF_MISSED = "tests/integration/test_missed_webhooks.py"

MUTANTS = [
    Mutant(
        file=TELEMETRY,
        text="    count(name)\n    _flush()\n",
        instead="    count(name)\n",
        breaks="what a process has parked that dies then raises no alarm",
        caught_by="tests/unit/checkout/test_telemetry.py::test_an_alert_is_written_at_once_whatever_is_in_it",
        worlds=Worlds.SERIAL,
    ),
    Mutant(
        file=TELEMETRY,
        text="    count(name)\n    _flush()\n",
        instead="    _flush()\n",
        breaks="an alert is only in the log",
        worlds=Worlds.SERIAL,
    ),
    Mutant(
        file=PARKING,
        text="        if one.record.place in new and not (one.is_discarded or one.is_early):\n",
        instead="        if one.record.place not in new and not (one.is_discarded or one.is_early):\n",
        breaks="what is parked raises an alarm when it comes again, and not when it is parked",
        worlds=Worlds.SERIAL,
    ),
    Mutant(
        file=PARKING,
        text="not (one.is_discarded or one.is_early):\n",
        instead="not (one.is_discarded or one.is_early or one.effect is None):\n",
        breaks="a record that nobody can read is parked silently",
        worlds=Worlds.SERIAL,
    ),
    Mutant(
        file=EVENTS,
        text="            is_alone = admit is None and not isinstance(reading, Parked)\n",
        instead="            is_alone = admit is None\n",
        breaks="an event is held before anybody is called, and the process may die between",
        caught_by=f"{OF_WEBHOOKS}::test_a_held_event_is_announced_although_the_process_dies_at_its_commit",
        worlds=Worlds.SERIAL,
    ),
    Mutant(
        file=EVENTS,
        text="                _announce(event, settled)\n        if",
        instead="                pass\n        if",
        breaks="an event that was read is held silently",
        caught_by=f"{OF_WEBHOOKS}::test_a_held_event_is_announced_although_the_process_dies_at_its_commit",
        worlds=Worlds.SERIAL,
    ),
    Mutant(
        file=EVENTS,
        text="        if event.type == EARLY_FRAUD_WARNING and isinstance(reading, Applied):\n",
        instead="        if event.type == EARLY_FRAUD_WARNING and isinstance(reading, Waiting):\n",
        breaks="a warning of fraud is stored silently",
        worlds=Worlds.SERIAL,
    ),
    Mutant(
        file=DECISIONS,
        text="            _alert_second_payment(reported, row, is_second=is_second)\n",
        instead="",
        breaks="a second payment of one request is credited silently",
        worlds=Worlds.SERIAL,
    ),
    Mutant(
        file=DECISIONS,
        text="        _alert_contradiction(reported, row)\n",
        instead="",
        breaks="Stripe takes back silently what it has reported as paid",
        worlds=Worlds.SERIAL,
    ),
    Mutant(
        file=DECISIONS,
        text="        _compare_paid_with_asked(row, reported)\n",
        instead="",
        breaks="a session that came to another amount than asked is credited silently",
        worlds=Worlds.SERIAL,
    ),
    Mutant(
        file="reconciliation/evidence.py",
        text="=self._config.reemit_after_seconds)\n            telemetry.alert(",
        instead="=self._config.reemit_after_seconds)\n            dict(",
        breaks="a payment that somebody wrote into our table is left uncredited silently",
        worlds=Worlds.SERIAL,
    ),
    Mutant(
        file="reconciliation/run.py",
        text='            telemetry.measure_seconds("OldestUncreditedPayment", oldest)\n',
        instead='            telemetry.count("OldestUncreditedPayment", oldest)\n',
        breaks="without an uncredited payment nothing is measured, and the alarm says that the reconciler is gone",
        worlds=Worlds.SERIAL,
    ),
    Mutant(
        file="reconciliation/uncredited.py",
        text="                return int((now - min(times)).total_seconds())\n",
        instead="                return int((now - max(times)).total_seconds())\n",
        breaks="the newest of several payments that nobody credits hides the oldest",
        worlds=Worlds.SERIAL,
    ),
    Mutant(
        file="reconciliation/uncredited.py",
        text="            times = [datetime.fromisoformat(paid[key].timestamp) for key in paid.keys() - credited - parked]\n",
        instead="            times = [datetime.fromisoformat(paid[key].timestamp) for key in paid.keys() - parked]\n",
        breaks="a payment that is credited raises the alarm of those that are not",
        worlds=Worlds.SERIAL,
    ),
    Mutant(
        file="reconciliation/failures.py",
        text='        telemetry.count("ReconcilerSkipped")\n',
        instead="",
        breaks="what each run of the reconciler has to leave is left silently",
        worlds=Worlds.INTERLEAVED,
    ),
    Mutant(
        file=MISSED,
        text=' and event["created"] < latest',
        instead="",
        breaks="an event whose webhook is on its way counts as lost, and busy days call somebody",
        caught_by=f"{OF_MISSED}::test_an_event_whose_webhook_may_be_on_its_way_is_recorded_and_not_missed",
    ),
    Mutant(
        file=MISSED,
        text=" and not pages.is_first",
        instead="",
        breaks="a new stack misses what happened on its account before",
        caught_by=f"{OF_MISSED}::test_what_happened_before_the_first_run_is_not_missed",
    ),
    Mutant(
        file=VERIFY,
        text="                telemetry.count(finding.name, finding.count)\n",
        instead="                telemetry.count(finding.name, finding.accepted)\n",
        breaks="what verify finds raises no alarm",
        worlds=Worlds.SERIAL,
    ),
    Mutant(
        file="operations/thresholds.py",
        text="OUTBOX_STUCK = 900\n",
        instead="OUTBOX_STUCK = 9 * 86_400\n",
        breaks="nobody hears that messages wait for Kafka",
        worlds=Worlds.SERIAL,
    ),
    Mutant(
        file="operations/invariants.py",
        text="        \"     WHERE t.payment_intent_id = e.payment_intent_id AND t.status = 'payment_processing')\"\n",
        instead="        \"     WHERE t.payment_intent_id = e.payment_intent_id AND t.status = 'session_pending')\"\n",
        breaks="a bank debit that is on its way calls somebody",
        caught_by="tests/integration/test_verification.py"
        "::test_what_waits_for_longer_than_it_should_has_an_alarm_of_its_own",
    ),
]
