"""`overview`: what waits where, and how far the newest payments have come, in both databases."""

from collections.abc import Callable
from typing import Any

from checkout.operations import invariants, overview_table
from checkout.operations.verbs.verify import Verify
from tests.support.functions import Functions, finished, system
from tests.support.stripe_events import event, session_object
from tests.support.terminal import Terminal


def pay(fns: Functions, request_id: str, **session: Any) -> None:
    fns.webhook(event(session_object(request_id, session_id=f"cs_{request_id}", **session)))


def stations(overview: dict[str, Any]) -> dict[str, str]:
    return {payment["request_id"]: payment["station"] for payment in overview["newest"]}


def depths(overview: dict[str, Any]) -> dict[str, int]:
    return {queue["queue"]: queue["depth"] for queue in overview["queues"]}


def test_each_station_of_a_payment_is_named(fns: Functions, terminal: Terminal) -> None:
    pay(fns, "at-stripe", payment_status="unpaid")
    expired = session_object("expired", session_id="cs_expired", payment_status="unpaid")
    fns.webhook(event(expired, "checkout.session.expired"))
    for request_id in ("at-kafka", "in-ledger", "parked", "in-outbox"):
        pay(fns, request_id, payment_intent=f"pi_{request_id}")
    fns.consume(finished("in-ledger"))
    fns.consume(finished("parked", user_id=7))
    fns.checkout(
        "INSERT INTO outbox (effect_key, topic, key, value) VALUES ('success:in-outbox', 't', '1', '{}')"
    )
    # An event that names the row and could not be applied.
    pay(fns, "held", payment_status="unpaid")
    fns.checkout("UPDATE stripe_events SET outcome = 'held', reason = 'odd' WHERE request_id = 'held'")

    overview = terminal.json("overview", "--brief")

    assert stations(overview) == {
        "at-stripe": "stripe",
        "expired": "ended",
        "at-kafka": "kafka",
        "in-ledger": "ledger",
        "parked": "parked",
        "in-outbox": "outbox",
        "held": "inbox",
    }
    assert depths(overview) == {"outbox": 1, "held": 1, "waiting": 0, "parked": 1, "uncredited": 3}
    [parked] = [payment for payment in overview["newest"] if payment["request_id"] == "parked"]
    assert parked["reason"] == "there is no such user"
    assert "payments" not in overview
    assert [one["queue"] for one in overview["attention"]] == ["held", "parked"]


def test_the_last_hours_are_counted_and_how_long_credits_took(fns: Functions, terminal: Terminal) -> None:
    fns.add_users(2)
    for request_id in ("r1", "r2", "old"):
        pay(fns, request_id, payment_intent=f"pi_{request_id}")
    fns.consume(finished("r1"), finished("r2", amount_cents=300))
    fns.consume(finished("r1", status="refunded", source_id="re_1", amount_cents=100))
    fns.checkout(
        "UPDATE checkout_transactions SET completed_at = now() - interval '90 s' WHERE request_id = 'r1'"
    )
    fns.checkout(
        "UPDATE checkout_transactions SET created_at = now() - interval '25 h' WHERE request_id = 'old'"
    )

    overview = terminal.json("overview")

    assert (overview["payments"], overview["payments_by_status"]) == (2, {"payment_succeeded": 2})
    assert (overview["credits"], overview["credited_cents"]) == (2, 800)
    assert (overview["reversals"], overview["reversed_cents"]) == (1, 100)
    assert overview["complete"]
    assert overview["credit_seconds_p50"] < 60
    assert 89 < overview["credit_seconds_p99"] < 150
    assert len(overview["minutes"]) == 60
    assert sum(minute["credits"] for minute in overview["minutes"]) == 2


def test_what_only_the_applications_database_knows_is_unknown_while_that_is_away(
    fns: Functions, terminal: Terminal
) -> None:
    pay(fns, "r1")
    with fns.set(DATABASE_URL="postgresql://nobody@127.0.0.1:1/none"):
        overview = terminal.json("overview", "--brief")

    assert overview["away"] == ["application database"]
    assert [one["sentence"] for one in overview["attention"]] == ["The application database is away."]
    assert depths(overview) == {"outbox": 0, "held": 0, "waiting": 0, "parked": None, "uncredited": None}


