"""Writes the templates as CloudFormation gets them, for tools that read files: `… <folder>`."""

import json
import sys
from pathlib import Path

from tests.infrastructure import transformed

GIVEN = {"audit": {"VpcId": "vpc-1", "Trail": "account"}}
"""Parameters of nested templates that turn on what they have."""


def write(folder: Path) -> None:
    """With the conditions of production."""
    folder.mkdir(parents=True, exist_ok=True)
    found = {"application": transformed.resolved(transformed.document(), Profile="prod")}
    found |= {
        name: transformed.resolved(transformed.nested(name), **GIVEN.get(name, {}))
        for name in transformed.STACKS
    }
    for name, template in found.items():
        (folder / f"{name}.json").write_text(json.dumps(template, default=str))


if __name__ == "__main__":
    write(Path(sys.argv[1]))
