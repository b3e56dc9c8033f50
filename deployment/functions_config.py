"""The functions' settings, as the parameters of template.yaml make them."""

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from samcli.yamlhelper import yaml_parse

from checkout.base.config import Config
from checkout.base.errors import ConfigurationError
from deployment import ROOT
from deployment.infrastructure import referred
from local.lambda_runtime.intrinsics import Resolver

_CHECKED = "MigrateFunction"
"""The function that checks all settings during a deployment, and so has all of them."""

_IN_JSON = frozenset({"Prices", "StripeSessionOptions"})


def of(parameters: Mapping[str, str], stack: str) -> Config:
    """Without the secrets and what else only AWS knows, so nothing is asked for. The parameters that are not
    given have their defaults, and CheckoutAppId, which has none, is the stack's name."""
    resolver = Resolver(_template(), {"CheckoutAppId": stack, **parameters, "AWS::StackName": stack})
    found = resolver(_variables())
    return Config({name: str(value) for name, value in found.items() if not name.endswith("_ARN")})


def refused(parameters: Mapping[str, str], stack: str) -> Iterator[str]:
    """Why `Setup` would refuse the settings, an hour into a first deployment, by parameter."""
    try:
        of(parameters, stack).check()
    except ConfigurationError as error:
        variables = [_variables().get(name) for name in re.findall(r"\b[A-Z][A-Z_]+\b", error.detail)]
        known = _template()["Parameters"].keys()
        named = list(dict.fromkeys(one for value in variables for one in referred(value) if one in known))
        yield ": ".join([*([" and ".join(named)] if named else []), error.detail])
        if _IN_JSON.intersection(parameters).intersection(named):
            yield "samconfig.toml has an example of how a value in JSON is quoted"


def _variables() -> dict[str, Any]:
    template = _template()
    own = template["Resources"][_CHECKED]["Properties"]["Environment"]["Variables"]
    return {**template["Globals"]["Function"]["Environment"]["Variables"], **own}


@cache
def _template() -> dict[str, Any]:
    found: dict[str, Any] = yaml_parse((ROOT / "template.yaml").read_text())
    return found
