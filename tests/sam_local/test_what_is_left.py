"""Containers do not outlive the stack: not when it is stopped, and after its death not the next start."""

import subprocess
from pathlib import Path

from local.sam import command
from tests.support.running_stack import RunningStack


def containers(stack: RunningStack) -> set[str]:
    """Those with code of this stack."""
    listed = subprocess.run(
        ["docker", "ps", "--all", "--no-trunc", "--format", "{{.ID}} {{.Mounts}}"],
        env=command.environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    lines = (line.partition(" ") for line in listed.stdout.splitlines())
    return {container for container, _, mounts in lines if str(stack.folder) in mounts}


def top_up(stack: RunningStack) -> None:
    """Which takes most of the functions, each in its container."""
    session = stack.create(stack.add_user())
    stack.pay(session)
    stack.until_credited(session)


def test_no_container_is_left(engine: dict[str, str], tmp_path: Path) -> None:
    with RunningStack(tmp_path / "project", command="sam", **engine) as stack:
        top_up(stack)
        left = containers(stack)
        stack.kill()
        assert left
        assert left <= containers(stack)

        stack.start()
        assert not left & containers(stack)

        top_up(stack)
        assert containers(stack)
        stack.stop()
        assert containers(stack) == set()
