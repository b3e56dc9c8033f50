"""`verify` finds a corruption of each kind, and is silent where there is none."""

import json
from collections.abc import Iterator, Mapping
from typing import Any
from uuid import uuid4

import pytest

from checkout.base import postgres, telemetry
from checkout.base.errors import ConfigurationError
from checkout.base.postgres import Transaction
from checkout.operations import ledger_ranges
from checkout.operations.verbs.held import HeldEvents
from checkout.operations.verbs.verify import Verify
from tests.support import functions, stripe_events
from tests.support.functions import Functions, finished, system
from tests.support.settings import put

pytestmark = pytest.mark.usefixtures("as_operator")

AS_REPLICA = "SET LOCAL session_replication_role = replica; "
"""With superuser rights: the ledger's trigger is silent."""


def found(fns: Functions) -> dict[str, list[dict[str, Any]]]:
    """The samples of what was found, by check."""
    findings = Verify(system())()
    for finding in findings:
        assert len(finding.samples) == min(finding.count, 10)
    return {finding.name: [_facts(one) for one in finding.samples] for finding in findings if finding.count}


def _facts(sample: Mapping[str, Any]) -> dict[str, Any]:
    """Without the id under which it can be accepted."""
    return {name: value for name, value in sample.items() if name != "finding"}


@pytest.fixture
def paid(fns: Functions) -> str:
    """One paid and credited top-up of an hour ago; its request_id."""
    return pay(fns)


def pay(fns: Functions, user_id: int = 1, **fields: Any) -> str:
    request_id = str(uuid4())
    session = stripe_events.session_object(request_id, user_id=user_id, **fields)
    assert fns.webhook(stripe_events.event(session)).status == 200
    fns.consume(finished(request_id, user_id=user_id))
    fns.checkout("UPDATE checkout_transactions SET completed_at = completed_at - interval '1 hour'")
    return request_id


def test_it_is_silent_where_nothing_is_wrong(fns: Functions, paid: str) -> None:
    fns.add_users(2, 3, 2**40)
    for user_id in (2, 3, 2**40):
        pay(fns, user_id)
    fns.application("SELECT ledger_move('order:1', 1, -100, 'eur', 'order')")
    assert found(fns) == {}


def test_a_balance_edited_by_hand(fns: Functions, paid: str) -> None:
    fns.add_users(2, balance=1)
    fns.application("UPDATE users SET balance = balance + 1 WHERE id = 1")
    assert found(fns) == {
        "BalanceDiffersFromLedger": [
            {"user_id": 1, "balance_cents": 501, "ledger_cents": "500"},
            {"user_id": 2, "balance_cents": 1, "ledger_cents": "0"},
        ]
    }


def test_an_entry_deleted_through_superuser_rights(fns: Functions, paid: str) -> None:
    fns.application(AS_REPLICA + "DELETE FROM ledger_entries")
    offences = found(fns)
    assert offences.keys() == {"BalanceDiffersFromLedger", "PaymentNotInLedger"}
    assert offences["PaymentNotInLedger"][0]["effect_key"] == f"success:{paid}"

    fns.application("UPDATE users SET balance = 0")
    assert found(fns).keys() == {"PaymentNotInLedger"}, "even with the balance made to match"


EFFECT_KEYS = "ledger_entries_effect_key_key"


@pytest.fixture
def without_constraint(fns: Functions) -> Iterator[None]:
    fns.application("ALTER TABLE ledger_entries DROP CONSTRAINT ledger_entries_effect_key_key")
    yield
    fns.application(AS_REPLICA + "TRUNCATE ledger_entries")
    fns.application(
        "ALTER TABLE ledger_entries ADD CONSTRAINT ledger_entries_effect_key_key UNIQUE (effect_key)"
    )


def test_an_entry_duplicated_while_the_constraint_was_gone(
    fns: Functions, paid: str, without_constraint: None
) -> None:
    fns.application(
        "INSERT INTO ledger_entries (effect_key, user_id, amount_cents, currency, kind)"
        " SELECT effect_key, user_id, amount_cents, currency, kind FROM ledger_entries"
    )
    assert found(fns)["EffectTwiceInLedger"] == [{"effect_key": f"success:{paid}", "entries": 2}]
    fns.application("UPDATE users SET balance = 1000")
    assert found(fns).keys() == {"EffectTwiceInLedger"}, "even with the balance made to match"


