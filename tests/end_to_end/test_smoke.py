"""`make smoke` against the stack on this machine."""

import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.support.project import ROOT
from tests.support.running_stack import RunningStack


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    with RunningStack(tmp_path_factory.mktemp("smoke") / "project") as running:
        (running.folder / "deployment").symlink_to(ROOT / "deployment")
        yield running


def run(stack: RunningStack, *arguments: str, **settings: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=stack.folder,
        env=settings,
        capture_output=True,
        text=True,
        check=False,
    )


def verify_with_books_read(stack: RunningStack) -> "subprocess.CompletedProcess[str]":
    """The result of `verify` if Stripe's books count as read until later than now.

    It is repeated if the reconciler, which reads them every 15 seconds, interferes.
    """
    today = int(datetime.now(UTC).timestamp())
    read = {"began": today + 7200, "since": today, "after": None}
    for _ in range(5):
        stack.checkout(
            "INSERT INTO reconciler_state (name, value) VALUES ('stripe_balance_transactions', %s::jsonb)"
            " ON CONFLICT (name) DO UPDATE SET value = EXCLUDED.value",
            (json.dumps(read),),
        )
        done = run(stack, "local", "operations", "verify", "--json")
        found = stack.checkout(
            "SELECT value FROM reconciler_state WHERE name = 'stripe_balance_transactions'"
        )
        if found == [{"value": read}]:
            return done
    pytest.fail("the reconciler always came between")


def test_a_payment_is_credited_and_taken_back_each_time(stack: RunningStack) -> None:
    for _ in range(2):
        done = run(stack, "deployment", "smoke")
        assert done.returncode == 0, done.stdout + done.stderr
        assert "the balance is 0 again" in done.stdout
    amounts = [
        row["amount_cents"]
        for row in stack.application("SELECT amount_cents FROM ledger_entries ORDER BY id")
    ]
    assert amounts == [50, -50, 50, -50]


def test_it_is_left_out_of_the_comparison_with_stripe_alone(stack: RunningStack) -> None:
    """Stripe's books, completely read, have no such payment."""
    stack.checkout(
        "INSERT INTO stripe_balance_transactions"
        " (id, movement, payment_intent_id, amount_cents, currency, is_ours, created_at, compared_from)"
        " VALUES ('txn_old', 'paid:pi_old', 'pi_old', 1, 'eur', false, now() - interval '3 days', now())"
    )
    assert verify_with_books_read(stack).returncode == 0
    stack.checkout("UPDATE checkout_transactions SET payment_intent_id = 'pi_real' || id")
    verified = verify_with_books_read(stack)
    assert verified.returncode == 1
    assert '"source": "pi_real' in verified.stdout


def test_what_does_not_work_is_said(stack: RunningStack) -> None:
    """Somebody edited the balance, so the credit cannot be taken back."""
    stack.application("UPDATE users SET balance = -1 WHERE id = 9000000000000000001")
    done = run(stack, "deployment", "smoke")
    assert done.returncode == 1
    assert "error: operations adjust was refused" in done.stderr


def test_settings_change_what_is_paid_and_by_whose_token(tmp_path: Path) -> None:
    settings = {
        "PRICES": '[{"amount_cents":1000,"credit_cents":1100}]',
        "PRICES_ONLY": "true",
        "JWT_AUDIENCE": "web,app",
        "JWT_USER_CLAIM": "/o/id",
    }
    with RunningStack(tmp_path / "project", **settings) as stack:
        (stack.folder / "deployment").symlink_to(ROOT / "deployment")
        done = run(stack, "deployment", "smoke", **settings)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "the balance is 0 again" in done.stdout
        entries = stack.application("SELECT amount_cents FROM ledger_entries ORDER BY id")
        assert [row["amount_cents"] for row in entries] == [1100, -1100]
