"""The Stripe simulator in a process of its own, as the local stack runs it."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import requests

ROOT = Path(__file__).parents[2]


class StripeSimulator:
    """Sends its webhooks nowhere, unless an endpoint is registered."""

    def __init__(self, data: Path) -> None:
        command = [sys.executable, "-m", "local.stripe_simulator", "--port", "0", "--data", str(data)]
        self._process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.url = self._process.stdout.readline().split()[-1]

    def fault(self, **fault: Any) -> None:
        """See local.stripe_simulator.api.faults.Fault."""
        answer = requests.post(f"{self.url}/_simulator/faults", json=fault, timeout=5)
        assert answer.status_code == 200, answer.text

    def clear_faults(self) -> None:
        requests.delete(f"{self.url}/_simulator/faults", timeout=5)

    def get(self, path: str, **query: Any) -> Any:
        answer = requests.get(
            f"{self.url}{path}", params=query, headers={"Authorization": "Bearer sk_test_tests"}, timeout=5
        )
        return answer.json()

    def sessions_of(self, request_id: str) -> list[dict[str, Any]]:
        sessions = self.get("/v1/checkout/sessions", limit=100)["data"]
        return [session for session in sessions if session["metadata"].get("request_id") == request_id]

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()