@pytest.fixture
def without_index(fns: Functions) -> Iterator[None]:
    """It misses entries, as one does whose order a new collation has changed; and it is valid."""
    fns.application("UPDATE pg_index SET indisready = false WHERE indexrelid = %s::regclass", (EFFECT_KEYS,))
    yield
    fns.application(AS_REPLICA + "TRUNCATE ledger_entries")
    fns.application("UPDATE pg_index SET indisready = true WHERE indexrelid = %s::regclass", (EFFECT_KEYS,))


def test_an_effect_that_a_broken_index_has_let_in_twice(
    fns: Functions, paid: str, without_index: None
) -> None:
    fns.application(
        "INSERT INTO ledger_entries (effect_key, user_id, amount_cents, currency, kind)"
        " SELECT effect_key, user_id, amount_cents, currency, kind FROM ledger_entries"
    )
    fns.application("UPDATE users SET balance = 1000")
    assert found(fns) == {"EffectTwiceInLedger": [{"effect_key": f"success:{paid}", "entries": 2}]}


@pytest.mark.parametrize(
    "change", ["amount_cents = 501", "user_id = 2", "currency = 'usd'"], ids=["amount", "user", "currency"]
)
def test_an_entry_that_is_not_its_payments(fns: Functions, paid: str, change: str) -> None:
    fns.add_users(2)
    fns.application(AS_REPLICA + f"UPDATE ledger_entries SET {change}")
    [sample] = found(fns)["EntryDiffersFromPayment"]
    assert sample["effect_key"] == f"success:{paid}"


def test_an_entry_of_a_payment_that_never_succeeded(fns: Functions) -> None:
    request_id = str(uuid4())
    session = stripe_events.session_object(request_id, payment_status="unpaid")
    fns.webhook(stripe_events.event(session))
    fns.consume(finished(request_id))
    [sample] = found(fns)["EntryDiffersFromPayment"]
    assert sample["status"] == "payment_processing"


def test_a_reversal_that_stripe_never_made(fns: Functions, paid: str) -> None:
    fns.consume(finished(paid, status="refunded", source_id="re_bogus", amount_cents=200))
    [sample] = found(fns)["EntryDiffersFromPayment"]
    assert (sample["effect_key"], sample["status"]) == ("refunded:re_bogus", "payment_succeeded")


@pytest.mark.parametrize("effect", [{"status": "refunded", "source_id": "re_bogus"}, {"status": "success"}])
def test_an_entry_that_only_its_payment_intent_connects_to_a_payment(
    fns: Functions, paid: str, effect: dict[str, str]
) -> None:
    intent = fns.row(paid)["payment_intent_id"]
    fns.consume(finished("never-asked", payment_intent_id=intent, amount_cents=200, **effect))
    offences = found(fns)
    assert [sample["status"] for sample in offences["EntryDiffersFromPayment"]] == ["payment_succeeded"]
    assert "CreditWithoutTransaction" not in offences


@pytest.mark.parametrize("other", [2, 1025])
def test_a_reversal_of_one_user_entered_for_another(fns: Functions, paid: str, other: int) -> None:
    fns.add_users(other)
    reverse(fns, paid, "re_1", 200)
    event = finished("never-asked", user_id=other, status="refunded", source_id="re_1", amount_cents=200)
    fns.consume(event)
    [sample] = found(fns)["EntryDiffersFromPayment"]
    assert (sample["effect_key"], sample["user_id"]) == ("refunded:re_1", other)


@pytest.mark.parametrize(("credit", "taken", "expected"), [(550, 331, "330"), (10**15, 3, "600000000000000")])
def test_what_is_taken_back_is_not_the_share_of_the_credit(
    fns: Functions, paid: str, credit: int, taken: int, expected: str
) -> None:
    """300 of 500 were refunded, in two parts."""
    reverse(fns, paid, "re_1", 200)
    reverse(fns, paid, "re_2", 100)
    fns.checkout("UPDATE checkout_transactions SET credit_cents = %s", (credit,))
    fns.checkout("UPDATE reversals SET credit_cents = %s - 1 WHERE source_id = 're_1'", (taken,))
    fns.checkout("UPDATE reversals SET credit_cents = 1 WHERE source_id = 're_2'")
    samples = found(fns)["EntryDiffersFromPayment"]
    [sample] = [one for one in samples if "expected_cents" in one]
    assert (sample["request_id"], sample["reversed_cents"]) == (paid, "300")
    assert (sample["taken_cents"], sample["expected_cents"]) == (str(taken), expected)


