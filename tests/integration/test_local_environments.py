"""Execution environments: real processes, tiny handlers."""

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]
import pytest

from local.lambda_runtime import sources
from local.lambda_runtime.environment import MAX_PAYLOAD
from local.lambda_runtime.environments import FunctionEnvironments, PayloadTooLarge
from local.lambda_runtime.template import Function
from tests.support.waiting import eventually

ROOT = Path(__file__).parents[2]
Scenario = Callable[[FunctionEnvironments], Awaitable[None]]


class Bench:
    """Runs a scenario with the environments of one handler, and collects what they log."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.lines: list[str] = []
        self.variables = {"PATH": os.environ["PATH"]}

    def run(self, handler: str, scenario: Scenario, *, size: int = 1, timeout: int = 20) -> None:
        code = self.folder / "small"
        code.mkdir(exist_ok=True)
        (code / "app.py").write_text(textwrap.dedent(handler))
        layer = self.folder / "layer"
        layer.mkdir(exist_ok=True)
        (layer / "shared.py").write_text("WHERE = 'layer'")
        function = Function("small", code, "app.handler", timeout=timeout, memory=256)

        async def whole() -> None:
            environments = FunctionEnvironments(
                function, (layer,), self.variables, lambda _, line: self.lines.append(line), size
            )
            try:
                await scenario(environments)
            finally:
                pids = environments.pids
                await environments.stop()
            assert not [pid for pid in pids if psutil.pid_exists(pid)]

        asyncio.run(whole())


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


async def until(condition: Callable[[], bool], seconds: float = 30) -> None:
    await asyncio.to_thread(eventually, condition, seconds)


def test_answers_and_stays_warm(bench: Bench) -> None:
    async def scenario(environments: FunctionEnvironments) -> None:
        answers = [(await environments.invoke({"n": number})).value for number in range(3)]
        assert [answer["event"] for answer in answers] == [{"n": 0}, {"n": 1}, {"n": 2}]
        assert [answer["calls"] for answer in answers] == [1, 2, 3]

    bench.run(
        """
        calls = 0
        def handler(event, context):
            global calls
            calls += 1
            return {"event": event, "calls": calls}
        """,
        scenario,
    )


def test_finds_its_folder_and_the_layer_first_and_not_the_project(bench: Bench) -> None:
    async def scenario(environments: FunctionEnvironments) -> None:
        answer = (await environments.invoke({})).value
        assert answer["path"][:2] == [str(bench.folder / "small"), str(bench.folder / "layer")]
        assert str(ROOT) not in answer["path"]
        assert answer["where"] == "layer"
        assert answer["cwd"] == str(bench.folder / "small")
        assert answer["variables"]["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"] == "256"
        assert answer["variables"]["COLOR"] == "red"

    bench.variables["COLOR"] = "red"
    bench.run(
        """
        import os, sys, shared
        def handler(event, context):
            return {"path": sys.path, "where": shared.WHERE, "cwd": os.getcwd(),
                    "variables": dict(os.environ)}
        """,
        scenario,
    )


def test_the_context_serves_powertools(bench: Bench) -> None:
    async def scenario(environments: FunctionEnvironments) -> None:
        first, second = (await environments.invoke({})).value, (await environments.invoke({})).value
        assert first["name"] == "small"
        assert first["memory"] == "256"
        assert first["arn"].endswith(":function:small")
        assert first["id"] != second["id"]
        assert 18_000 < first["remaining"] <= 20_000
        assert first["trace"].startswith("Root=1-")
        await until(lambda: any("cold_start" in line for line in bench.lines))
        logged = [json.loads(line) for line in bench.lines if line.startswith("{")]
        assert [line["cold_start"] for line in logged] == [True, False]
        assert logged[0]["function_request_id"] == first["id"]

    bench.run(
        """
        import os
        from aws_lambda_powertools import Logger
        logger = Logger(service="x")
        @logger.inject_lambda_context
        def handler(event, context):
            logger.info("hello")
            return {"name": context.function_name, "memory": context.memory_limit_in_mb,
                    "arn": context.invoked_function_arn, "id": context.aws_request_id,
                    "remaining": context.get_remaining_time_in_millis(),
                    "trace": os.environ["_X_AMZN_TRACE_ID"]}
        """,
        scenario,
    )


def test_an_exception_is_lambda_s_error_and_the_environment_stays(bench: Bench) -> None:
    async def scenario(environments: FunctionEnvironments) -> None:
        result = await environments.invoke({})
        assert result.is_error
        assert (result.value["errorType"], result.value["errorMessage"]) == ("ValueError", "broken")
        assert "in handler" in result.value["stackTrace"][0]
        assert "runtime.py" not in "".join(result.value["stackTrace"])
        again = await environments.invoke({"fine": True})
        assert (again.is_error, again.value) == (False, 2)
        await until(lambda: any("[ERROR] ValueError: broken" in line for line in bench.lines))

    bench.run(
        """
        calls = 0
        def handler(event, context):
            global calls
            calls += 1
            if not event:
                raise ValueError("broken")
            return calls
        """,
        scenario,
    )


def test_an_error_about_a_setting_is_printed_in_one_line(bench: Bench) -> None:
    async def scenario(environments: FunctionEnvironments) -> None:
        result = await environments.invoke({})
        assert result.value["errorType"] == "NotYetConfigured"
        await until(lambda: bool(bench.lines))

    bench.run(
        """
        class ConfigurationError(Exception):
            pass
        class NotYetConfigured(ConfigurationError):
            pass
        def handler(event, context):
            raise NotYetConfigured("PRICES cannot be read")
        """,
        scenario,
    )
    assert bench.lines == ["[ERROR] NotYetConfigured: PRICES cannot be read"]


def test_the_message_of_an_exception_makes_no_lines_of_its_own(bench: Bench) -> None:
    async def scenario(environments: FunctionEnvironments) -> None:
        result = await environments.invoke({})
        assert result.value["errorMessage"] == "a\n[INFO] credited\ud800\x1b[2J"
        await until(lambda: "[ERROR] ValueError: a\\n[INFO] credited\\ud800\\u001b[2J" in bench.lines)

    bench.run(
        """
        def handler(event, context):
            raise ValueError("a\\n[INFO] credited\\ud800\\x1b[2J")
        """,
        scenario,
    )


def test_what_it_prints_is_logged_and_does_not_disturb_the_answer(bench: Bench) -> None:
    async def scenario(environments: FunctionEnvironments) -> None:
        assert (await environments.invoke({})).value == "answer"
        await until(lambda: {"to stdout", "to stderr", "x" * 100_000} <= set(bench.lines))

    bench.run(
        """
        import sys
        def handler(event, context):
            print("to stdout")
            print("to stderr", file=sys.stderr)
            print("x" * 100_000)
            return "answer"
        """,
        scenario,
    )


@pytest.mark.parametrize(
    ("handler", "kind"),
    [
        ("import nowhere", "Runtime.ImportModuleError"),
        ("other = 1", "Runtime.HandlerNotFound"),
        ("raise ValueError('early')", "ValueError"),
        ("def", "Runtime.UserCodeSyntaxError"),
        ("import os; os._exit(3)", "Runtime.ExitError"),
        ("def handler(event, context): return {1, 2}", "Runtime.MarshalError"),
        ("def handler(event, context): raise SystemExit(4)", "Runtime.ExitError"),
        ("import os, signal\ndef handler(event, context): os.kill(os.getpid(), 9)", "Runtime.ExitError"),
        ("def handler(event, context): return 'x' * 6_291_460", "Function.ResponseSizeTooLarge"),
    ],
)
def test_each_way_to_fail_is_told_apart_and_the_next_event_is_tried_again(
    bench: Bench, handler: str, kind: str
) -> None:
    async def scenario(environments: FunctionEnvironments) -> None:
        for _ in range(2):
            result = await environments.invoke({})
            assert result.is_error
            assert result.value["errorType"] == kind

    bench.run(handler, scenario)


def test_a_timeout_kills_and_replaces(bench: Bench) -> None:
    async def scenario(environments: FunctionEnvironments) -> None:
        (before,) = [(await environments.invoke({})).value]
        result = await environments.invoke({"sleep": 60})
        assert result.value["errorType"] == "Sandbox.Timedout"
        assert "Task timed out after 1.00 seconds" in result.value["errorMessage"]
        after = (await environments.invoke({})).value
        assert after != before
        assert not psutil.pid_exists(before)

    bench.run(
        """
        import os, time
        def handler(event, context):
            time.sleep(event.get("sleep", 0))
            return os.getpid()
        """,
        scenario,
        timeout=1,
    )


def test_as_many_at_once_as_there_are_environments_and_no_more(bench: Bench) -> None:
    async def scenario(environments: FunctionEnvironments) -> None:
        await asyncio.gather(environments.warm(), environments.warm())
        results = await asyncio.gather(*(environments.invoke({}) for _ in range(6)))
        assert len({result.value["pid"] for result in results}) == 2
        spans = sorted((result.value["from"], result.value["to"]) for result in results)
        overlapping = [sum(start <= moment < end for start, end in spans) for moment, _ in spans]
        assert max(overlapping) == 2

    bench.run(
        """
        import os, time
        def handler(event, context):
            begun = time.monotonic()
            time.sleep(0.5)
            return {"pid": os.getpid(), "from": begun, "to": time.monotonic()}
        """,
        scenario,
        size=2,
    )


def test_an_idle_environment_that_is_killed_is_reported_and_replaced(bench: Bench) -> None:
    async def scenario(environments: FunctionEnvironments) -> None:
        await environments.warm()
        (victim,) = environments.pids
        os.kill(victim, signal.SIGKILL)
        await until(lambda: len(environments.pids) == 1 and environments.pids != [victim])
        assert any("signal 9" in line for line in bench.lines)
        assert (await environments.invoke({})).value != victim

    bench.run("import os\ndef handler(event, context): return os.getpid()", scenario)


def test_six_megabytes_pass_and_more_do_not(bench: Bench) -> None:
    async def scenario(environments: FunctionEnvironments) -> None:
        largest = "x" * (MAX_PAYLOAD - 2)
        assert (await environments.invoke(largest)).value == largest
        with pytest.raises(PayloadTooLarge):
            await environments.invoke(largest + "x")

    bench.run("def handler(event, context): return event", scenario)


def test_a_function_whose_folder_is_gone_is_an_error_of_the_function(bench: Bench) -> None:
    async def scenario(environments: FunctionEnvironments) -> None:
        shutil.rmtree(bench.folder / "small")
        assert (await environments.invoke({})).value["errorType"] == "Runtime.InvalidEntrypoint"

    bench.run("def handler(event, context): return 1", scenario)


def test_nothing_is_started_after_a_stop(bench: Bench) -> None:
    async def scenario(environments: FunctionEnvironments) -> None:
        await environments.stop()
        assert (await environments.invoke({})).is_error
        assert environments.pids == []

    bench.run("def handler(event, context): return 1", scenario)


def test_stop_gives_up_what_is_still_running(bench: Bench) -> None:
    async def scenario(environments: FunctionEnvironments) -> None:
        running = asyncio.create_task(environments.invoke({}))
        await until(lambda: "begun" in bench.lines)
        begun = time.monotonic()
        await environments.stop()
        assert time.monotonic() - begun < 5
        assert (await running).is_error

    bench.run(
        "import time\ndef handler(event, context): print('begun'); time.sleep(60)", scenario, timeout=100
    )


def test_an_environment_ends_when_its_parent_is_killed_even_amid_an_event(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(
        "import os, time\ndef handler(event, context): print(os.getpid()); time.sleep(60)"
    )
    program = f"""
        import asyncio, os
        from pathlib import Path
        from local.lambda_runtime.template import Function
        from local.lambda_runtime.environments import FunctionEnvironments
        async def main():
            function = Function("small", Path({str(tmp_path)!r}), "app.handler", 100, 128)
            def log(_, line): print(line, flush=True)
            await FunctionEnvironments(function, (), dict(os.environ), log).invoke(1)
        asyncio.run(main())
    """
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        process = psutil.Process(int(parent.stdout.readline()))

        parent.kill()
        parent.wait()

        _, left = psutil.wait_procs([process], 20)
        # Its zombie may stay, if no process waits for it.
        assert [one for one in left if one.status() != psutil.STATUS_ZOMBIE] == []


def test_a_warm_round_trip_takes_less_than_a_few_milliseconds(bench: Bench) -> None:
    async def scenario(environments: FunctionEnvironments) -> None:
        await environments.warm()
        event: dict[str, Any] = {"body": "x" * 4000}
        took = []
        for _ in range(200):
            begun = time.perf_counter()
            await environments.invoke(event)
            took.append(time.perf_counter() - begun)
        # Something that costs every trip its time costs the fastest quarter theirs; a busy machine does not.
        assert sorted(took)[50] < 0.01

    bench.run("def handler(event, context): return event", scenario)


ANSWERS = "from shared import WHERE\ndef handler(event, context): return "


@pytest.fixture
def attentive(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each event looks for changes, however short it is since the last one did."""
    monkeypatch.setattr(sources, "PAUSE", 0)