def test_what_an_operator_decides_about_is_not_called_uncredited(fns: Functions, terminal: Terminal) -> None:
    """No consumer will ever credit it, and nothing that the remedy names would change that."""
    for request_id in ("unknown-user", "at-kafka"):
        pay(fns, request_id, payment_intent=f"pi_{request_id}")
    fns.checkout("UPDATE checkout_transactions SET completed_at = now() - interval '5 min', user_id = 7")
    forged = finished("at-kafka", user_id=7, amount_cents=1, payment_intent_id="pi_at-kafka")
    fns.consume(finished("unknown-user", user_id=7, payment_intent_id="pi_unknown-user"), forged)

    overview = terminal.json("overview", "--brief")
    assert depths(overview)["parked"] == 2
    assert depths(overview)["uncredited"] == 1, "what was parked under its key has another amount"

    for record in terminal.json("parked", "list")["parked"]:
        discard = ("parked", "discard", record["id"], "--reason", "fraud", "--operator", "ada", "--yes")
        assert terminal.run(*discard) == 0
    overview = terminal.json("overview", "--brief")
    assert depths(overview)["uncredited"] == 1
    assert [one["queue"] for one in overview["attention"]] == ["uncredited"]
    assert stations(overview) == {"unknown-user": "ended", "at-kafka": "kafka"}
    fns.consume(finished("at-kafka", user_id=7, payment_intent_id="pi_at-kafka"))
    assert [one["queue"] for one in terminal.json("overview", "--brief")["attention"]] == ["parked"]


def test_an_event_of_a_bank_debit_that_has_not_settled_needs_nobodys_attention(
    fns: Functions, terminal: Terminal
) -> None:
    """That takes days. The console and `verify` say the same of each."""
    pay(fns, "debit", payment_status="unpaid", payment_intent="pi_debit")
    assert fns.row("debit")["status"] == "payment_processing"
    for intent, hours in (("pi_debit", 48), ("pi_new", 1)):
        wait(fns, intent, hours)

    overview = terminal.json("overview", "--brief")
    assert depths(overview)["waiting"] == 2
    assert overview["attention"] == []
    assert found_stuck() == 0

    wait(fns, "pi_stuck", 3)
    overview = terminal.json("overview", "--brief")
    assert depths(overview)["waiting"] == 3
    [needed] = overview["attention"]
    assert (needed["queue"], needed["sentence"][:4]) == ("waiting", "One ")
    assert found_stuck() == 1


def wait(fns: Functions, intent: str, hours: int) -> None:
    fns.checkout(
        "INSERT INTO stripe_events (event_id, type, payload, outcome, payment_intent_id, received_at)"
        " VALUES (%s, 'refund.created', '{}', 'waiting', %s, now() - make_interval(hours => %s))",
        (f"evt_{intent}", intent, hours),
    )


def found_stuck() -> int:
    return {finding.name: finding.count for finding in Verify(system())()}["EventsStuck"]


def test_it_reads_few_rows_however_long_the_tables_are(fns: Functions) -> None:
    """No plan reads a whole table that grows: each has a limit by an index, or a partial index."""
    for table, queries in overview_queries().items():
        for query in queries:
            plan = explained(fns, query)
            assert f"Seq Scan on {table}" not in plan, plan
    [_, stuck] = overview_queries()["stripe_events"]
    assert "stripe_events_unsettled" in explained(fns, stuck)
    assert "Seq Scan" not in explained(fns, stuck), "nor all payments for those that are not settled"


def overview_queries() -> dict[str, list[str]]:
    recorded: list[str] = []

    class Recorder:
        rowcount = 0

        def execute(self, sql: str, parameters: Any = ()) -> None:
            recorded.append(sql % tuple(map(_literal, parameters)))

        def fetchall(self) -> list[dict[str, Any]]:
            return []

        def row(self) -> dict[str, Any]:
            return {"depth": 0, "seconds": 0.0}

    tx: Any = Recorder()
    calls: dict[str, list[Callable[[], object]]] = {
        "checkout_transactions": [
            lambda: overview_table.payments_by_status(tx, 24, 1000),
            lambda: overview_table.paid_at(tx, ["r1"]),
            lambda: overview_table.not_seen_in_the_ledger(tx, "balance_topup", 500),
            lambda: overview_table.newest_payments(tx, 20),
        ],
        "stripe_events": [
            lambda: overview_table.unsettled_events(tx, "held"),
            lambda: invariants.stuck_events(tx, 1),
        ],
        "ledger_entries": [
            lambda: overview_table.entries_by_kind(tx, 24, 1000),
            lambda: overview_table.newest_credits(tx, 24, 1000),
            lambda: overview_table.entered_at(tx, ["success:r1"]),
        ],
        "parked_events": [lambda: overview_table.parked(tx), lambda: overview_table.parked_among(tx, ["k"])],
    }
    found: dict[str, list[str]] = {}
    for table, made in calls.items():
        recorded.clear()
        for call in made:
            call()
        found[table] = list(recorded)
    return found


def _literal(value: Any) -> str:
    if isinstance(value, list):
        return "ARRAY[" + ", ".join(f"'{one}'" for one in value) + "]::text[]"
    return f"'{value}'" if isinstance(value, str) else str(value)


def explained(fns: Functions, query: str) -> str:
    """The plan, as for a table so long that an index pays."""
    where = fns.application if "ledger_entries" in query or "parked_events" in query else fns.checkout
    where("SET enable_seqscan = off")
    try:
        return "\n".join(str(row["QUERY PLAN"]) for row in where(f"EXPLAIN {query}"))
    finally:
        where("RESET enable_seqscan")
