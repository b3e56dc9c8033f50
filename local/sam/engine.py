"""The containers in which `sam local` runs functions, and the engine that runs them."""

import os
import socket
import subprocess
from contextlib import suppress
from pathlib import Path

from local.stack.assembly import StackError

GATEWAY = "LAMBDA_DOCKER_GATEWAY"
"""The environment variable with the address at which containers find this machine, if not the bridge."""

_DESKTOP = "/host_mnt"
"""The prefix that Docker Desktop gives to the paths of this machine."""


def remove_containers(built: Path) -> None:
    """End all containers of functions that were built in the folder. Needs the command `docker`."""
    folders = tuple(f"{path}{os.sep}" for path in (built.absolute(), built.resolve()))
    with suppress(FileNotFoundError):  # Without Docker there are none.
        listed = _docker("ps", "--all", "--no-trunc", "--format", "{{.ID}} {{.Mounts}}")
        lines = (line.partition(" ") for line in listed.splitlines())
        if found := [container for container, _, mounts in lines if _mounts(mounts, folders)]:
            _docker("rm", "--force", *found)


def _mounts(mounts: str, folders: tuple[str, ...]) -> bool:
    return any(mount.removeprefix(_DESKTOP).startswith(folders) for mount in mounts.split(","))


def _docker(*arguments: str) -> str:
    return subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False).stdout


def address() -> str:
    """The address of this machine in containers. Raises StackError if there is no Docker engine."""
    if given := os.environ.get(GATEWAY):
        return given
    asked = ["docker", "network", "inspect", "bridge", "-f", "{{(index .IPAM.Config 0).Gateway}}"]
    try:
        found = subprocess.run(asked, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise StackError("Docker is needed: install it, or use make run, which needs none") from None
    if found.returncode or not found.stdout.strip():
        raise StackError(
            f"no Docker engine answers ({found.stderr.strip()[:200]}): start it, or use make run"
        )
    return found.stdout.strip()


def own_address() -> str:
    """The same, if it is an address of this machine, where others can listen. Raises StackError if not."""
    found = address()
    with socket.socket() as probe:
        try:
            probe.bind((found, 0))
        except OSError as error:
            raise StackError(
                f"containers would look for this machine at {found}, which is none of its addresses (the"
                f" engine runs elsewhere, or in a virtual machine): set {GATEWAY} to one that is,"
                " or use make run"
            ) from error
    return found
