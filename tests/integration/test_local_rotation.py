"""The stack while secrets are rotated: several at once, comma-separated."""

import subprocess
import sys
from pathlib import Path

import requests

from tests.support.running_stack import RunningStack


def test_the_first_of_several_secrets_is_used_and_all_are_accepted(tmp_path: Path) -> None:
    rotated = {
        "STRIPE_WEBHOOK_SECRET": "whsec_new1, whsec_old1",
        "CHECKOUT_SERVICE_TOKEN": "token-that-is-new,token-that-is-old",
    }
    with RunningStack(tmp_path / "project", **rotated) as stack:
        assert stack.description["stripe_webhook_secret"] == "whsec_new1"
        assert stack.description["service_token"] == "token-that-is-new"
        shown, _, _ = stack.log.partition("ready; Ctrl-C")
        assert "whsec_new1" in shown
        assert "token-that-is-new  (X-Service-Token)" in shown
        assert "-old" not in stack.log
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
            for token in ("token-that-is-new", "token-that-is-old", "token-of-nobody")
        ]
        assert statuses == [201, 201, 401]
