"""Each handler runs from `sam build`'s output, under Lambda's runtime client, and answers its samples."""

import json
import os
import queue
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import distribution
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from local import samples, signing
from local.lambda_runtime import template
from local.stack import description, settings
from tests.infrastructure.interpreter import RUNTIME, interpreter
from tests.infrastructure.transformed import ROOT, source
from tests.support.running_stack import RunningStack
from tests.support.samples import ANSWERS, EVENTS, RESULTS, check

CLIENT = ("awslambdaric", "snapshot-restore-py", "simplejson")
SDK = {
    "boto3": "boto3",
    "botocore": "botocore",
    "s3transfer": "s3transfer",
    "jmespath": "jmespath",
    "dateutil": "python-dateutil",
    "six.py": "six",
    "urllib3": "urllib3",
}
"""What the runtime has beside, by import; and the distribution."""

SECONDS = 30.0
LOGICAL_IDS = {
    Path(resource["Properties"]["CodeUri"]).name: name
    for name, resource in source()["Resources"].items()
    if resource["Type"] == "AWS::Serverless::Function"
}
"""By the function's folder."""


class RuntimeApi:
    """What Lambda offers to a runtime at AWS_LAMBDA_RUNTIME_API: one event at a time, and where to answer."""

    def __init__(self) -> None:
        self._events: queue.Queue[bytes] = queue.Queue()
        self._answers: queue.Queue[tuple[str, bytes]] = queue.Queue()
        api = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                event = api._events.get()
                self.send_response(200)
                self.send_header("Lambda-Runtime-Aws-Request-Id", "00000000-0000-4000-8000-000000000000")
                self.send_header("Lambda-Runtime-Deadline-Ms", str(int((time.time() + SECONDS) * 1000)))
                arn = "arn:aws:lambda:eu-central-1:123456789012:function:checkout"
                self.send_header("Lambda-Runtime-Invoked-Function-Arn", arn)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(event)))
                self.end_headers()
                self.wfile.write(event)

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                api._answers.put((self.path.rpartition("/")[2], body))
                self.send_response(202)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Not of interest."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.address = f"127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def invoke(self, event: Any) -> Any:
        """What the handler returned; fails where it raised or could not be imported."""
        self._events.put(json.dumps(event).encode())
        kind, body = self._answers.get(timeout=SECONDS)
        assert kind == "response", body
        return json.loads(body)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class AwsApis:
    """Lambda's and CodeDeploy's, as far as the hook calls them."""

    def __init__(self) -> None:
        self.invoked: list[str] = []
        self.reported: list[dict[str, str]] = []
        apis = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.path.endswith("/invocations"):
                    apis.invoked.append(unquote(self.path.split("/")[3]))
                    answer = b'{"release": "r2", "reached": []}'
                else:
                    apis.reported.append(json.loads(body))
                    answer = b'{"lifecycleEventHookExecutionId": "e-1"}'
                self._answer(answer)

            def do_GET(self) -> None:
                assert self.path.endswith("/configuration"), self.path
                self._answer(b'{"Environment": {"Variables": {"RELEASE": "r2"}}}')

            def _answer(self, answer: bytes) -> None:
                self.send_response(200)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_: object) -> None:
                """Not of interest."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.address = f"127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> "AwsApis":
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of this machine's architecture."""
    folder = interpreter()
    if folder is None or f"python{sys.version_info.major}.{sys.version_info.minor}" != RUNTIME:
        pytest.skip(f"{RUNTIME}, the functions' runtime, is not that of these tests")
    target = tmp_path_factory.mktemp("runtime") / "build"
    architecture = "x86_64" if os.uname().machine == "x86_64" else "arm64"
    done = subprocess.run(
        [
            *(sys.executable, "-m", "samcli", "build", "--no-cached", "--build-dir", target),
            *("--parameter-overrides", f"Architecture={architecture}"),
        ],
        cwd=ROOT,
        env={**os.environ, "PATH": f"{folder}:{os.environ['PATH']}", "SAM_CLI_TELEMETRY": "0"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return target


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The runtime client and AWS's SDK alone, as the runtime has them outside the function's packages."""
    target = tmp_path_factory.mktemp("client")
    for name in CLIENT:
        found = distribution(name)
        for file in found.files or []:
            if file.suffix in (".py", ".so"):
                (target / file).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(str(found.locate_file(file)), target / file)
    for name in SDK:
        found_at = Path(str(distribution(SDK[name]).locate_file(name)))
        (target / found_at.name).symlink_to(found_at)
    return target


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    """What the handlers talk to: PostgreSQL, a broker and Stripe's simulator."""
    with RunningStack(tmp_path_factory.mktemp("runtime_stack") / "project") as running:
        yield running


@pytest.fixture(scope="module")
def variables(stack: RunningStack) -> dict[str, str]:
    """All that the template declares; a variable without a value is empty, which stands for a default."""
    told = settings.load(stack.folder, {})
    found = description.read(told.data)
    assert found is not None
    known = found.variables(told)
    return {
        name: known.get(name, "")
        for name in template.load(ROOT / "template.yaml").variables
        if not name.startswith(("POWERTOOLS_", "AWS_LAMBDA_"))
    }


@pytest.mark.parametrize("function", dict.fromkeys(name.partition("/")[0] for name in [*ANSWERS, *RESULTS]))
def test_a_handler_answers_its_samples(
    build: Path,
    client: Path,
    stack: RunningStack,
    variables: dict[str, str],
    tmp_path: Path,
    function: str,
) -> None:
    with running(function, build, client, variables, tmp_path) as api:
        for sample in [*ANSWERS, *RESULTS]:
            if sample.partition("/")[0] == function:
                check(sample, api.invoke(fresh(sample, stack)))


def test_the_hook_before_traffic_asks_and_reports(build: Path, client: Path, tmp_path: Path) -> None:
    """It is invoked by CodeDeploy alone, and talks to AWS alone."""
    versions = [f"arn:aws:lambda:eu-central-1:123456789012:function:{name}:7" for name in ("one", "two")]
    with (
        AwsApis() as aws,
        running(
            "pre_traffic",
            build,
            client,
            {
                "NEW_VERSIONS": ",".join(versions),
                "RELEASE": "r2",
                "AWS_ENDPOINT_URL": f"http://{aws.address}",
                "AWS_DEFAULT_REGION": "eu-central-1",
                "AWS_ACCESS_KEY_ID": "testing",
                "AWS_SECRET_ACCESS_KEY": "testing",
            },
            tmp_path,
        ) as api,
    ):
        answer = api.invoke({"DeploymentId": "d-1", "LifecycleEventHookExecutionId": "e-1"})

    assert answer == {"fit": True}
    assert sorted(aws.invoked) == versions
    assert [told["status"] for told in aws.reported] == ["Succeeded"]


@contextmanager
def running(
    function: str, build: Path, client: Path, variables: dict[str, str], folder: Path
) -> Iterator[RuntimeApi]:
    """The function under the runtime client, with nothing of this project but what was built."""
    declared = template.load(ROOT / "template.yaml").functions[function]
    code = build / LOGICAL_IDS[function]
    [layer] = build.glob("*Layer*/python")
    api = RuntimeApi()
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            # -S: neither this project nor its virtual environment.
            [sys._base_executable, "-S", "-m", "awslambdaric", declared.handler],  # type: ignore[attr-defined]
            cwd=code,
            env={
                **variables,
                "PYTHONPATH": f"{code}:{layer}:{client}",
                "AWS_LAMBDA_RUNTIME_API": api.address,
                "AWS_LAMBDA_FUNCTION_NAME": function,
                "AWS_LAMBDA_FUNCTION_VERSION": "1",
                "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
                "AWS_REGION": "eu-central-1",
                "LAMBDA_TASK_ROOT": str(code),
            },
            stdout=log,
            stderr=log,
        )
    try:
        yield api
    except queue.Empty:
        pytest.fail((folder / "log").read_text())
    finally:
        process.kill()
        process.wait()
        api.close()


def fresh(sample: str, stack: RunningStack) -> Any:
    event = json.loads((EVENTS / f"{sample}.json").read_text())
    values = {name: str(value) for name, value in stack.description.items()}
    made = signing.freshen(event, stack.description["stripe_webhook_secret"], values)
    samples.add_session(made, stack.description["stripe_api_url"])
    return made
