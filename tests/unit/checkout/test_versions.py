"""Asking the new versions before they get traffic, where Lambda or IAM needs a moment."""

import json
import math
import threading
from collections.abc import Iterator
from io import BytesIO
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.response import StreamingBody
from botocore.stub import Stubber

from checkout.base import timing
from checkout.release import new_versions, versions
from checkout.release.new_versions import AT_ONCE, JudgeNewVersions
from checkout.release.versions import Versions
from tests.infrastructure.transformed import source
from tests.support.settings import put

ARN = "arn:aws:lambda:eu-central-1:123456789012:function:account:7"


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long, on a clock that only sleeping moves."""
    pauses: list[float] = []
    clock = SimpleNamespace(monotonic=lambda: sum(pauses), sleep=pauses.append)
    monkeypatch.setattr(versions, "time", clock)
    return pauses


@pytest.fixture
def invoked(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stubber]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        put(monkeypatch, **{name: "testing"})
    client = boto3.client(
        "lambda", region_name="eu-central-1", config=Config(retries={"total_max_attempts": 1})
    )
    monkeypatch.setattr(boto3, "client", lambda *_, **__: client)
    with Stubber(client) as stubber:
        yield stubber


def answer(failure: dict[str, str] | None = None) -> dict[str, Any]:
    body = json.dumps(failure or {"release": "r"}).encode()
    found = {"StatusCode": 200, "Payload": StreamingBody(BytesIO(body), len(body))}
    return found | ({"FunctionError": "Unhandled"} if failure else {})


def function_is_of(invoked: Stubber, release: str) -> None:
    told = {"FunctionName": ARN.removesuffix(":7")}
    invoked.add_response(
        "get_function_configuration", {"Environment": {"Variables": {"RELEASE": release}}}, told
    )


@pytest.mark.parametrize("code", ["TooManyRequestsException", "AccessDeniedException"])
def test_what_may_not_be_invoked_yet_is_asked_again(invoked: Stubber, slept: list[float], code: str) -> None:
    invoked.add_client_error("invoke", code)
    invoked.add_client_error("invoke", code)
    invoked.add_response("invoke", answer())
    function_is_of(invoked, "r")
    assert Versions("r").ask(ARN, {}, timing.VERSION_RETRY) is None
    assert slept == [1.0, 2.0]


def test_it_gives_up_when_its_time_is_up(invoked: Stubber, slept: list[float]) -> None:
    for _ in range(40):
        invoked.add_client_error("invoke", "AccessDeniedException")
    refusal = Versions(None).ask(ARN, {}, timing.VERSION_RETRY)
    assert refusal is not None
    assert "AccessDeniedException" in refusal
    assert timing.VERSION_RETRY / 2 < sum(slept) <= timing.VERSION_RETRY


def test_a_version_that_fails_is_not_asked_again(invoked: Stubber, slept: list[float]) -> None:
    invoked.add_response("invoke", answer({"errorType": "Unavailable", "errorMessage": "no database"}))
    assert Versions(None).ask(ARN, {}, timing.VERSION_RETRY) == "Unavailable: no database"
    invoked.add_client_error("invoke", "ResourceNotFoundException")
    assert "cannot be invoked" in str(Versions(None).ask(ARN, {}, timing.VERSION_RETRY))
    assert slept == []


@pytest.mark.parametrize(
    ("hook", "function", "reason"),
    [
        ("r", "s", "is of release r and its function of s, not r"),
        ("s", "s", "is of release r and its function of s, not s"),
        (None, "", "is of release r and its function of None, not None"),
    ],
)
def test_a_version_of_another_release_is_not_fit(
    invoked: Stubber, hook: str | None, function: str, reason: str
) -> None:
    invoked.add_response("invoke", answer())
    function_is_of(invoked, function)
    assert Versions(hook).ask(ARN, {}, timing.VERSION_RETRY) == reason


def test_a_few_are_asked_at_once() -> None:
    running, most, lock = 0, 0, threading.Lock()
    both = threading.Barrier(AT_ONCE)

    def ask(_: str, _deadline: float) -> str | None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        both.wait(60)
        with lock:
            running -= 1
        return None

    reported: list[tuple[str, str, bool]] = []
    judge = JudgeNewVersions(lambda: ["1", "2", "3", "4", "5", "6"], ask, lambda *told: reported.append(told))
    assert judge("d-1", "e-1")
    assert (most, reported) == (AT_ONCE, [("d-1", "e-1", True)])


def test_all_are_asked_however_slow_each_is() -> None:
    function = source()["Resources"]["PreTrafficFunction"]["Properties"]
    asked = function["Environment"]["Variables"]["NEW_VERSIONS"]["Fn::Join"][1]
    turns = math.ceil(len(asked) / AT_ONCE)
    assert turns * timing.VERSION_READ < timing.VERSIONS_ASKED


def test_a_hook_has_one_patience_for_all_versions_and_ends_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """However long each takes: without a report CodeDeploy would wait for an hour."""
    passed = [0.0]
    monkeypatch.setattr(new_versions, "time", SimpleNamespace(monotonic=lambda: passed[0]))
    deadlines: list[float] = []

    def ask(_: str, deadline: float) -> str | None:
        deadlines.append(deadline)
        passed[0] += 200
        return None

    monkeypatch.setattr(new_versions, "AT_ONCE", 1)
    reported: list[bool] = []
    judge = JudgeNewVersions(lambda: ["1", "2", "3", "4"], ask, lambda *told: reported.append(told[2]))

    assert not judge("d-1", "e-1")
    assert deadlines == [timing.VERSION_RETRY] * 3
    assert reported == [False]
