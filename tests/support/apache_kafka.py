"""Apache Kafka for tests: fetched once, into the folder of `make run KAFKA=apache`."""

from pathlib import Path

import pytest

from local.kafka import jars as kafka_jars
from local.kafka.jars import ApacheKafkaError

FETCHED = Path(__file__).parents[2] / ".local" / "kafka"


def share_jars(data: Path) -> None:
    """Make a data folder that already has the jars. Skips the test if they cannot be fetched or run."""
    try:
        kafka_jars.require_java()
        kafka_jars.fetch(FETCHED, print)
    except ApacheKafkaError as error:
        pytest.skip(str(error))
    data.mkdir(parents=True)
    (data / "libs").symlink_to(FETCHED / "libs")
