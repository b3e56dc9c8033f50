"""A top-up in Lambda's own containers: the API of `sam local`, and our trigger before its endpoint."""

import subprocess
import sys
import time

import pytest

from tests.support.running_stack import RunningStack
from tests.support.waiting import eventually


def test_a_top_up(stack: RunningStack, capsys: pytest.CaptureFixture[str]) -> None:
    for containers in ("new", "warm"):
        began = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-m", "local", "demo"],
            cwd=stack.folder,
            env={},
            capture_output=True,
            text=True,
            check=False,
        )
        with capsys.disabled():
            print(f"\nwith {containers} containers: {time.monotonic() - began:.1f} s\n{done.stdout}")
        assert done.returncode == 0, [done.stderr, stack.log[-5000:]]


def test_a_webhook_that_comes_again_credits_nothing(stack: RunningStack) -> None:
    user = stack.add_user()
    session = stack.create(user, 700)
    stack.pay(session)
    stack.until_credited(session)
    [event] = [
        event
        for event in stack.ask_stripe("/v1/events", type="checkout.session.completed")["data"]
        if event["data"]["object"]["id"] == session.session_id
    ]

    assert [stack.deliver(event), stack.deliver({**event, "id": f"{event['id']}twin"})] == [200, 200]

    stack.until_settled()
    assert stack.entries(user) == [700]
    assert stack.balance(user) == 700


@pytest.mark.parametrize("server", ["start-lambda", "start-api"])
def test_a_killed_server_comes_back(stack: RunningStack, server: str) -> None:
    victim = stack.child(server)
    already = stack.log.count(f"sam local {server} is back")

    victim.kill()

    eventually(
        lambda: stack.log.count(f"sam local {server} is back") > already, 180, lambda: stack.log[-5000:]
    )
    session = stack.create(stack.add_user())
    stack.pay(session)
    stack.until_credited(session)
