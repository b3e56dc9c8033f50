"""MiniStack, an emulator of AWS's API, with a stack made of the transformed templates.

What is taken out or replaced, because MiniStack has no such thing or because the machine has none:

- resource types of LACKING, and the alarms that calculate (`Metrics`); references to them become plain text
- a new secret has an empty object, since an empty text is what MiniStack puts into one without
- UpdatePolicy: without CodeDeploy an alias shifts at once
- the network, the database and the cluster are given by parameters, so their nested stacks are not made
- `migrate` connects to a PostgreSQL of this machine, without TLS and IAM; its handler writes down the
  properties that CloudFormation sends, before the real one gets them; the topics are there, since the
  embedded broker makes none
- the layer finds its packages in this virtual environment, instead of bringing them along

It proves our code and our templates against the emulator's idea of CloudFormation, not against AWS.
"""

import copy
import io
import json
import os
import re
import signal
import sysconfig
import time
import urllib.error
import urllib.request
import zipfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Self

import boto3
import psutil  # type: ignore[import-untyped]
from botocore.config import Config

from local import processes
from local.waiting import until
from tests.infrastructure import transformed
from tests.infrastructure.transformed import REGION, ROOT, Template

PROGRAM = Path(os.environ.get("MINISTACK", ROOT / ".venv" / "ministack" / "bin" / "ministack"))
"""`make check-aws` installs it: infrastructure/ministack.txt."""

LACKING = frozenset(
    {
        "AWS::CloudWatch::CompositeAlarm",
        "AWS::CodeDeploy::Application",
        "AWS::CodeDeploy::DeploymentGroup",
        "AWS::SecretsManager::ResourcePolicy",
    }
)
NESTED = {"Monitoring": "infrastructure/monitoring.yaml"}
_START_SECONDS = 30.0
_STEP_SECONDS = 90.0

_RECORDING = """
import json, os, app
from checkout.release import topics

topics.ensure = lambda *_: []

def handler(event, context):
    with open(os.environ["RECORDED"], "a") as file:
        file.write(json.dumps([event["RequestType"], event["ResourceProperties"]]) + "\\n")
    return app.handler(event, context)
"""


