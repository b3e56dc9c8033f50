"""From the commit to Kafka."""

from tests.mutants.mutant import Mutant, Worlds

OUTBOX = "outbox/table.py"
DELIVERY = "outbox/delivery.py"
ROWS = "tests/integration/test_outbox_rows.py"

MUTANTS = [
    Mutant(
        file=OUTBOX,
        text="WHERE effect_key = ANY(%s) FOR UPDATE SKIP LOCKED)",
        instead="WHERE effect_key = ANY(%s) FOR UPDATE)",
        breaks="a webhook waits for a row that a relay holds while it waits for the broker",
        caught_by=f"{ROWS}::test_a_published_row_that_a_relay_holds_is_left_to_it_and_the_others_go",
        worlds=Worlds.INTERLEAVED,
    ),
    Mutant(
        file=OUTBOX,
        text='" ORDER BY id LIMIT %s FOR UPDATE SKIP LOCKED"',
        instead='" ORDER BY id LIMIT %s FOR UPDATE"',
        breaks="a relay waits for the rows that another one holds",
        caught_by=f"{ROWS}::test_a_relay_passes_by_what_another_one_holds",
        worlds=Worlds.INTERLEAVED,
    ),
    Mutant(
        file=OUTBOX,
        text='" ORDER BY id LIMIT %s FOR UPDATE SKIP LOCKED"',
        instead='" ORDER BY id DESC LIMIT %s FOR UPDATE SKIP LOCKED"',
        breaks="a reversal is published before the credit that was queued before it",
        caught_by=f"{ROWS}::test_a_relay_publishes_the_oldest_first",
        worlds=Worlds.SERIAL,
    ),
    Mutant(
        file=OUTBOX,
        text='" ORDER BY id LIMIT %s FOR UPDATE SKIP LOCKED"',
        instead='" ORDER BY id LIMIT %s"',
        breaks="two relays publish the same rows",
        worlds=Worlds.INTERLEAVED,
    ),
    Mutant(
        file=DELIVERY,
        text="Message(effect_key, TOPIC, str(event.user_id), ",
        instead="Message(effect_key, TOPIC, effect_key, ",
        breaks="the records of a user are in several partitions, in no order",
        worlds=Worlds.SERIAL,
    ),
    Mutant(
        file=OUTBOX,
        text="created_at <= now() - make_interval(secs => %s)",
        instead="%s IS NOT NULL",
        breaks="a relay publishes what the webhook is publishing at this moment",
        caught_by=f"{ROWS}::test_a_relay_leaves_alone_what_was_committed_just_now",
    ),
    Mutant(
        file=DELIVERY,
        text="                    outbox.remove(tx, acknowledged)\n            except",
        instead="                    outbox.remove(tx, [message.effect_key for message in messages])\n            except",
        breaks="what the broker did not acknowledge to a webhook is lost",
        caught_by=f"{ROWS}::test_what_is_published_at_once_stays_until_the_broker_has_acknowledged_it",
        worlds=Worlds.SERIAL,
    ),
    Mutant(
        file=DELIVERY,
        text="                outbox.remove(tx, answer.acknowledged)\n",
        instead="                outbox.remove(tx, [message.effect_key for message in messages])\n",
        breaks="what the broker did not acknowledge to a relay is lost",
        caught_by=f"{ROWS}::test_what_a_relay_publishes_stays_until_the_broker_has_acknowledged_it",
        worlds=Worlds.SERIAL,
    ),
    Mutant(
        file="outbox/producer.py",
        text='"acks": "all"',
        instead='"acks": "1"',
        breaks="a message is lost with the one broker that had it",
        caught_by=f"{ROWS}::test_every_in_sync_replica_must_have_a_message_before_it_is_acknowledged",
    ),
    Mutant(
        file="outbox/producer.py",
        text="        acknowledged = {key for key, error in answers.items() if error is None}",
        instead="        acknowledged = {message.effect_key for message in messages}",
        breaks="what no broker has acknowledged is taken for published",
        caught_by="tests/integration/test_delivery.py::test_a_broker_that_is_away_changes_nothing_for_stripe",
    ),
    Mutant(
        file="outbox/producer.py",
        text="            self.close()  # What it gives up becomes an error among `answers`.\n",
        instead="",
        breaks="what was given up is sent later, next to what the relay sends",
        caught_by="tests/integration/test_delivery.py::test_what_was_given_up_has_nobody_who_would_send_it_later",
    ),
    Mutant(
        file="outbox/producer.py",
        text='    "partitioner": "murmur2_random",\n',
        instead="",
        breaks="a user's records are in two partitions, so a reversal overtakes its credit",
        caught_by="tests/integration/test_delivery.py::test_a_key_has_the_partition_that_other_clients_give_it",
    ),
    Mutant(
        file="reconciliation/uncredited_payments_table.py",
        text="\"   AND NOT EXISTS (SELECT FROM outbox o WHERE o.effect_key = 'success:' || t.request_id)\"\n",
        instead="",
        breaks="a payment is emitted again while it is still in the outbox",
        caught_by=f"{ROWS}::test_nothing_is_emitted_again_while_it_is_in_the_outbox",
    ),
    Mutant(
        file="reconciliation/uncredited_reversals_table.py",
        text='"   AND NOT EXISTS (SELECT FROM outbox o WHERE o.effect_key = r.effect_key)"\n',
        instead="",
        breaks="a reversal is emitted again while it is still in the outbox",
        caught_by=f"{ROWS}::test_nothing_is_emitted_again_while_it_is_in_the_outbox",
    ),
    Mutant(
        file=DELIVERY,
        text="                if answer.refused:\n",
        instead="                if answer.refused:\n                    break\n                if answer.refused:\n",
        breaks="500 refused messages at the head of the outbox stop it for ever",
        caught_by="tests/integration/test_delivery.py"
        "::test_what_the_broker_refuses_stands_in_nobodys_way_and_is_loud",
    ),
    Mutant(
        file="outbox/effects.py",
        text='return f"answered:{request_id}"',
        instead='return f"failed:{request_id}"',
        breaks="an answer stands in the outbox for the failure of its payment",
        worlds=Worlds.ELSEWHERE,
    ),
]
