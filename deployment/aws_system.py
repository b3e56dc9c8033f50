"""A stack on AWS, by its CloudFormation outputs."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

import boto3
import requests
from botocore.exceptions import ClientError

from checkout.base import secrets_manager
from checkout.base.config import Config
from checkout.base.errors import Unavailable
from checkout.operations import remote
from checkout.release.kept_secrets import STRIPE
from deployment import functions_config
from deployment.smoke_client import SmokeFailed, result_of
from local.waiting import until

TRIGGER_SECONDS = 300.0
"""A new trigger needs minutes to reach the brokers."""

ALARM_SECONDS = 300.0
"""An alarm that was raised before anything was configured is evaluated every minute."""

ALARM_TYPES = ("MetricAlarm", "CompositeAlarm")

READING = frozenset({"OK", "No records processed"})
"""The last results of a trigger that reads. A trigger that the brokers refuse, or that cannot reach them,
stays enabled, with the problem as its last result."""

_HTTP_SECONDS = 30.0
_PAUSE_SECONDS = 15.0


class NoSuchStack(RuntimeError):
    """There is no stack of that name in this account and region, or it is not complete."""


class AwsSystem:
    """A stack by its name. Credentials and region are boto3's: AWS_PROFILE, AWS_REGION and so on."""

    stripe_api_url: str | None = None

    def __init__(self, name: str) -> None:
        self.name = name

    @property
    def api_url(self) -> str:
        return self.output("ApiUrl")

    @cached_property
    def config(self) -> Config:
        return functions_config.of(self._parameters, self.name)

    @property
    def webhook_sources(self) -> str:
        return self._parameters.get("StripeWebhookSources", "")

    def output(self, key: str) -> str:
        """An output of the stack. Raises NoSuchStack, also if the stack has no such output."""
        if (found := self._outputs.get(key)) is not None:
            return found
        raise NoSuchStack(f"the stack {self.name} has no output {key}: is it complete, and of this project?")

    @property
    def stripe_secrets(self) -> dict[str, str]:
        """Stripe's values, as they are now."""
        return self._values("StripeSecretArn")

    def store_stripe_secrets(self, changed: Mapping[str, str]) -> None:
        """Change these and keep the others. Functions read the new values within five minutes.

        Then take Stripe's values out of the callers' secret, if an earlier release kept them. That one is
        not live any more: its stack has no output StripeSecretArn.
        """
        self._put("StripeSecretArn", {**self.stripe_secrets, **changed})
        callers = self._values("SecretArn")
        kept = {name: value for name, value in callers.items() if not name.startswith(STRIPE)}
        if kept != callers:
            self._put("SecretArn", kept)

    def secret(self, name: str) -> str:
        found = self._values("StripeSecretArn" if name.startswith(STRIPE) else "SecretArn").get(name)
        if not found:
            raise SmokeFailed(f"{name} is not configured: make configure STACK={self.name}")
        return found

    @property
    def signs_tokens(self) -> bool:
        return bool(self._values("SecretArn").get("JWT_SECRET"))

    def _values(self, output: str) -> dict[str, str]:
        try:
            answer = _client("secretsmanager").get_secret_value(SecretId=self.output(output))
        except ClientError as error:
            if secrets_manager.is_empty(error.response):
                return {}
            raise
        found: dict[str, str] = json.loads(answer["SecretString"])
        return found

    def _put(self, output: str, values: Mapping[str, str]) -> None:
        _client("secretsmanager").put_secret_value(
            SecretId=self.output(output), SecretString=json.dumps(values)
        )

    def operate(self, verb: str, *arguments: str) -> dict[str, Any]:
        return result_of(verb, self.operated([verb, *arguments]))

    def operated(self, words: Sequence[str]) -> dict[str, Any]:
        """The answer of the operations' function, which gets the caller's proof of identity for its journal.

        Raises SmokeFailed if the function fails.
        """
        try:
            return dict(remote.operated(self.output("OperationsFunction"), words))
        except Unavailable as error:
            raise SmokeFailed(error.detail) from error

    def checks(self) -> Iterator[tuple[str, str | None]]:
        """Check the Kafka triggers, the alarms, and the API's own name if CloudFront is the only way."""
        if closed := self._outputs.get("ClosedUrl"):
            yield "the API answers through CloudFront alone", _answered(closed)
        triggers = self._resources("AWS::Lambda::EventSourceMapping")
        stopped = _left(lambda: _stopped(triggers), TRIGGER_SECONDS)
        yield f"{len(triggers)} Kafka triggers read their topics", "; ".join(stopped) or None
        yield "no alarm is raised", ", ".join(_left(self._raised, ALARM_SECONDS)) or None

    @property
    def _outputs(self) -> dict[str, str]:
        return {str(one["OutputKey"]): str(one["OutputValue"]) for one in self._stack.get("Outputs", [])}

    def _raised(self) -> list[str]:
        pages = (
            _client("cloudwatch")
            .get_paginator("describe_alarms")
            .paginate(AlarmNamePrefix=f"{self.name}-", StateValue="ALARM", AlarmTypes=list(ALARM_TYPES))
        )
        # What calls nobody is a part of another alarm, or nothing to look at. Another stack's names may have
        # the same prefix: `checkout-` is one of `checkout-prod-…`.
        raised = {
            str(alarm["AlarmName"])
            for page in pages
            for kind in ALARM_TYPES
            for alarm in page.get(f"{kind}s", [])
            if alarm["AlarmActions"]
        }
        return sorted(raised.intersection(self._alarms)) if raised else []

    @cached_property
    def _alarms(self) -> list[str]:
        nested = self._resources("AWS::CloudFormation::Stack")
        return [
            name
            for stack in (self.name, *nested)
            for kind in ("Alarm", "CompositeAlarm")
            for name in self._resources(f"AWS::CloudWatch::{kind}", stack)
        ]

    @property
    def _parameters(self) -> dict[str, str]:
        return {str(one["ParameterKey"]): str(one["ParameterValue"]) for one in self._stack["Parameters"]}

    @cached_property
    def _stack(self) -> dict[str, Any]:
        try:
            [found] = _client("cloudformation").describe_stacks(StackName=self.name)["Stacks"]
        except ClientError as error:
            raise NoSuchStack(f"the stack {self.name} cannot be read: {error}") from error
        return dict(found)

    def _resources(self, kind: str, stack: str | None = None) -> list[str]:
        pages = (
            _client("cloudformation")
            .get_paginator("list_stack_resources")
            .paginate(StackName=stack or self.name)
        )
        return [
            str(one["PhysicalResourceId"])
            for page in pages
            for one in page["StackResourceSummaries"]
            if one["ResourceType"] == kind
        ]


def _left(ask: Callable[[], list[str]], seconds: float) -> list[str]:
    """What `ask` still finds when the time is up; nothing as soon as it finds nothing."""
    found: list[str] = []

    def finds_nothing() -> bool:
        found[:] = ask()
        return not found

    until(finds_nothing, seconds, _PAUSE_SECONDS)
    return found


def _stopped(triggers: Sequence[str]) -> list[str]:
    """The triggers that do not read, with Lambda's reasons."""
    found = [_client("lambda").get_event_source_mapping(UUID=one) for one in triggers]
    return [
        f"{one['FunctionArn'].split(':')[6]} is {one['State']} ({one.get('StateTransitionReason', '')}),"
        f" last result: {one.get('LastProcessingResult') or 'none yet'}"
        for one in found
        if one["State"] != "Enabled" or one.get("LastProcessingResult") not in READING
    ]


def _answered(url: str) -> str | None:
    """The problem if the API answers there."""
    try:
        answer = requests.get(f"{url}/health", timeout=_HTTP_SECONDS)
    except requests.RequestException:
        return None
    return f"{url} is answered {answer.status_code}, too" if answer.ok else None


def _client(service: str) -> Any:
    return boto3.client(service)  # type: ignore[call-overload]
