"""The stack's secrets, several during a rotation. What cannot be used ends the start."""

import subprocess
import sys
from pathlib import Path

import pytest
import requests

from tests.support.running_stack import RunningStack

NEW_SECRET = "whsec_that_is_in_use_since"
NEW_TOKEN, OLD_TOKEN = "service-token-that-is-new", "service-token-that-is-old"


def test_the_first_of_several_secrets_is_used_and_all_are_accepted(tmp_path: Path) -> None:
    rotated = {
        "STRIPE_WEBHOOK_SECRET": f"{NEW_SECRET}, whsec_that_was_rolled_before",
        "CHECKOUT_SERVICE_TOKEN": f"{NEW_TOKEN},{OLD_TOKEN}",
    }
    with RunningStack(tmp_path / "project", **rotated) as stack:
        assert stack.description["stripe_webhook_secret"] == NEW_SECRET
        assert stack.description["service_token"] == NEW_TOKEN
        shown, _, _ = stack.log.partition("ready; Ctrl-C")
        assert NEW_SECRET in shown
        assert f"{NEW_TOKEN}  (X-Service-Token)" in shown
        assert OLD_TOKEN not in stack.log
        assert "rolled_before" not in stack.log
        bought = subprocess.run(
            [sys.executable, "-m", "local", "demo"],
            cwd=stack.folder,
            env={},
            capture_output=True,
            text=True,
            check=False,
        )
        assert bought.returncode == 0, [bought.stderr, stack.log[-5000:]]

        statuses = [
            requests.post(
                f"{stack.description['api_url']}/checkout/sessions",
                json={"amount_cents": 500, "user_id": stack.description["demo_user_id"]},
                headers={"X-Service-Token": token},
                timeout=40,
            ).status_code
            for token in (NEW_TOKEN, OLD_TOKEN, "token-of-nobody-at-all")
        ]
        assert statuses == [201, 201, 401]


def test_a_secret_that_can_be_guessed_is_refused_at_start(tmp_path: Path) -> None:
    stack = RunningStack(tmp_path / "project", JWT_SECRET="x")

    with pytest.raises(AssertionError, match=r"error: .*JWT_SECRET has fewer than 32 bytes"):
        stack.start()
    assert "Traceback" not in stack.log


def test_a_database_that_is_away_is_named_with_the_reason(tmp_path: Path) -> None:
    stack = RunningStack(tmp_path / "project", DATABASE_URL="postgresql://ada:x@127.0.0.1:1/shop")

    with pytest.raises(
        AssertionError, match=r"error: the databases cannot be migrated \(migrate's log above"
    ):
        stack.start()
    assert "port 1 failed: Connection refused" in stack.log
