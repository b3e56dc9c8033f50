"""Bring the databases to the schema of this release; as a custom resource, set up what a deployment needs.

Safe to invoke at any time. CloudFormation's requests are answered at the address that they name.
"""

import os
from collections.abc import Mapping
from typing import Any

from checkout.base.config import Config
from checkout.base.errors import InvalidRequest
from checkout.base.telemetry import instrumented
from checkout.release import custom_resource
from checkout.release.topics import Owner
from checkout.system import System

WHERE = ("KafkaClusterArn", "KafkaBootstrap", "TopicPrefix")
"""The properties that say which topics are meant."""

system = System(Config(os.environ))
system.prepare("setup")


def migrate(event: dict[str, Any], context: Any) -> dict[str, Any]:
    if custom_resource.is_request(event):
        return custom_resource.serve(event, context, set_up)
    system.config.check()
    return {"applied": system.migrate()}


def set_up(request: Mapping[str, Any]) -> Mapping[str, str]:
    """`Partitions` of new topics, 3 by default; `Roles` is false if the functions have passwords."""
    properties, old = request.get("ResourceProperties", {}), request.get("OldResourceProperties")
    had_topics = old is not None and all(old.get(name, "") == properties.get(name, "") for name in WHERE)
    partitions, roles = str(properties.get("Partitions", 3)), str(properties.get("Roles", "true"))
    if not partitions.isdecimal() or int(partitions) < 1:
        raise InvalidRequest("Partitions must be a whole number from 1.")
    if roles not in ("true", "false"):
        raise InvalidRequest("Roles must be true or false.")
    _, name, unique = request["StackId"].split("/")
    owner = Owner(f"{name}.{unique}", int(partitions), had_topics)
    return system.setup(owner, with_roles=roles == "true")


handler = instrumented(migrate)
