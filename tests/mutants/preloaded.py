"""Runs pytest or the simulation again and again, each time in a fork of a process that has imported the
libraries: half of the time of a short test is their import. Of the project itself nothing is imported before.

A line on standard input is a request in JSON: `arguments` for pytest, or `seeds` and `urls` of worlds;
the file for its `output`, and how many `seconds` it has. Its answer is a line with the exit status, which is
negative if it was ended by a signal.
"""

import importlib
import json
import os
import signal
import sys
import time
import traceback
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

LIBRARIES = (
    *("pytest", "aws_lambda_powertools", "boto3", "psycopg2.extras", "stripe", "requests", "jwt"),
    *("kafka", "confluent_kafka.admin", "psutil"),
)
LOOK_SECONDS = 0.01


def main() -> None:
    for name in LIBRARIES:
        with suppress(ImportError):
            importlib.import_module(name)
    while request := sys.stdin.readline():
        asked = json.loads(request)
        pid = os.fork()
        if pid == 0:
            _run(asked)
        print(_status(pid, asked["seconds"]), flush=True)


def _run(asked: dict[str, Any]) -> NoReturn:
    status = 1
    try:
        os.setsid()
        output = os.open(asked["output"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        for descriptor, replaced in ((os.open(os.devnull, os.O_RDONLY), 0), (output, 1), (output, 2)):
            os.dup2(descriptor, replaced)
        status = _simulate(asked) if "seeds" in asked else _test(asked)
        sys.stdout.flush()
    except BaseException:
        traceback.print_exc()
        raise
    finally:
        os._exit(status)


def _test(asked: dict[str, Any]) -> int:
    import pytest

    return int(pytest.main(asked["arguments"]))


def _simulate(asked: dict[str, Any]) -> int:
    sys.path.insert(0, str(Path.cwd()))
    from tests.mutants import worlds

    worlds.play(asked["urls"], asked["seeds"], shrinks=asked["shrinks"])
    return 0


def _status(pid: int, seconds: float) -> int:
    deadline = time.monotonic() + seconds
    while True:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            break
        if time.monotonic() > deadline:
            with suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)
        time.sleep(LOOK_SECONDS)
    # What a test that failed has left behind goes with it.
    with suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)
    return os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    main()
