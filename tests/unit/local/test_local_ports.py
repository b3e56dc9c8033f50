"""Ports that the stack is not allowed to use."""

import asyncio
from pathlib import Path

import pytest

from local.stack import assembly, settings, stripe_process
from local.stack.assembly import Stack, StackError
from local.stack.console import Console
from local.stack.stripe_process import StripeSimulator, StripeSimulatorError

ROOT = Path(__file__).parents[3]


def refuse(port: int) -> None:
    raise PermissionError(13, "Permission denied")


def test_a_port_without_the_permission_is_not_called_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(assembly, "claim", refuse)
    (tmp_path / "template.yaml").symlink_to(ROOT / "template.yaml")
    for folder in ("functions", "layers"):
        (tmp_path / folder).symlink_to(ROOT / folder)
    refused = Stack(settings.load(tmp_path, {"PORT": "1"}), Console())

    with pytest.raises(StackError, match="port 1 needs a permission"):
        asyncio.run(refused.run(asyncio.Event()))


def test_neither_is_the_simulator_s(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stripe_process, "claim", refuse)

    with pytest.raises(StripeSimulatorError, match=r"port 1 needs a permission.*STRIPE_PORT="):
        StripeSimulator(1, tmp_path, "http://127.0.0.1:2", "whsec_test", print).start()