def test_a_reversal_that_still_waits_for_its_payment(fns: Functions, paid: str) -> None:
    reverse(fns, paid, "re_1", 200)
    fns.checkout("UPDATE reversals SET state = 'waiting'")
    fns.consume(finished("never-asked", status="refunded", source_id="re_1", amount_cents=200))
    [sample] = found(fns)["EntryDiffersFromPayment"]
    assert (sample["effect_key"], sample["status"]) == ("refunded:re_1", "waiting")


def test_a_reversal_of_somebody_elses_payment_is_listed_with_it(fns: Functions, paid: str) -> None:
    fns.consume(
        finished("from-elsewhere"),
        finished("from-elsewhere", status="refunded", source_id="re_1", amount_cents=200),
    )
    assert {name: len(rows) for name, rows in found(fns).items()} == {"CreditWithoutTransaction": 2}


def test_a_credit_that_is_missing_is_no_offence_for_half_an_hour(fns: Functions) -> None:
    request_id = str(uuid4())
    fns.webhook(stripe_events.event(stripe_events.session_object(request_id)))
    assert "PaymentNotInLedger" not in found(fns)
    fns.checkout("UPDATE checkout_transactions SET completed_at = now() - interval '31 minutes'")
    assert [sample["effect_key"] for sample in found(fns)["PaymentNotInLedger"]] == [f"success:{request_id}"]


def test_a_parked_credit_is_known(fns: Functions) -> None:
    request_id = str(uuid4())
    fns.webhook(stripe_events.event(stripe_events.session_object(request_id, user_id=7)))
    fns.consume(finished(request_id, user_id=7))
    fns.checkout("UPDATE checkout_transactions SET completed_at = now() - interval '1 hour'")
    assert found(fns).keys() == {"RecordsParked"}


def test_a_payment_of_another_purpose_needs_no_entry(fns: Functions) -> None:
    request_id = str(uuid4())
    metadata = {
        "checkout_app": stripe_events.APP_ID,
        "request_id": request_id,
        "user_id": "1",
        "purpose": "gift",
    }
    fns.webhook(stripe_events.event(stripe_events.session_object(request_id, metadata=metadata)))
    fns.checkout("UPDATE checkout_transactions SET completed_at = now() - interval '1 hour'")
    assert found(fns) == {}


@pytest.mark.parametrize(
    ("foreign_producers", "is_offence", "metrics"), [("", True, [1]), ("true", False, [])]
)
def test_a_credit_without_a_transaction_of_ours_is_an_offence_unless_others_put_it_there(
    fns: Functions,
    monkeypatch: pytest.MonkeyPatch,
    foreign_producers: str,
    is_offence: bool,
    metrics: list[int],
) -> None:
    fns.set(FOREIGN_PRODUCERS=foreign_producers)
    functions.forget_wiring()
    counted: list[tuple[str, int]] = []
    monkeypatch.setattr(telemetry, "count", lambda name, value=1: counted.append((name, value)))
    fns.consume(finished("from-elsewhere"))
    [finding] = [one for one in Verify(system())() if one.count]
    assert (finding.name, finding.is_offence) == ("CreditWithoutTransaction", is_offence)
    assert [sample["effect_key"] for sample in finding.samples] == ["success:from-elsewhere"]
    assert [value for name, value in counted if name == "CreditWithoutTransaction"] == metrics


def test_whether_there_are_foreign_producers_is_said_in_two_words(monkeypatch: pytest.MonkeyPatch) -> None:
    put(monkeypatch, FOREIGN_PRODUCERS="some")
    functions.forget_wiring()
    with pytest.raises(ConfigurationError, match="FOREIGN_PRODUCERS must be true or false"):
        _ = Verify(system())


def test_a_paid_row_without_a_payment_intent_cannot_be_in_stripes_books(fns: Functions, paid: str) -> None:
    fns.checkout("UPDATE checkout_transactions SET payment_intent_id = NULL")
    facts = {"request_id": paid, "stripe_cents": 0, "our_cents": 500, "currency": "eur"}
    assert found(fns) == {"TotalsDifferFromStripe": [facts]}


def test_a_reversal_that_never_arrived(fns: Functions, paid: str) -> None:
    reverse(fns, paid, "re_1", 200)
    assert [row["amount_cents"] for row in found(fns)["PaymentNotInLedger"]] == [-200]
    fns.consume(finished(paid, status="refunded", source_id="re_1", amount_cents=200))
    assert found(fns) == {}


