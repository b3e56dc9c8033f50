"""The command line: `python -m tests.fuzz --help`."""

import argparse
import secrets
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests

from local import waiting
from tests.fuzz import verdict
from tests.fuzz.callers import Callers
from tests.fuzz.payments import GoodPayments
from tests.fuzz.run import Fuzzer, plan
from tests.fuzz.topics import Topics
from tests.fuzz.webhooks import Webhooks
from tests.support.project import HTTP_SECONDS
from tests.support.running_stack import RunningStack

GARBAGE_USERS, GOOD_USERS = 40, 200
SETTLED_SECONDS = 60
FIRST_GOOD = 7_000_000_001
"""Far from every generated number."""


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="make fuzz", description=__doc__)
    parser.add_argument("--inputs", type=int, default=50_000, metavar="N")
    parser.add_argument("--seed", type=int, default=None, help="of an earlier run, for the same inputs again")
    parser.add_argument("--minutes", type=float, default=45.0, help="the run ends by then, whatever is left")
    given = parser.parse_args(arguments)
    seed = secrets.randbelow(10**9) if given.seed is None else given.seed
    print(f"SEED={seed}  {given.inputs:,} inputs", flush=True)
    folder = Path(tempfile.mkdtemp(prefix="fuzz-"))
    with RunningStack(folder / "project") as stack:
        found = fuzz(stack, seed, given.inputs, time.monotonic() + given.minutes * 60)
    print("\n".join(found[:40]) or "nothing found")
    if found:
        print(f"{len(found)} problems; make fuzz SEED={seed} repeats them. The stack is left in {folder}.")
        return 1
    shutil.rmtree(folder)
    return 0


def fuzz(stack: RunningStack, seed: int, total: int, until: float) -> list[str]:
    """Run, wait and judge; returns the problems."""
    for name in ("api_url", "stripe_api_url"):
        assert urlsplit(stack.description[name]).hostname == "127.0.0.1", "not on this machine"
    garbage = tuple(range(2, 2 + GARBAGE_USERS))
    good_users = tuple(range(FIRST_GOOD, FIRST_GOOD + GOOD_USERS))
    for user_id in (*garbage, *good_users):
        stack.application("INSERT INTO users (id) VALUES (%s)", (user_id,))
    topics = Topics(stack.description["kafka_brokers"])
    good = GoodPayments(stack, topics, good_users)
    events = corpus(stack, garbage)
    known = (
        *(event["data"]["object"].get("metadata", {}).get("request_id", "") for event in events),
        *cursors(stack),
    )
    fuzzer = Fuzzer(
        seed,
        stack.description["api_url"],
        Callers(stack.description["jwt_secret"], stack.description["service_token"], garbage),
        Webhooks(stack.description["stripe_webhook_secret"], events, garbage),
        topics,
        good,
        known,
    )
    begun = time.monotonic()
    fuzzer(plan(seed, total), until, lambda line: print(line, flush=True))
    unsettled = list(verdict.settle(stack, topics, good))
    found = [*fuzzer.tally.problems, *unsettled, *verdict.in_log(stack)]
    found += [f"the broker refused a record: {why}" for why in set(topics.refused)]
    if not unsettled:
        found += verdict.problems(stack, good, fuzzer.tally)
    print(verdict.summary(stack, good, fuzzer.tally, topics, time.monotonic() - begun), flush=True)
    topics.close()
    return found


def cursors(stack: RunningStack) -> Iterator[str]:
    """Cursors of lists with more pages."""
    for user_id in (2, 3):
        url = f"{stack.description['api_url']}/checkout/transactions?limit=1"
        yield requests.get(url, headers=stack.bearer(user_id), timeout=HTTP_SECONDS).json()["next_cursor"]


def corpus(stack: RunningStack, users: Sequence[int]) -> list[dict[str, Any]]:
    """The simulator's events of every type that we handle; half of them were delivered."""
    api = stack.description["stripe_api_url"]
    key = {"Authorization": f"Bearer {stack.description['stripe_secret']}"}

    def call(path: str, **data: str) -> Any:
        answer = requests.post(f"{api}/v1/{path}", data=data, headers=key, timeout=HTTP_SECONDS)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def paid(user_id: int, **form: str) -> str:
        session = stack.create(user_id)
        requests.post(session.url, data=form, allow_redirects=False, timeout=HTTP_SECONDS)
        return session.session_id

    for mode in ("normal", "drop"):
        stack.control_stripe("webhooks", mode=mode)
        cards = ("4242424242424242", "4000000000000259", "4000000000007726", "4000000000005126")
        sessions = [paid(user_id, card_number=card) for user_id, card in zip(users, cards, strict=False)]
        for method in ("bank_debit_succeeds", "bank_debit_fails"):
            paid(users[5], payment_method=method)
        call(f"checkout/sessions/{stack.create(users[6]).session_id}/expire")
        for session_id in (sessions[0], *sessions[2:]):
            intent = stack.ask_stripe(f"/v1/checkout/sessions/{session_id}")["payment_intent"]
            call("refunds", payment_intent=intent, amount="200")
        for dispute in waiting.until(lambda: open_disputes(stack), SETTLED_SECONDS):
            evidence = {"evidence[uncategorized_text]": "winning_evidence"}
            call(f"disputes/{dispute['id']}", **evidence, submit="true")
    assert waiting.until(lambda: has_settled(stack), SETTLED_SECONDS), "a debit or a dispute is still open"
    stack.control_stripe("webhooks", mode="normal")
    return events_of(stack)


def open_disputes(stack: RunningStack) -> list[dict[str, Any]]:
    return [one for one in stack.ask_stripe("/v1/disputes")["data"] if one["status"] == "needs_response"]


def has_settled(stack: RunningStack) -> bool:
    """True once the simulator has settled the debits of both modes, and closed the dispute of each."""
    types = [event["type"] for event in events_of(stack)]
    ends = ("session.async_payment_succeeded", "session.async_payment_failed")
    return (
        all(types.count(f"checkout.{end}") == 2 for end in ends) and types.count("charge.dispute.closed") == 2
    )


def events_of(stack: RunningStack) -> list[dict[str, Any]]:
    events: list[dict[str, Any]] = stack.ask_stripe("/v1/events", limit="100")["data"]
    return events


if __name__ == "__main__":
    sys.exit(main())
