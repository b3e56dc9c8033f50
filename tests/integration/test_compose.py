"""Kafka as compose.yaml has it: the image's variables, made into properties as it does, for that Kafka."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from confluent_kafka.admin import AdminClient

from local.kafka import jars as kafka_jars
from local.kafka.node import Node
from local.processes import free_port
from tests.support.apache_kafka import share_jars

COMPOSE = Path(__file__).parents[2] / "compose.yaml"
KAFKA: dict[str, Any] = yaml.safe_load(COMPOSE.read_text())["services"]["kafka"]
PORTS = {str(port): str(free_port()) for port in (9092, 9093, 9094, 9096)}

pytestmark = pytest.mark.timeout(240)  # The first test may have to wait for the download.


def properties() -> dict[str, str]:
    """On ports that are free, and with an address that is known outside of Compose's network."""
    variables = {
        name: str(value) for name, value in KAFKA["environment"].items() if name.startswith("KAFKA_")
    }
    told = {name.removeprefix("KAFKA_").lower().replace("_", "."): text for name, text in variables.items()}
    told |= {"log.dirs": "data"}
    here = {"//kafka:": "//127.0.0.1:", "//0.0.0.0:": "//127.0.0.1:", **PORTS}
    return {name: re.sub("|".join(here), lambda found: here[found[0]], text) for name, text in told.items()}


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    jars = tmp_path_factory.mktemp("kafka") / "jars"
    share_jars(jars)
    running = Node(jars.parent / "node", jars, f"127.0.0.1:{PORTS['9092']}", properties())
    running.format(KAFKA["environment"]["CLUSTER_ID"])
    running.start()
    yield running
    running.stop()


@pytest.mark.parametrize(
    ("port", "host"), [("9092", "127.0.0.1"), ("9094", "host.docker.internal")], ids=["host", "containers"]
)
def test_each_side_is_sent_where_it_finds_the_broker(node: Node, port: str, host: str) -> None:
    client = AdminClient({"bootstrap.servers": f"127.0.0.1:{PORTS[port]}", "log_level": 2})

    [broker] = client.list_topics(timeout=20).brokers.values()

    assert f"{broker.host}:{broker.port}" == f"{host}:{PORTS[port]}"
    assert f"127.0.0.1:{port}:{port}" in KAFKA["ports"]


def test_it_is_the_kafka_that_maven_fetches() -> None:
    assert f"<version>{KAFKA['image'].partition(':')[2]}</version>" in kafka_jars.POM.read_text()
