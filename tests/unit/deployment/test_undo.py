"""Undoing a failed deployment, with a fake CloudFormation."""

from typing import Any

import pytest

from deployment import preflight, undo
from deployment.deploy import NotDeployed


class CloudFormation:
    def __init__(self) -> None:
        self.statuses: list[str | None] = []
        self.asked: list[dict[str, Any]] = []

    def rollback_stack(self, **asked: Any) -> None:
        self.asked.append(asked)

    def status_of(self, _: str) -> str | None:
        return self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]


@pytest.fixture
def cloud_formation(monkeypatch: pytest.MonkeyPatch) -> CloudFormation:
    made = CloudFormation()
    monkeypatch.setattr(undo, "_client", lambda: made)
    monkeypatch.setattr(preflight, "status_of", made.status_of)
    monkeypatch.setattr(undo, "_PAUSE_SECONDS", 0.0)
    return made


@pytest.mark.parametrize(
    ("statuses", "said"),
    [
        (["CREATE_FAILED", "CREATE_FAILED", "ROLLBACK_IN_PROGRESS", None], "checkout is gone"),
        (
            ["UPDATE_FAILED", "UPDATE_ROLLBACK_IN_PROGRESS", "UPDATE_ROLLBACK_COMPLETE"],
            "checkout is UPDATE_ROLLBACK_COMPLETE",
        ),
    ],
)
def test_what_failed_is_taken_back(
    cloud_formation: CloudFormation, statuses: list[str | None], said: str
) -> None:
    cloud_formation.statuses = statuses
    lines: list[str] = []
    undo.undo("checkout", lambda _: True, lines.append)
    # Without it, what is to be retained would stay, and hold the network.
    assert cloud_formation.asked == [{"StackName": "checkout", "RetainExceptOnCreate": True}]
    assert lines[-1] == said


@pytest.mark.parametrize("status", ["CREATE_COMPLETE", "UPDATE_ROLLBACK_FAILED", None])
def test_what_did_not_fail_stays(cloud_formation: CloudFormation, status: str | None) -> None:
    cloud_formation.statuses = [status]
    with pytest.raises(NotDeployed, match="only CREATE_FAILED or UPDATE_FAILED can be undone"):
        undo.undo("checkout", lambda _: True, lambda _: None)
    assert cloud_formation.asked == []


def test_it_asks_first(cloud_formation: CloudFormation) -> None:
    cloud_formation.statuses = ["CREATE_FAILED"]
    with pytest.raises(NotDeployed, match="not confirmed"):
        undo.undo("checkout", lambda _: False, lambda _: None)
    assert cloud_formation.asked == []


def test_what_could_not_be_undone_is_said(cloud_formation: CloudFormation) -> None:
    cloud_formation.statuses = ["CREATE_FAILED", "DELETE_FAILED"]
    with pytest.raises(NotDeployed, match="checkout is DELETE_FAILED"):
        undo.undo("checkout", lambda _: True, lambda _: None)