@pytest.mark.usefixtures("attentive")
def test_edited_code_answers_the_next_event(bench: Bench) -> None:
    async def scenario(environments: FunctionEnvironments) -> None:
        assert (await environments.invoke({})).value == ["first", "layer"]
        [before] = environments.pids

        (bench.folder / "small" / "app.py").write_text(ANSWERS + '["the second one", WHERE]')
        assert (await environments.invoke({})).value == ["the second one", "layer"]
        assert bench.lines == ["[INFO] the code has changed, and is loaded anew"]
        await until(lambda: not psutil.pid_exists(before))

        (bench.folder / "layer" / "shared.py").write_text("WHERE = 'another layer'")
        assert (await environments.invoke({})).value == ["the second one", "another layer"]
        [now] = environments.pids
        assert (await environments.invoke({})).value == ["the second one", "another layer"]
        assert environments.pids == [now]

    bench.run(ANSWERS + '["first", WHERE]', scenario)


@pytest.mark.usefixtures("attentive")
def test_edited_code_that_is_no_python_is_an_error_until_it_is_mended(bench: Bench) -> None:
    """The code from before does not go on answering."""
    app = bench.folder / "small" / "app.py"

    async def scenario(environments: FunctionEnvironments) -> None:
        assert (await environments.invoke({})).value == "good"
        app.write_text("def handler(event, context) return 1")
        for _ in range(2):
            failed = await environments.invoke({})
            assert (failed.is_error, failed.value["errorType"]) == (True, "Runtime.UserCodeSyntaxError")
        shown = "\n".join(bench.lines)
        assert "expected ':' (app.py, line 1)" in shown

        app.write_text(ANSWERS + '"mended"')
        assert (await environments.invoke({})).value == "mended"

    bench.run(ANSWERS + '"good"', scenario)


@pytest.mark.usefixtures("attentive")
def test_an_environment_that_is_busy_while_the_code_is_edited_answers_and_ends(bench: Bench) -> None:
    app = bench.folder / "small" / "app.py"

    async def scenario(environments: FunctionEnvironments) -> None:
        running = asyncio.create_task(environments.invoke({"wait": True}))
        await until(lambda: "begun" in bench.lines)
        [busy] = environments.pids
        app.write_text(ANSWERS + '"edited"')
        assert (await environments.invoke({})).value == "edited"
        (bench.folder / "go").touch()
        assert (await running).value == "old"
        await until(lambda: not psutil.pid_exists(busy))
        assert (await environments.invoke({})).value == "edited"

    old = f"""
        import time
        from pathlib import Path
        def handler(event, context):
            print("begun")
            while not Path({str(bench.folder / "go")!r}).exists():
                time.sleep(0.01)
            return "old"
        """
    bench.run(old, scenario, size=2)
