"""No parameter and no release replaces what holds money, records, secrets, or the network around them."""

import copy
import shutil
import subprocess
from fnmatch import fnmatch
from pathlib import Path

import pytest

from tests.infrastructure import replacement, whole
from tests.infrastructure.replacement import PURPOSE, STACKS, is_meant, replaced, stateful
from tests.infrastructure.transformed import ROOT

SOURCE = whole.source()
DECLARED = SOURCE.application["Parameters"]


def after(stack: str, **changed: str) -> replacement.Stateful:
    return stateful(whole.resources(SOURCE, STACKS[stack] | changed))


def gone(stack: str, parameter: str) -> dict[str, str]:
    """What any other value of the parameter would replace."""
    before = after(stack)
    found: dict[str, str] = {}
    current = STACKS[stack].get(parameter, str(DECLARED[parameter].get("Default", "")))
    for value in replacement.other_values(DECLARED[parameter], current):
        found |= replaced(before, after(stack, **{parameter: value}))
    return found


# The gate


@pytest.mark.parametrize("parameter", sorted(DECLARED))
def test_a_changed_parameter_replaces_only_what_it_is_for(parameter: str) -> None:
    found = {stack: gone(stack, parameter) for stack in STACKS}
    meant = {(stack, path) for stack in STACKS for path in found[stack] if is_meant(parameter, path)}

    assert {
        (stack, path): why
        for stack in STACKS
        for path, why in found[stack].items()
        if (stack, path) not in meant
    } == {}
    for pattern in PURPOSE.get(parameter, ("", ()))[1]:
        assert any(fnmatch(path, pattern) for _, path in meant), f"{pattern} of PURPOSE is met by nothing"


@pytest.mark.parametrize("stack", STACKS)
def test_this_release_replaces_nothing(stack: str) -> None:
    found = replaced(replacement.released()[stack], after(stack))

    assert {path: why for path, why in found.items() if path not in replacement.DELIBERATE} == {}


def test_all_that_holds_something_is_guarded() -> None:
    kinds = {fixed["Type"] for fixed in after("prod").values()}

    assert kinds >= replacement.STATEFUL - {"AWS::MSK::ServerlessCluster"}
    assert {"Kafka.Logs", "Database"} <= after("prod").keys(), "what is retained"


# That it bites


def test_a_subnet_with_other_addresses_is_noticed_with_what_stands_in_it() -> None:
    resources = copy.deepcopy(whole.resources(SOURCE, STACKS["prod"]))
    resources["Network.PrivateSubnetA"]["Properties"]["CidrBlock"] = "10.0.64.0/20"

    found = replaced(after("prod"), stateful(resources))

    assert found["Network.PrivateSubnetA"] == "CidrBlock: 10.0.16.0/20 becomes 10.0.64.0/20"
    assert found["Kafka.Cluster"] == "is made for Network.PrivateSubnetA, which would be another one"
    assert {"Database.DatabaseProxy", "Kafka.Cluster", "Network.PrivateSubnetA"} == found.keys()


def test_another_logical_name_is_noticed() -> None:
    resources = whole.resources(SOURCE, STACKS["dev"])
    resources["Database.Aurora"] = resources.pop("Database.Cluster")

    assert replaced(after("dev"), stateful(resources))["Database.Cluster"] == "is no longer in the template"


def test_a_parameter_in_a_fixed_property_is_noticed() -> None:
    source = copy.deepcopy(SOURCE)
    kafka = source.application["Resources"]["Kafka"]["Properties"]["Parameters"]
    source.nested["infrastructure/kafka.yaml"]["Resources"]["Cluster"]["Properties"]["ClusterName"] = {
        "Fn::Sub": "checkout-${KafkaVersion}"
    }
    assert kafka["KafkaVersion"] == {"Ref": "KafkaVersion"}

    before, other = (
        stateful(whole.resources(source, {"Profile": "dev", "KafkaVersion": one}))
        for one in ("3.8.x", "3.9.x")
    )

    assert replaced(before, other) == {"Kafka.Cluster": "ClusterName: checkout-3.8.x becomes checkout-3.9.x"}


def test_the_last_tag_is_what_a_release_is_compared_with(tmp_path: Path) -> None:
    def git(*command: str) -> None:
        who = ["-c", "user.name=test", "-c", "user.email=test@example.com", "-c", "tag.gpgSign=false"]
        subprocess.run(["git", "-C", str(tmp_path), *who, *command], check=True, capture_output=True)

    assert replacement.last_release(tmp_path) is None
    shutil.copytree(ROOT / "infrastructure", tmp_path / "infrastructure")
    shutil.copy(ROOT / "template.yaml", tmp_path)
    network = tmp_path / "infrastructure" / "network.yaml"
    network.write_text(network.read_text().replace("10.0.16.0/20", "10.0.128.0/20"))
    git("init", "--quiet")
    git("add", ".")
    git("commit", "--quiet", "--no-gpg-sign", "-m", "release")
    git("tag", "v1")

    found = replaced(replacement.released(tmp_path)["dev"], after("dev"))

    assert found["Network.PrivateSubnetA"] == "CidrBlock: 10.0.128.0/20 becomes 10.0.16.0/20"
    assert "Kafka.Cluster" in found
