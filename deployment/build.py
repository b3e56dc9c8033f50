"""What is deployed, made once and promoted from one environment to the next."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from deployment import ROOT
from deployment.sam import sam

BUILD = ROOT / ".aws-sam" / "build"
ARCHITECTURE = "arm64"
"""The template's default."""


class AnotherBuild(RuntimeError):
    """The build that is here is not the one that was asked for."""


def make(architecture: str) -> str:
    """Build without credentials; returns the digest that `deploy` can be told to accept alone."""
    sam("build", "--parameter-overrides", f"Architecture={architecture}")
    return digest(architecture)


def digest(architecture: str) -> str:
    """Of the build that is here, and of the processors that it is for."""
    return release_of(BUILD, {"Architecture": architecture})


def require(wanted: str, architecture: str) -> None:
    """Raises AnotherBuild unless the build that is here has this digest."""
    if digest(architecture) != wanted:
        raise AnotherBuild(
            f"the build in {BUILD.relative_to(ROOT)} is not {wanted} for {architecture}: it was changed or"
            " is of another commit or architecture"
        )


def release_of(build: Path, parameters: Mapping[str, str]) -> str:
    """A hash of every file that is deployed, by names and contents, and of the template's parameters.

    Nothing else has a function's new version published, so whatever it must see belongs in here.
    """
    digest = hashlib.sha256()
    for path in _files(build):
        digest.update(f"{path.relative_to(build)}\0".encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    digest.update(json.dumps(parameters, sort_keys=True).encode())
    return digest.hexdigest()


def _files(build: Path) -> Iterator[Path]:
    for path in sorted(build.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            yield path
