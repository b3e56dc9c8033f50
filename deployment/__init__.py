"""From a clone to a stack on AWS that works: `python -m deployment --help`."""

import os
import sys
from collections.abc import MutableMapping
from pathlib import Path

ROOT = Path(__file__).parents[1]

# The functions' shared code is a layer, and not installed.
sys.path.insert(0, str(ROOT / "layers" / "common"))


class NoRegion(RuntimeError):
    """Neither the environment nor the profile names a region."""


def settle_region(environment: MutableMapping[str, str]) -> None:
    """Let AWS_REGION win, as it does for the `aws` command; boto3, and so `sam`, ignore it."""
    if region := environment.get("AWS_REGION"):
        environment["AWS_DEFAULT_REGION"] = region


def region() -> str:
    """The region of all commands. Raises NoRegion."""
    import boto3

    found = boto3.Session().region_name
    if found is None:
        raise NoRegion("no region: set AWS_REGION, or one in your profile (aws configure set region …)")
    return str(found)


settle_region(os.environ)
