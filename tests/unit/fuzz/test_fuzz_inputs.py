"""The fuzzer: the same seed makes the same inputs, and an answer that must not be is one."""

from collections import Counter

import pytest

from tests.fuzz import records, routes
from tests.fuzz.callers import Callers
from tests.fuzz.raw_http import Answer, Request
from tests.fuzz.run import SHARES, Input, plan, wrong_answer
from tests.fuzz.webhooks import Webhooks
from tests.support.stripe_events import event, session_object

USERS = (2, 3)
CALLERS = Callers("a secret of at least 32 bytes, for tests", "the-service-token-of-tests", USERS)
WEBHOOKS = Webhooks("whsec_of_the_tests_of_the_fuzzer", [event(session_object("r"))], USERS)


def made(given: Input, seed: int) -> object:
    """What is sent, without what depends on the time."""
    random = given.random(seed)
    match given.kind:
        case "create":
            request = routes.create(random, CALLERS)
        case "read":
            request = routes.read(random, CALLERS, ("known",))
        case "public":
            request = routes.public(random)
        case "webhook":
            request = WEBHOOKS.make(random)
        case "finished":
            return records.finished(random, USERS)
        case _:
            return records.requested(random, USERS)
    request.encoded("127.0.0.1:1")
    return request.method, request.target, request.body, len(request.headers)


def test_the_same_seed_makes_the_same_inputs() -> None:
    inputs = [one for one in plan(7, 300) if one.kind != "good"]
    first, again = ([made(one, 7) for one in inputs] for _ in range(2))
    assert first == again
    assert sum(one == other for one, other in zip(first, (made(one, 8) for one in inputs), strict=True)) < 30


def test_a_plan_has_every_kind_in_its_share_in_an_order_of_the_seed() -> None:
    inputs = plan(1, 50_000)
    assert (len(inputs), len(set(inputs))) == (50_000, 50_000)
    assert Counter(one.kind for one in inputs) == {kind: 500 * share for kind, share in SHARES.items()}
    assert plan(1, 50_000) == inputs
    assert plan(2, 50_000) != inputs
    assert len(plan(1, 7)) == 7


@pytest.mark.parametrize(
    ("status", "body", "allowed", "wrong"),
    [
        (200, b"{}", (), None),
        (404, b"{}", (), None),
        (0, b"", (), "no answer"),
        (500, b"{}", (), "status 500"),
        (503, b"{}", (200, 503), "status 503"),
        (200, b"{}", (401,), "status 200, not one of [401]"),
        (400, b"Invalid HTTP request received.", (401,), None),
        (400, b'{"detail": "Traceback (most recent call last)"}', (), "a stack trace"),
    ],
)
def test_an_answer_that_must_not_be(
    status: int, body: bytes, allowed: tuple[int, ...], wrong: str | None
) -> None:
    request = Request("GET", "/", allowed=frozenset(allowed))
    assert wrong_answer(request, Answer(status, "", body)) == wrong
