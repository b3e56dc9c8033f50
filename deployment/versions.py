"""Whether AWS still makes new databases and brokers of the versions that a stack asks for."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import boto3
from samcli.yamlhelper import yaml_parse

from deployment import ROOT

DATABASE = ROOT / "infrastructure" / "database.yaml"


def database(configured: Mapping[str, str]) -> str | None:
    """The version of the cluster that the stack makes; None if it makes none."""
    if configured.get("DatabaseHost"):
        return None
    return str(yaml_parse(DATABASE.read_text())["Resources"]["Cluster"]["Properties"]["EngineVersion"])


def refused_database(version: str) -> Iterator[str]:
    """Why RDS would not make a cluster of this version. Raises what boto3 raises."""
    pages = _client("rds").get_paginator("describe_db_engine_versions").paginate(Engine="aurora-postgresql")
    found = [one for page in pages for one in page["DBEngineVersions"]]
    offered = [str(one["EngineVersion"]) for one in found if one["Status"] == "available"]
    if version in offered:
        return
    # Others, such as 17.6-limitless, are another kind of cluster.
    same = [one for one in offered if re.fullmatch(rf"{version.split('.')[0]}\.\d+", one)]
    way_out = f"set EngineVersion to one of {', '.join(sorted(same, key=_minor))}"
    if not same:
        way_out = f"it offers {', '.join(offered) or 'none'}, and Family belongs to EngineVersion"
    yield (
        f"RDS makes no new Aurora cluster of PostgreSQL {version} in this region: {way_out}, in"
        f" {DATABASE.relative_to(ROOT)} (docs/deploy.md, How do I upgrade?)"
    )


def refused_kafka(version: str) -> Iterator[str]:
    """Why MSK would not make a cluster of this version. Raises what boto3 raises."""
    pages = _client("kafka").get_paginator("list_kafka_versions").paginate()
    found = [one for page in pages for one in page["KafkaVersions"]]
    active = [str(one["Version"]) for one in found if one["Status"] == "ACTIVE"]
    if version not in active:
        yield f"MSK makes no new cluster with Kafka {version}: give KafkaVersion, of {', '.join(active)}"


def _minor(version: str) -> int:
    return int(version.split(".")[1])


def _client(service: str) -> Any:
    return boto3.client(service)  # type: ignore[call-overload]
