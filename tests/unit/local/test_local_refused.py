"""Unusable settings are refused before anything is started."""

import asyncio
import os
from pathlib import Path

import pytest

from local.kafka import apache as apache_kafka
from local.sam import engine
from local.sam.stack import SamStack
from local.stack import settings
from local.stack.assembly import Stack, StackError
from local.stack.console import Console
from local.stack.settings import Settings
from tests.support.settings import put

ROOT = Path(__file__).parents[3]


def told(folder: Path, **environment: str) -> Settings:
    for name in ("template.yaml", "functions", "layers"):
        (folder / name).symlink_to(ROOT / name)
    return settings.load(folder, environment)


@pytest.mark.parametrize("security", ["SCRAM", "IAM"])
def test_brokers_that_the_triggers_cannot_sign_in_to(tmp_path: Path, security: str) -> None:
    given = told(tmp_path, KAFKA_BROKERS="b-1.example.com:9096", KAFKA_SECURITY=security)

    with pytest.raises(StackError, match=f"KAFKA_SECURITY={security}"):
        Stack(given, Console())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"PRICES": "x"}, "PRICES cannot be read: not valid JSON."),
        ({"PRICES_ONLY": "true"}, "PRICES_ONLY needs PRICES."),
        ({"JWT_SECRET": "short"}, "JWT_SECRET has fewer than 32 bytes, .*: openssl rand -hex 32 makes one."),
        (
            {"STRIPE_WEBHOOK_SECRET": "short"},
            "STRIPE_WEBHOOK_SECRET .*: it must be the one that Stripe shows.",
        ),
        ({"SERVICES": "[]"}, "SERVICES .*"),
        ({"USER_ID_TYPE": "int", "SECRET_ARN": "arn:of:another:program"}, "USER_ID_TYPE must be one of .*"),
    ],
)
def test_a_setting_of_the_functions(tmp_path: Path, settings: dict[str, str], message: str) -> None:
    with pytest.raises(StackError, match=f"^{message}$"):
        Stack(told(tmp_path, **settings), Console())


def test_an_engine_on_another_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(monkeypatch, **{engine.GATEWAY: "192.0.2.1"})

    with pytest.raises(StackError, match=rf"192\.0\.2\.1.*{engine.GATEWAY}"):
        SamStack(told(tmp_path), Console())


def test_a_kafka_that_containers_cannot_reach(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(monkeypatch, **{engine.GATEWAY: "127.0.0.2"})
    monkeypatch.setattr(apache_kafka, "serving", lambda _: "127.0.0.1:9092")
    stack = SamStack(told(tmp_path, KAFKA="apache"), Console(open(os.devnull, "w")))  # noqa: SIM115, PTH123

    with pytest.raises(StackError, match=r"127\.0\.0\.1:9092.*make kafka"):
        asyncio.run(stack._start_broker())
