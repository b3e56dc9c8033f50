"""A double of CloudFormation, Lambda and CodeDeploy during an update, around the real hook.

Functions, versions and aliases are updated one after the other, in any order that the template's references
leave open. An alias that has a hook shifts only if the hook succeeded. References in `UpdatePolicy` count as
dependencies for CloudFormation: it refuses a cycle through one (aws/aws-cdk issue 2231), but no page of its
documentation says so. Without them (`counts_policies`) the hook can still be that of the release before.
"""

import io
import json
import random
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from graphlib import TopologicalSorter
from typing import Any
from unittest import mock

import boto3

from checkout.base.config import Config
from checkout.system import System
from tests.infrastructure import whole
from tests.infrastructure.transformed import Resource, Template

HOOK = "PreTrafficFunction"
ARN = f"arn:aws:lambda:eu-central-1:{whole.ACCOUNT}:function:"


@dataclass
class Function:
    """`latest` is $LATEST's release; versions count from 1."""

    latest: str = ""
    versions: list[str] = field(default_factory=list)
    live: int = 0


@dataclass(frozen=True)
class Shift:
    """`judged` are the versions that the hook asked; None if the alias has no hook."""

    function: str
    version: int
    judged: frozenset[str] | None


@dataclass
class Stack:
    """After a first deployment; `broken` are (function, release) that fail their self-check."""

    template: Template
    broken: frozenset[tuple[str, str]] = frozenset()
    functions: dict[str, Function] = field(default_factory=dict)
    shifts: list[Shift] = field(default_factory=list)
    _hook: dict[str, str] = field(default_factory=dict)
    _asked: set[str] = field(default_factory=set)
    _answers: list[str] = field(default_factory=list)

    def create(self, release: str) -> None:
        """CodeDeploy has no part in it."""
        for name in self._in_order(random.Random(0), counts_policies=True):
            self._update(name, release, is_new=True)
        self.shifts.clear()

    def update(self, release: str, order: int, *, counts_policies: bool) -> bool:
        """Return False if a hook failed, which ends the update. `order` is the seed of the order."""
        for name in self._in_order(random.Random(order), counts_policies=counts_policies):
            if not self._update(name, release, is_new=False):
                return False
        return True

    def invoke(self, FunctionName: str, Payload: bytes) -> dict[str, Any]:  # noqa: N803 - boto3's names
        """Lambda's API."""
        name, _, number = FunctionName.removeprefix(ARN).partition(":")
        release = self.functions[name].versions[int(number) - 1]
        assert json.loads(Payload) == {"checkout": "self-check"}
        self._asked.add(FunctionName)
        if (name, release) in self.broken:
            failure = {"errorType": "Unavailable", "errorMessage": "no database"}
            return {"FunctionError": "Unhandled", "Payload": io.BytesIO(json.dumps(failure).encode())}
        return {"Payload": io.BytesIO(json.dumps({"release": release, "reached": []}).encode())}

    def get_function_configuration(self, FunctionName: str) -> dict[str, Any]:  # noqa: N803
        """Lambda's API."""
        release = self.functions[FunctionName.removeprefix(ARN)].latest
        return {"Environment": {"Variables": {"RELEASE": release}}}

    def put_lifecycle_event_hook_execution_status(self, status: str, **_: str) -> None:
        """CodeDeploy's API."""
        self._answers.append(status)

    def _in_order(self, chance: random.Random, *, counts_policies: bool) -> Iterator[str]:
        resources = self.template["Resources"]
        graph = TopologicalSorter(
            {
                name: _needs(resource, counts_policies) & resources.keys()
                for name, resource in resources.items()
            }
        )
        graph.prepare()
        ready: list[str] = []
        while graph.is_active():
            ready += sorted(graph.get_ready())
            name = ready.pop(chance.randrange(len(ready)))
            yield name
            graph.done(name)

    def _update(self, name: str, release: str, *, is_new: bool) -> bool:
        resource: Resource = self.template["Resources"][name]
        properties = resource.get("Properties", {})
        match resource["Type"]:
            case "AWS::Lambda::Function":
                self.functions.setdefault(name, Function()).latest = release
                if name == HOOK:
                    self._hook = {"RELEASE": release, "NEW_VERSIONS": self._listed(properties)}
            case "AWS::Lambda::Version":
                function = self.functions[properties["FunctionName"]["Ref"]]
                function.versions.append(function.latest)
            case "AWS::Lambda::Alias":
                return self._shift(properties["FunctionName"]["Ref"], resource, is_new=is_new)
        return True

    def _shift(self, name: str, resource: Resource, *, is_new: bool) -> bool:
        function = self.functions[name]
        policy = resource.get("UpdatePolicy", {}).get("CodeDeployLambdaAliasUpdate", {})
        judged: frozenset[str] | None = None
        if not is_new and policy.get("BeforeAllowTrafficHook") == {"Ref": HOOK}:
            self._asked.clear()
            with self._aws():
                System(Config(self._hook)).judge_new_versions("d-1", "e-1")
            judged = frozenset(self._asked)
            if self._answers.pop() != "Succeeded":
                return False
        function.live = len(function.versions)
        self.shifts.append(Shift(name, function.live, judged))
        return True

    def _listed(self, properties: Mapping[str, Any]) -> str:
        between, versions = properties["Environment"]["Variables"]["NEW_VERSIONS"]["Fn::Join"]
        names = [
            self.template["Resources"][one["Ref"]]["Properties"]["FunctionName"]["Ref"] for one in versions
        ]
        return str(between.join(f"{ARN}{name}:{len(self.functions[name].versions)}" for name in names))

    @contextmanager
    def _aws(self) -> Iterator[None]:
        with mock.patch.object(boto3, "client", return_value=self):
            yield


def _needs(resource: Resource, counts_policies: bool) -> set[str]:
    parts = ["Properties", "DependsOn", *(["UpdatePolicy"] if counts_policies else [])]
    return set(_references([resource.get(part) for part in parts])) | set(
        [resource["DependsOn"]]
        if isinstance(resource.get("DependsOn"), str)
        else resource.get("DependsOn", [])
    )


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, list):
        for item in value:
            yield from _references(item)
    elif isinstance(value, dict):
        if value.keys() == {"Ref"}:
            yield value["Ref"]
        elif value.keys() == {"Fn::GetAtt"}:
            yield value["Fn::GetAtt"][0]
        elif value.keys() == {"Fn::Sub"}:
            text, own = value["Fn::Sub"] if isinstance(value["Fn::Sub"], list) else (value["Fn::Sub"], {})
            yield from (name.split(".")[0] for name in re.findall(r"\$\{([^!}]+)\}", text) if name not in own)
            yield from _references(own)
        else:
            yield from _references(list(value.values()))
