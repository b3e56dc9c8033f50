"""A new stack's database and brokers are of versions that AWS still makes."""

from types import SimpleNamespace
from typing import Any

import boto3
import pytest

from deployment import deploy, preflight, versions
from deployment.deploy import NotDeployed
from tests.infrastructure import transformed
from tests.support.settings import put

DECLARED = transformed.nested("database")["Resources"]["Cluster"]["Properties"]["EngineVersion"]

POSTGRESQL = {"Engine": "aurora-postgresql"}


class Aws:
    """RDS with these versions, and a stack with this status."""

    def __init__(self, engines: dict[str, str], status: str | None) -> None:
        self._engines, self._status = engines, status

    def get_paginator(self, name: str) -> Any:
        assert name == "describe_db_engine_versions"
        found = [{"EngineVersion": one, "Status": status} for one, status in self._engines.items()]
        half = len(found) // 2
        pages = [{"DBEngineVersions": part} for part in (found[:half], found[half:])]
        return SimpleNamespace(paginate=lambda **asked: pages if asked == POSTGRESQL else [])

    def get_account_settings(self) -> Any:
        return {"AccountLimit": {"ConcurrentExecutions": 1000}}

    def get_caller_identity(self) -> Any:
        return {}

    def describe_stacks(self, StackName: str) -> Any:  # noqa: N803
        return {"Stacks": [{"StackStatus": self._status or "REVIEW_IN_PROGRESS"}]}


def problems(
    monkeypatch: pytest.MonkeyPatch, engines: dict[str, str], status: str | None = None
) -> list[preflight.Problem]:
    monkeypatch.setattr(boto3, "client", lambda _: Aws(engines, status))
    monkeypatch.setattr(preflight, "_has_python", lambda: True)
    put(monkeypatch, AWS_DEFAULT_REGION="eu-west-1")
    return list(preflight.check("checkout-dev", addresses=0, database="17.6"))


def test_one_that_rds_makes_is_fine(monkeypatch: pytest.MonkeyPatch) -> None:
    assert problems(monkeypatch, {"16.9": "available", "17.6": "available"}) == []


@pytest.mark.parametrize(
    ("engines", "way_out"),
    [
        (
            {"16.9": "available", "17.10": "available", "17.9": "available", "17.9-limitless": "available"},
            "set EngineVersion to one of 17.9, 17.10, in infrastructure/database.yaml",
        ),
        (
            {"17.6": "deprecated", "17.7": "available"},
            "set EngineVersion to one of 17.7, in",
        ),
        ({"18.2": "available"}, "it offers 18.2, and Family"),
        ({}, "it offers none"),
    ],
)
def test_one_that_it_makes_no_more_stops_a_new_stack(
    monkeypatch: pytest.MonkeyPatch, engines: dict[str, str], way_out: str
) -> None:
    [found] = problems(monkeypatch, engines)
    assert "RDS makes no new Aurora cluster of PostgreSQL 17.6" in found.what
    assert way_out in found.what
    assert found.stops
    assert problems(monkeypatch, engines, "UPDATE_COMPLETE") == []


@pytest.mark.parametrize(
    ("configured", "asked_for"),
    [
        ({}, DECLARED),
        ({"DatabaseHost": "db.example.com", "VpcId": "vpc-1"}, None),
    ],
)
def test_it_is_asked_for_the_version_of_the_template_if_the_stack_makes_a_cluster(
    monkeypatch: pytest.MonkeyPatch, configured: dict[str, str], asked_for: str | None
) -> None:
    assert versions.database(configured) == asked_for
    asked: dict[str, Any] = {}

    def check(_: str, **options: Any) -> list[preflight.Problem]:
        asked.update(options)
        return [preflight.Problem("enough")]

    monkeypatch.setattr(preflight, "check", check)
    monkeypatch.setattr(preflight, "tags_of", lambda _: {})
    monkeypatch.setattr(deploy, "settings", lambda _: configured)
    put(monkeypatch, AWS_DEFAULT_REGION="eu-west-1")
    with pytest.raises(NotDeployed, match="could not succeed"):
        deploy.deploy("dev", lambda _: True, lambda _: None)
    assert asked["database"] == asked_for
