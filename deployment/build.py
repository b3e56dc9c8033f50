"""The build, which is made once and promoted from one environment to the next."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from deployment import ROOT
from deployment.sam import BUILD, sam

ARCHITECTURE = "arm64"
"""The template's default."""


class AnotherBuild(RuntimeError):
    """The build in the folder is not the expected one."""


def make(architecture: str) -> str:
    """Build without credentials and return the digest, which `deploy` can require."""
    sam("build", "--parameter-overrides", f"Architecture={architecture}")
    return digest(architecture)


def digest(architecture: str) -> str:
    """The digest of the build in the folder and of its architecture."""
    return release_of(BUILD, {"Architecture": architecture})


def require(wanted: str, architecture: str) -> None:
    """Raises AnotherBuild unless the build in the folder has this digest."""
    if digest(architecture) != wanted:
        raise AnotherBuild(
            f"the build in {BUILD.relative_to(ROOT)} is not {wanted} for {architecture}: it was changed or"
            " is of another commit or architecture"
        )


def release_of(build: Path, parameters: Mapping[str, str]) -> str:
    """A hash of every file that is deployed, by names and contents, and of the template's parameters.

    Only a changed hash publishes new versions of the functions, so everything they depend on belongs in it.
    """
    digest = hashlib.sha256()
    for path in sorted(path for path in build.rglob("*") if path.is_file()):
        digest.update(f"{path.relative_to(build)}\0".encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    digest.update(json.dumps(parameters, sort_keys=True).encode())
    return digest.hexdigest()
