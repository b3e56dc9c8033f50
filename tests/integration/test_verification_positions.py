"""`verify` goes through everything in ranges, over several runs, and never reads a whole table at once."""

from itertools import count
from typing import Any

import pytest

from checkout.base import telemetry
from checkout.base.errors import DatabaseUnavailable
from checkout.operations import ledger_ranges
from checkout.operations.verbs import verify as verification
from checkout.operations.verbs.verify import Verified, Verify
from checkout.reconciliation import stripe_books_table as stripe_books
from tests.support.functions import Functions, query, system

pytestmark = pytest.mark.usefixtures("as_operator", "short_ranges")

USERS = 30
PAYMENTS_SQL = """
INSERT INTO checkout_transactions (request_id, user_id, amount_cents, currency, purpose, status,
                                   payment_intent_id, paid_cents, paid_currency, completed_at)
SELECT 'r' || n, 1 + mod(n, %s), 500, 'eur', 'balance_topup', 'payment_succeeded', 'pi_' || n, 500, 'eur',
       now() - interval '1 hour'
FROM generate_series(1, %s) AS n
"""
ENTRIES_SQL = """
INSERT INTO ledger_entries (effect_key, user_id, amount_cents, currency, kind, request_id, payment_intent_id)
SELECT 'success:r' || n, 1 + mod(n, %s), 500, 'eur', 'success', 'r' || n, 'pi_' || n
FROM generate_series(1, %s) AS n
"""


@pytest.fixture
def short_ranges(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger_ranges, "RANGE", 10)
    monkeypatch.setattr(stripe_books, "RANGE", 10)
    monkeypatch.setattr(verification, "SAVED_EVERY_SECONDS", 0)


@pytest.fixture
def many(fns: Functions) -> None:
    """90 payments of 30 users, three each, all of them credited."""
    fns.add_users(*range(2, USERS + 1))
    fns.checkout(PAYMENTS_SQL, (USERS, 90))
    fns.application(ENTRIES_SQL, (USERS, 90))
    fns.application("UPDATE users SET balance = 1500")


def corrupt(fns: Functions) -> None:
    """In the first range, and in the last."""
    fns.application("UPDATE users SET balance = balance + 1 WHERE id IN (1, 30)")


def run(**options: Any) -> Verified:
    return Verify(system())(**options)


def numbers(verified: Verified) -> dict[str, int]:
    return {finding.name: finding.count for finding in verified if finding.count}


def test_a_pass_of_many_ranges_sees_each_user_and_each_payment_once(fns: Functions, many: None) -> None:
    assert numbers(run()) == {}
    corrupt(fns)
    fns.application(
        "SET LOCAL session_replication_role = replica;"
        " DELETE FROM ledger_entries WHERE mod(substr(request_id, 2)::int, 9) = 0"
    )
    found = run()
    assert found.complete
    assert numbers(found) == {"BalanceDiffersFromLedger": 11, "PaymentNotInLedger": 10}


def test_a_run_that_is_out_of_time_is_gone_on_with(fns: Functions, many: None) -> None:
    corrupt(fns)
    runs = [run(deadline=0) for _ in range(20)]
    ends = [number for number, verified in enumerate(runs) if verified.complete]
    assert ends[0] > 5, "a run checks one range"
    assert [numbers(verified) for verified in runs[: ends[0] + 1] if numbers(verified)] == [
        {"BalanceDiffersFromLedger": 1},
        {"BalanceDiffersFromLedger": 1},
    ]
    assert numbers(runs[ends[0] + 1]) == {"BalanceDiffersFromLedger": 1}, (
        "the next check begins with the first"
    )


def test_a_run_can_begin_anew_and_one_without_a_deadline_leaves_the_pass_alone(
    fns: Functions, many: None
) -> None:
    corrupt(fns)
    assert not run(deadline=0).complete
    assert numbers(run()) == {"BalanceDiffersFromLedger": 2}
    assert numbers(run(deadline=0)) == {}, "the second range"
    assert numbers(run(deadline=0, anew=True)) == {"BalanceDiffersFromLedger": 1}, "the first again"


def test_a_run_that_dies_is_gone_on_with_at_its_last_range(
    fns: Functions, many: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    corrupt(fns)
    numbered, in_ledger = count(), ledger_ranges.in_ledger

    def dies(*arguments: Any) -> ledger_ranges.InLedger:
        if next(numbered) == 4:
            raise DatabaseUnavailable("The database is not available; try again.")
        return in_ledger(*arguments)

    counted: dict[str, int] = {}
    with monkeypatch.context() as patch:
        patch.setattr(ledger_ranges, "in_ledger", dies)
        patch.setattr(telemetry, "count", lambda name, value=1: counted.update({name: value}))
        with pytest.raises(DatabaseUnavailable):
            run(deadline=float("inf"))
    assert counted["BalanceDiffersFromLedger"] == 1, "of the first user: the next run goes on behind it"
    [kept] = fns.checkout("SELECT name, facts FROM verify_findings")
    assert (kept["name"], kept["facts"]["user_id"]) == ("BalanceDiffersFromLedger", 1)
    found = run(deadline=float("inf"))
    assert found.complete
    assert numbers(found) == {"BalanceDiffersFromLedger": 1}, "of the last user alone"


def test_no_statement_reads_more_than_its_range(
    fns: Functions, many: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten times the rows are ten times the ranges, none of them larger."""
    sizes: list[int] = []
    effects = ledger_ranges.effects

    def counted(*arguments: Any, **options: Any) -> Any:
        seen = effects(*arguments, **options)
        sizes.append(len(seen))
        return seen

    monkeypatch.setattr(ledger_ranges, "effects", counted)
    fns.application("SET LOCAL session_replication_role = replica; TRUNCATE ledger_entries")
    fns.application("UPDATE users SET balance = 0")
    assert numbers(run()) == {"PaymentNotInLedger": 90}
    assert max(sizes) <= 12, "ten, and the other payments of the last user"


def test_one_user_with_more_entries_than_a_range_is_one_range(fns: Functions) -> None:
    fns.checkout(PAYMENTS_SQL, (1, 35))
    fns.application(ENTRIES_SQL, (1, 35))
    fns.application("UPDATE users SET balance = 35 * 500")
    assert numbers(run()) == {}
    fns.application("UPDATE users SET balance = 35 * 500 + 1")
    assert numbers(run()) == {"BalanceDiffersFromLedger": 1}


def test_what_is_credited_between_the_two_looks_is_no_offence(
    fns: Functions, many: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The consumer commits after the ledger was read, and before the payments are."""
    in_checkout = ledger_ranges.in_checkout
    urls = fns.settings["CHECKOUT_DATABASE_URL"], fns.settings["DATABASE_URL"]

    def meanwhile(*arguments: Any) -> ledger_ranges.InCheckout:
        if not query(urls[1], "SELECT 1 FROM ledger_entries WHERE effect_key = 'success:r91'"):
            for url, sql in zip(urls, (PAYMENTS_SQL, ENTRIES_SQL), strict=True):
                query(url, sql.replace("(1, %s)", "(91, %s)"), (1, 91))
            query(urls[1], "UPDATE users SET balance = balance + 500 WHERE id = 1")
        return in_checkout(*arguments)

    monkeypatch.setattr(ledger_ranges, "in_checkout", meanwhile)
    assert numbers(run()) == {}


def test_progress_is_reported(fns: Functions, many: None) -> None:
    lines: list[str] = []
    run(progress=lines.append)
    assert lines[-1] == "verify: all is checked"
    assert len(lines) > 5
    assert "up to user" in lines[0]
