"""The containers in which `sam local` runs functions."""

import os
import subprocess
from contextlib import suppress
from pathlib import Path

_DESKTOP = "/host_mnt"
"""What Docker Desktop puts before the paths of this machine."""


def remove(built: Path) -> None:
    """End all that run what was built in the folder, whoever started them. Needs the command `docker`."""
    folders = tuple(f"{path}{os.sep}" for path in (built.absolute(), built.resolve()))
    with suppress(FileNotFoundError):  # Without it there is nobody to ask.
        listed = _docker("ps", "--all", "--no-trunc", "--format", "{{.ID}} {{.Mounts}}")
        lines = (line.partition(" ") for line in listed.splitlines())
        if found := [container for container, _, mounts in lines if _mounts(mounts, folders)]:
            _docker("rm", "--force", *found)


def _mounts(mounts: str, folders: tuple[str, ...]) -> bool:
    return any(mount.removeprefix(_DESKTOP).startswith(folders) for mount in mounts.split(","))


def _docker(*arguments: str) -> str:
    return subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False).stdout