class Emulator:
    """Use it as a context manager; nothing of it is left afterwards."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._port = processes.free_port()
        self.url = f"http://127.0.0.1:{self._port}"

    def __enter__(self) -> Self:
        environment = {
            **{name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ},
            "GATEWAY_PORT": str(self._port),
            "BIND_HOST": "127.0.0.1",
            "MINISTACK_HOST": "127.0.0.1",
            "MINISTACK_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "LAMBDA_EXECUTOR": "local",
            "TMPDIR": str(self._folder),
        }
        with (self._folder / "ministack.log").open("wb") as log:
            self._process = processes.spawn(
                [str(PROGRAM)], cwd=self._folder, env=environment, stdout=log, stderr=log
            )
        deadline = time.monotonic() + _START_SECONDS
        while not self._answers():
            if time.monotonic() > deadline or self._process.poll() is not None:
                self.__exit__()
                raise RuntimeError((self._folder / "ministack.log").read_text()[-2000:])
            time.sleep(0.1)
        return self

    def __exit__(self, *_: object) -> None:
        started = psutil.Process(self._process.pid).children(recursive=True) if self._is_alive() else []
        processes.end(self._process, signal.SIGTERM)
        for child in started:
            if child.is_running():
                child.kill()
        psutil.wait_procs(started, timeout=5)

    def client(self, service: str) -> Any:
        make: Any = boto3.client  # Its stubs have an overload for each service.
        return make(
            service,
            region_name=REGION,
            endpoint_url=self.url,
            aws_access_key_id="test",
            aws_secret_access_key="test",
            config=Config(retries={"total_max_attempts": 1}),
        )

    def _is_alive(self) -> bool:
        return self._process.poll() is None

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/_ministack/health", timeout=1):
                return True
        except OSError:
            return False


class Stack:
    """The project's, by name; each change waits for its end and returns CloudFormation's last word."""

    def __init__(self, emulator: Emulator, name: str, parameters: Mapping[str, str]) -> None:
        """`parameters` are those that every change has."""
        self._name, self._parameters = name, dict(parameters)
        self._url = emulator.url
        self._cloudformation = emulator.client("cloudformation")
        self._lambda = emulator.client("lambda")
        self._s3 = emulator.client("s3")
        self._bucket = f"{name}-templates"
        self._s3.create_bucket(Bucket=self._bucket, CreateBucketConfiguration={"LocationConstraint": REGION})

    def create(self, template: Template, **more: str) -> str:
        self._cloudformation.create_stack(**self._request(template, more))
        return self._settled()

    def update(self, template: Template, **more: str) -> str:
        self._cloudformation.update_stack(**self._request(template, more))
        return self._settled()

    def delete(self) -> str:
        identity = self._described()["StackId"]
        self._cloudformation.delete_stack(StackName=self._name)
        self._name = identity
        return self._settled()

    def resources(self) -> dict[str, str]:
        """Logical to physical id."""
        found = self._cloudformation.describe_stack_resources(StackName=self._name)["StackResources"]
        return {one["LogicalResourceId"]: one["PhysicalResourceId"] for one in found}

    def outputs(self) -> dict[str, str]:
        return {one["OutputKey"]: one["OutputValue"] for one in self._described()["Outputs"]}

    def events(self, logical_id: str) -> list[tuple[str, str]]:
        """(status, reason), the oldest first."""
        pages = self._cloudformation.get_paginator("describe_stack_events").paginate(StackName=self._name)
        found = [event for page in pages for event in page["StackEvents"]]
        return [
            (event["ResourceStatus"], event.get("ResourceStatusReason", ""))
            for event in reversed(found)
            if event["LogicalResourceId"] == logical_id
        ]

    def live(self) -> set[str]:
        """The releases of the versions that the aliases have."""
        functions = [name for name in self.resources() if name.endswith("Function")]
        return {self.environment(name)["RELEASE"] for name in functions}

    def environment(self, function: str) -> dict[str, str]:
        """Of the version in use."""
        found = self._lambda.get_function_configuration(
            FunctionName=self.resources()[function], Qualifier="live"
        )
        return dict(found["Environment"]["Variables"])

    def _request(self, template: Template, more: Mapping[str, str]) -> dict[str, Any]:
        return {
            "StackName": self._name,
            "TemplateURL": self._uploaded(template),
            "Capabilities": ["CAPABILITY_IAM"],
            "Parameters": [
                {"ParameterKey": key, "ParameterValue": value}
                for key, value in {**self._parameters, **more}.items()
            ],
        }

    def _described(self) -> dict[str, Any]:
        [found] = self._cloudformation.describe_stacks(StackName=self._name)["Stacks"]
        return dict(found)

    def _settled(self) -> str:
        def settled() -> str | None:
            status = str(self._described()["StackStatus"])
            return None if status.endswith("_IN_PROGRESS") else status

        if (status := until(settled, _STEP_SECONDS, 0.2)) is None:
            raise TimeoutError(f"{self._name} is still {self._described()['StackStatus']}")
        return status

    def _uploaded(self, template: Template) -> str:
        resources = template["Resources"]
        for name, path in NESTED.items():
            nested = json.dumps(without_lacking(transformed.parsed(ROOT / path)), default=str)
            resources[name]["Properties"]["TemplateURL"] = self._put(f"{name}.json", nested.encode())
        for name, resource in resources.items():
            if resource["Type"] == "AWS::Lambda::Function":
                self._put(f"{name}.zip", _code(name))
                resource["Properties"]["Code"] = {"S3Bucket": self._bucket, "S3Key": f"{name}.zip"}
            if resource["Type"] == "AWS::Lambda::LayerVersion":
                self._put("layer.zip", _layer())
                resource["Properties"]["Content"] = {"S3Bucket": self._bucket, "S3Key": "layer.zip"}
        return self._put("application.json", json.dumps(template, default=str).encode())

    def _put(self, key: str, content: bytes) -> str:
        self._s3.put_object(Bucket=self._bucket, Key=key, Body=content)
        return f"{self._url}/{self._bucket}/{key}"


def application(release: str, database: str, brokers: str, recorded: Path) -> Template:
    """The template for the emulator. `migrate` writes down what it is asked in the file `recorded`."""
    template = copy.deepcopy(_of_release(release))
    migrate = template["Resources"]["MigrateFunction"]["Properties"]
    migrate["Handler"] = "recording.handler"
    migrate["Environment"]["Variables"] |= {
        "CHECKOUT_DATABASE_URL": database,
        "KAFKA_CLUSTER_ARN": "",
        "KAFKA_BROKERS": brokers,
        "KAFKA_SECURITY": "PLAINTEXT",
        "KAFKA_API_VERSION": "2.3",
        "RECORDED": str(recorded),
    }
    return template


@cache
def _of_release(release: str) -> Template:
    source = transformed.source()
    source["Parameters"]["Release"]["Default"] = release  # From which SAM names the versions.
    return without_lacking(transformed.transform(source))


def without_lacking(template: Template) -> Template:
    """What MiniStack can make of it."""
    resources = template["Resources"]
    gone = {
        name
        for name, one in resources.items()
        if one["Type"] in LACKING
        or (one["Type"] == "AWS::CloudWatch::Alarm" and "Metrics" in one["Properties"])
    }
    kept = {name: one for name, one in resources.items() if name not in gone}
    for one in kept.values():
        one.pop("UpdatePolicy", None)
        if one["Type"] == "AWS::SecretsManager::Secret":
            one["Properties"]["SecretString"] = "{}"
    written: Template = _without_names(template | {"Resources": kept}, gone)
    return written


def _without_names(value: Any, names: set[str]) -> Any:
    if isinstance(value, list):
        return [_without_names(item, names) for item in value]
    if isinstance(value, str):
        return re.sub(
            r"\$\{(\w+)((?:\.\w+)?)\}", lambda found: found[1] if found[1] in names else found[0], value
        )
    if not isinstance(value, dict):
        return value
    if value.keys() == {"Ref"} and value["Ref"] in names:
        return value["Ref"]
    if value.keys() == {"Fn::GetAtt"} and value["Fn::GetAtt"][0] in names:
        return value["Fn::GetAtt"][0]
    return {key: _without_names(item, names) for key, item in value.items()}


def _code(function: str) -> bytes:
    name = transformed.source()["Resources"][function]["Properties"]["CodeUri"]
    files = {path.name: path.read_text() for path in (ROOT / name).glob("*.py")}
    return _zipped({**files, "recording.py": _RECORDING})


def _layer() -> bytes:
    layer = ROOT / "layers" / "common"
    paths = (path for path in layer.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    files = {f"python/{path.relative_to(layer)}": path.read_text() for path in paths}
    packages = Path(sysconfig.get_path("purelib"))
    link = f"python/lib/{packages.parent.name}/site-packages/packages.pth"
    return _zipped({**files, link: str(packages)})


def _zipped(files: Mapping[str, str]) -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as archive:
        for name, content in sorted(files.items()):
            archive.writestr(zipfile.ZipInfo(name), content)
    return written.getvalue()


def recorded_calls(path: Path) -> list[tuple[str, dict[str, str]]]:
    """(request type, properties) of each call of `migrate`."""
    return [(kind, properties) for kind, properties in map(json.loads, path.read_text().splitlines())]
