"""Functions behind `sam local start-lambda`, which may be unreachable for a moment."""

import asyncio
from pathlib import Path

import pytest

from local.lambda_runtime.template import Function
from local.processes import free_port
from local.sam.functions import SamFunctions


def test_a_call_that_fails_is_an_error_like_any_other() -> None:
    logged: list[tuple[str, str]] = []
    account = Function("account", Path(), "app.handler", 10, 128, logical_id="AccountFunction")

    async def scenario() -> None:
        functions = SamFunctions(
            {"account": account}, f"http://127.0.0.1:{free_port()}", lambda *line: logged.append(line)
        )
        result = await functions.invoke("account", {})
        assert result.is_error
        assert "Could not connect" in result.value["errorMessage"]
        assert functions.states() == {}
        with pytest.raises(KeyError):
            await functions.kill("account")
        await functions.stop()

    asyncio.run(scenario())

    [(name, line)] = logged
    assert name == "account"
    assert line.startswith("[ERROR] cannot be invoked")
