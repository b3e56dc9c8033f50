import socket
from pathlib import Path

import pytest

from stripe_simulator.__main__ import SECRET_VARIABLE, main
from tests.support.settings import put


def test_help_names_every_option(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    told = capsys.readouterr().out
    for option in (
        "--port",
        "--data",
        "--endpoint-url",
        "--endpoint-secret",
        "--retry-base-seconds",
        SECRET_VARIABLE,
    ):
        assert option in told


def test_a_duration_can_be_set_by_a_variable(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    put(monkeypatch, STRIPE_SIMULATOR_DEBIT_SECONDS="12.5", STRIPE_SIMULATOR_REFUND_SECONDS="")
    with pytest.raises(SystemExit):
        main(["--help"])
    told = " ".join(capsys.readouterr().out.split())
    assert "from a bank debit to its settlement or failure (12.5)" in told
    assert "from a refund's first status to its second (3)" in told

    put(monkeypatch, STRIPE_SIMULATOR_DEBIT_SECONDS="soon")
    with pytest.raises(SystemExit) as ended:
        main([])
    assert ended.value.code == 2
    assert "--debit-seconds: invalid float value: 'soon'" in capsys.readouterr().err


def test_an_endpoint_needs_a_secret(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    put(monkeypatch, **{SECRET_VARIABLE: None})
    with pytest.raises(SystemExit) as ended:
        main(["--endpoint-url", "http://127.0.0.1:1/"])
    assert ended.value.code == 2
    assert SECRET_VARIABLE in capsys.readouterr().err


def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(SystemExit, match=f"cannot listen on 127.0.0.1:{port}"):
            main(["--port", str(port), "--data", str(tmp_path)])
