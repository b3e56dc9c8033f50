"""The stack's tags reach every resource that can have tags, in each shape of a stack."""

from collections.abc import Mapping

import pytest
from cfnlint.schema.manager import PROVIDER_SCHEMA_MANAGER

from tests.infrastructure import whole
from tests.infrastructure.transformed import REGION, Resource

WITHOUT = {
    "AWS::RDS::DBProxyTargetGroup": "is billed with its proxy, and takes tags only after it was made",
}
"""Types that have tags which CloudFormation does not give them when it makes them."""


def untagged(resources: Mapping[str, Resource]) -> dict[str, str]:
    """By path, the type of what can have tags and does not get the stack's, by AWS's own schemas."""
    return {
        path: resource["Type"]
        for path, resource in resources.items()
        if not resource["Type"].startswith("Custom::")
        and (tagging := _tagging(resource["Type"])).get("taggable", True)
        and not tagging.get("tagOnCreate", True)
    }


def _tagging(kind: str) -> dict[str, bool]:
    found: dict[str, bool] = PROVIDER_SCHEMA_MANAGER.get_resource_schema(REGION, kind).schema["tagging"]
    return found


@pytest.mark.parametrize("shape", whole.SHAPES)
def test_every_resource_that_can_have_tags_gets_the_stack_s(shape: str) -> None:
    found = untagged(whole.resources(whole.source(), whole.SHAPES[shape]))

    assert {path: kind for path, kind in found.items() if kind not in WITHOUT} == {}


def test_snapshots_have_the_cluster_s() -> None:
    cluster = whole.resources(whole.source(), whole.SHAPES["prod"])["Database.Cluster"]

    assert cluster["Properties"]["CopyTagsToSnapshot"] is True


def test_one_that_gets_none_is_noticed() -> None:
    resources = {"Database.Group": {"Type": "AWS::RDS::DBProxyTargetGroup"}}

    assert untagged(resources) == {"Database.Group": "AWS::RDS::DBProxyTargetGroup"}
