"""The command that opens the console of a stack on AWS."""

import signal
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from checkout.console import __main__ as command
from checkout.console.server import About
from checkout.operations import remote

ALIAS = "arn:aws:lambda:eu-west-1:123456789012:function:checkout-OperationsFunction-1:live"


@pytest.fixture(autouse=True)
def _signals() -> Iterator[None]:
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    yield
    for number, handler in handlers.items():
        signal.signal(number, handler)


def test_the_region_is_next_to_the_stack_s_name(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A stack of the same name may be in another region, too."""
    shown: list[str] = []

    class Server:
        """Is ended as soon as it has begun."""

        url = "http://127.0.0.1:1/#token=x"

        def __init__(self, operate: Callable[..., Any], about: About, port: int) -> None:
            shown.append(about.system)

        def start(self) -> None:
            signal.raise_signal(signal.SIGINT)

        def stop(self) -> None:
            shown.append("stopped")

    monkeypatch.setattr(remote, "alias_of", lambda _: ALIAS)
    monkeypatch.setattr(command, "ConsoleServer", Server)

    assert command.main(["--stack", "checkout"]) == 0

    assert shown == ["checkout in eu-west-1", "stopped"]
    assert f"The console of checkout in eu-west-1: {Server.url}" in capsys.readouterr().out
