"""Parameters that a stack has and samconfig.toml does not mention: sam would keep their values, silently.

So a line that is removed there would change nothing, and what cannot work together would go unnoticed.
"""

from collections.abc import Iterator, Mapping
from functools import cache

from samcli.yamlhelper import yaml_parse

from deployment import ROOT

GIVEN = frozenset({"CheckoutAppId", "DataKeyArn", "Release", "Zones"})
"""Those that `deploy` itself gives, keeps on purpose, or compares elsewhere."""


def unsaid(kept: Mapping[str, str], configured: Mapping[str, str]) -> Iterator[str]:
    """Why a deployment with `configured` would not be what samconfig.toml says; `kept` are the stack's."""
    for name, default in sorted(defaults().items()):
        if name not in GIVEN | configured.keys() and kept.get(name, default) != default:
            yield (
                f"{name} of the stack is {kept[name]}, and CloudFormation would keep that: write it into"
                f" parameter_overrides of samconfig.toml, or {name}={default} to end it"
            )


@cache
def defaults() -> dict[str, str]:
    """Those of template.yaml, by parameter that has one."""
    declared = yaml_parse((ROOT / "template.yaml").read_text())["Parameters"]
    return {name: str(one["Default"]) for name, one in declared.items() if "Default" in one}
