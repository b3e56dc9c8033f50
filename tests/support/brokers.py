"""The broker that the tests run against: embedded, or with KAFKA=apache Apache Kafka itself."""

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from local.apache_kafka import ApacheKafka
from local.broker import Broker
from tests.support.apache_kafka import share_jars

IS_APACHE = os.environ.get("KAFKA") == "apache"

forgets = pytest.mark.skipif(IS_APACHE, reason="Apache Kafka keeps what it has; the embedded broker does not")
"""Marks a test of what is done when the broker has lost everything."""

AnyBroker = Broker | ApacheKafka


def new_broker(topics: Mapping[str, int], data: Path) -> AnyBroker:
    """Not started. `data` is a folder that is not there yet."""
    if not IS_APACHE:
        return Broker(topics)
    share_jars(data)
    return ApacheKafka(topics, data)