def test_more_reversed_than_paid(fns: Functions, paid: str) -> None:
    fns.checkout("UPDATE checkout_transactions SET refunded_cents = 500, disputed_cents = 1")
    assert [row["request_id"] for row in found(fns)["ReversedMoreThanPaid"]] == [paid]


def test_an_outbox_that_nobody_empties(fns: Functions) -> None:
    fns.checkout("INSERT INTO outbox (effect_key, topic, key, value) VALUES ('success:r1', 't', '1', '{}')")
    assert found(fns) == {}
    fns.checkout("UPDATE outbox SET created_at = now() - interval '16 minutes'")
    [row] = found(fns)["OutboxStuck"]
    assert row["effect_key"] == "success:r1"


def test_held_and_waiting_events_are_counted(fns: Functions) -> None:
    for outcome in ("held", "waiting"):
        fns.checkout(
            "INSERT INTO stripe_events (event_id, type, payload, outcome) VALUES (%s, 't', '{}', %s)",
            (f"evt_{outcome}", outcome),
        )
    assert {name: rows[0]["event_id"] for name, rows in found(fns).items()} == {
        "EventsHeld": "evt_held",
        "EventsWaiting": "evt_waiting",
    }


def test_what_waits_for_longer_than_it_should_has_an_alarm_of_its_own(fns: Functions) -> None:
    fns.checkout(
        "INSERT INTO checkout_transactions (request_id, user_id, amount_cents, currency, purpose, status,"
        " payment_intent_id) VALUES ('r1', 1, 500, 'eur', 'balance_topup', 'payment_processing', 'pi_debit')"
    )
    for event_id, payment_intent, minutes in (
        ("evt_new", "pi_1", 60),
        ("evt_old", "pi_1", 130),
        ("evt_nowhere", None, 130),
        ("evt_of_a_debit_that_has_not_settled", "pi_debit", 10_000),
    ):
        fns.checkout(
            "INSERT INTO stripe_events (event_id, type, payload, outcome, payment_intent_id, received_at)"
            " VALUES (%s, 't', %s, 'waiting', %s, now() - make_interval(mins => %s))",
            (event_id, json.dumps(stripe_events.event({}, "t")), payment_intent, minutes),
        )
    stuck = found(fns)["EventsStuck"]
    assert {row["event_id"] for row in stuck} == {"evt_old", "evt_nowhere"}

    HeldEvents(system()).discard("evt_old", reason="made up")
    HeldEvents(system()).discard("evt_nowhere", reason="made up")
    assert "EventsStuck" not in found(fns)


def test_many_offenders_are_counted_and_a_few_are_named(
    fns: Functions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("checkout.operations.ledger_ranges.RANGE", 7)
    fns.add_users(*range(2, 42))
    fns.checkout(
        "INSERT INTO checkout_transactions (request_id, user_id, amount_cents, currency, purpose, status,"
        " paid_cents, paid_currency, completed_at)"
        " SELECT 'r' || n, mod(n, 40) + 1, 500, 'eur', 'balance_topup', 'payment_succeeded', 500, 'eur',"
        " now() - interval '1 hour' FROM generate_series(1, 100) AS n"
    )
    findings = {finding.name: finding for finding in Verify(system())()}
    assert findings["PaymentNotInLedger"].count == 100
    assert len(findings["PaymentNotInLedger"].samples) == 10


def test_one_database_may_take_long_while_the_other_waits(
    fns: Functions, paid: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_checkout = ledger_ranges.in_checkout

    def slow(cursor: Transaction, users: ledger_ranges.Users) -> ledger_ranges.InCheckout:
        cursor.execute("SELECT pg_sleep(0.5)")
        return in_checkout(cursor, users)

    monkeypatch.setattr(ledger_ranges, "in_checkout", slow)
    monkeypatch.setitem(postgres.SESSION, "idle_in_transaction_session_timeout", "250ms")
    functions.forget_wiring()
    assert found(fns) == {}


def reverse(fns: Functions, request_id: str, source_id: str, amount_cents: int) -> None:
    """As if Stripe had refunded an hour ago."""
    fns.checkout(
        "INSERT INTO reversals (effect_key, kind, source_id, payment_intent_id, amount_cents, currency,"
        " state, emitted_at)"
        " SELECT 'refunded:' || %s, 'refunded', %s, payment_intent_id, %s, 'eur', 'emitted',"
        " now() - interval '1 hour' FROM checkout_transactions WHERE request_id = %s",
        (source_id, source_id, amount_cents, request_id),
    )
