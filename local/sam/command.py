"""The command lines and the environment of `sam`."""

import os
import platform
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from local.lambda_runtime.functions import unreadable
from local.lambda_runtime.template import Template

NAME = "host.docker.internal"
"""This machine's name in containers."""


def for_containers(names: Iterable[str], variables: Mapping[str, str]) -> dict[str, str]:
    """The variables for `sam local --env-vars`, which fills in only `names`.

    Those without a value are empty, which stands for a default: if only CloudFormation knows a value, `sam`
    makes one up. PUBLIC_ORIGIN is for the browser, which runs in no container.
    """
    return {
        name: value if name == "PUBLIC_ORIGIN" else value.replace("127.0.0.1", NAME)
        for name in sorted(names)
        for value in [variables.get(name, "")]
        if not name.startswith(("POWERTOOLS_", "AWS_LAMBDA_"))
    }


def variables_of(template: Template, variables: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """The content of the file for `sam local --env-vars`: of all functions under `Parameters`; and by the
    function's name in the template, which wins, the secrets that it may not read."""
    common = for_containers(template.variables, variables)
    found = {one.logical_id: unreadable(one) & common.keys() for one in template.functions.values()}
    return {"Parameters": common, **{name: dict.fromkeys(sorted(found[name]), "") for name in found}}


def build(data: Path) -> list[str]:
    """`sam build` in the folder `data`."""
    return [
        *_sam("build", "--build-dir", str(data / "build")),
        *("--parameter-overrides", f"Architecture={_architecture()}"),
        *("--cached", "--cache-dir", str(data / "cache")),
    ]


def local(verb: str, data: Path, address: str, *options: str) -> list[str]:
    """`sam local <verb>` with the functions and variables of the stack whose data are in the folder.

    `address` is `engine.address()`.
    """
    return [
        *_sam("local", verb, *options, "--template", str(folder(data) / "build" / "template.yaml")),
        *("--env-vars", str(folder(data) / "variables.json")),
        *("--add-host", f"{NAME}:{address}", "--skip-pull-image"),
        *("--parameter-overrides", f"Architecture={_architecture()}", "Profile=prod"),
    ]


def folder(data: Path) -> Path:
    """The folder of everything that is built and written for `sam`."""
    return data / "sam"


def _architecture() -> str:
    return "arm64" if platform.machine() in ("arm64", "aarch64") else "x86_64"


def _sam(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "samcli", *arguments]


def environment() -> dict[str, str]:
    """The environment of `sam`, with the virtual environment's interpreter on the PATH for `sam build`."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "SAM_CLI_TELEMETRY": "0"}
