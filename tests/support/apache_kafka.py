"""Apache Kafka for tests: fetched once, into the folder where `make run KAFKA=apache` has it."""

from pathlib import Path

import pytest

from local.kafka import jars as kafka_jars
from local.kafka.jars import ApacheKafkaError

FETCHED = Path(__file__).parents[2] / ".local" / "kafka"


def share_jars(data: Path) -> None:
    """Make a data folder that need not fetch any. Skips the test where they cannot be had or run."""
    try:
        kafka_jars.require_java()
        kafka_jars.fetch(FETCHED, print)
    except ApacheKafkaError as error:
        pytest.skip(str(error))
    data.mkdir(parents=True)
    (data / "libs").symlink_to(FETCHED / "libs")
