"""What a stack may be called: its name must fit, and must not begin another's.

CloudFormation calls what it makes `<stack>-<resource>-…`, and the rights to deploy a stack go by that
(infrastructure/deployer.yaml). Those of a stack `checkout` would also be rights over `checkout-prod`.
"""

import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path

LONGEST_NAME = 25
"""Characters of a new stack's name. Those of functions, roles and rules have 64 at most, and to fit into that
CloudFormation may cut the stack's down to 25. Rights and policies look for all of it."""


def refused(stack: str) -> Iterator[str]:
    """Why a new stack cannot have this name."""
    if len(stack) > LONGEST_NAME or "--" in stack or stack.endswith("-"):
        yield (
            f"{stack} cannot be a stack's name here: everything in it is called after it, which takes"
            f" {LONGEST_NAME} characters at most, no two hyphens together, and none at the end"
        )


def configured(path: Path) -> list[str]:
    """The stacks of a samconfig.toml."""
    with path.open("rb") as file:
        environments = [one for one in tomllib.load(file).values() if isinstance(one, dict)]
    found = [
        one.get(command, {}).get("parameters", {}).get("stack_name")
        for one in environments
        for command in ("global", "deploy")
    ]
    return [str(one) for one in found if one]


def entangled(stack: str, others: Iterable[str]) -> list[str]:
    """Those whose deployers have rights over this stack, or the other way round."""
    return [one for one in others if one.startswith(f"{stack}-") or stack.startswith(f"{one}-")]
