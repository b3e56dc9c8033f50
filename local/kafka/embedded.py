"""A Kafka broker embedded from a Python wheel: the mock cluster of librdkafka, in a process of its own.

Clients speak the real protocol to it over TCP, consumer groups and idempotent producers included. It keeps
everything in memory, at most the latest 5 MB of a partition, and loses it when it ends, committed offsets
included. It has no topic administration, and record timestamps are constant.

`python -m local.kafka.embedded --port 9092 --topics checkout.finished:3` runs one; it prints a line when it
listens.
"""

import argparse
import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from checkout.base import terminal
from local import processes

HOST = "127.0.0.1"
_ROOT = Path(__file__).parents[2]
_START_SECONDS = 20.0
_PRODUCER = 0  # rd_kafka_type_t
_BROKER_ID = 1  # Mock brokers are numbered from 1.
_REBALANCE_DELAY_MS = 50  # How long a new group waits for more members; Kafka's 3 s serve large groups.


class BrokerError(RuntimeError):
    """The broker could not be started."""


class Broker(processes.Child):
    """One broker with the given topics (name → partitions); its port stays the same after a restart."""

    api_version: str | None = "2.3"
    """The version that kafka-python must be given, as `api_version=(2, 3)`: it cannot find out here."""

    def __init__(self, topics: Mapping[str, int], port: int | None = None, host: str = HOST) -> None:
        """`port` None means any free one, chosen by the first `start`; `host` is an own address."""
        self._topics = dict(topics)
        self._host = host
        self._port = port

    @property
    def address(self) -> str:
        """The bootstrap server, `host:port`."""
        if self._port is None:
            raise BrokerError("the Kafka broker has not been started")
        return f"{self._host}:{self._port}"

    def start(self) -> None:
        """Serve, with empty topics. Raises BrokerError if the port is taken."""
        topics = ",".join(f"{name}:{partitions}" for name, partitions in self._topics.items())
        self.process = processes.spawn(
            [
                *(sys.executable, "-m", "local.kafka.embedded"),
                *("--port", str(self._port or processes.free_port())),
                *("--host", self._host, "--topics", topics),
            ],
            cwd=_ROOT,
            stdout=subprocess.PIPE,
        )
        assert self.process.stdout is not None  # noqa: S101 - asked for above
        with self.process.stdout as output:
            announced = output.readline().decode().split(":")
        if len(announced) != 2:
            raise BrokerError(f"the Kafka broker ended with status {self.process.wait()} while starting")
        self._port = int(announced[1])

    def stop(self) -> None:
        """End, which loses all records."""
        self.end(signal.SIGTERM)

    def restart(self) -> None:
        """Crash and come back on the same port, with empty topics and no committed offsets."""
        self.kill()
        self.start()


def serve(port: int, topics: Mapping[str, int], host: str = HOST) -> int:
    """Start the cluster inside this process and return its port; 0 asks for any free one.

    The mock broker can only listen on a port of the kernel's choice, so its socket is replaced by one that
    listens on the wanted port, and with a longer backlog than five connections.
    """
    library = _librdkafka()
    listener = socket.create_server((host, port), backlog=128)
    listener.setblocking(False)
    port = listener.getsockname()[1]

    error = ctypes.create_string_buffer(512)
    settings = library.rd_kafka_conf_new()
    library.rd_kafka_conf_set(settings, b"log_level", b"3", error, ctypes.sizeof(error))  # LOG_ERR
    handle = library.rd_kafka_new(_PRODUCER, settings, error, ctypes.sizeof(error))
    cluster = library.rd_kafka_mock_cluster_new(handle, 1) if handle else None
    if not cluster:
        raise BrokerError(f"librdkafka: {error.value.decode()}")
    address = library.rd_kafka_mock_cluster_bootstraps(cluster).decode()
    os.dup2(listener.fileno(), _listening_descriptor(int(address.rpartition(":")[2])), inheritable=False)
    listener.close()
    library.rd_kafka_mock_broker_set_host_port(cluster, _BROKER_ID, host.encode(), port)
    library.rd_kafka_mock_group_initial_rebalance_delay_ms(cluster, _REBALANCE_DELAY_MS)
    for name, partitions in topics.items():
        if library.rd_kafka_mock_topic_create(cluster, name.encode(), partitions, 1):
            raise BrokerError(f"librdkafka: cannot make the topic {name}")
    return port


def _listening_descriptor(port: int) -> int:
    for descriptor in map(int, os.listdir("/dev/fd")):  # noqa: PTH208 - numbers, not paths
        try:
            with socket.socket(fileno=os.dup(descriptor)) as candidate:
                if candidate.getsockname()[:2] == (HOST, port):
                    return descriptor
        except OSError:
            continue  # The listing's own descriptor is closed by now, and not everything is a socket.
    raise BrokerError("librdkafka: the mock broker does not listen")


def _librdkafka() -> ctypes.CDLL:
    from confluent_kafka import cimpl

    # Its symbols are found through the extension, which knows the wheel's place for librdkafka.
    library = ctypes.CDLL(cimpl.__file__)
    for name, result, arguments in (
        ("rd_kafka_conf_new", "p", ""),
        ("rd_kafka_conf_set", "i", "psssz"),
        ("rd_kafka_new", "p", "ipsz"),
        ("rd_kafka_mock_cluster_new", "p", "pi"),
        ("rd_kafka_mock_cluster_bootstraps", "s", "p"),
        ("rd_kafka_mock_broker_set_host_port", "i", "pisi"),
        ("rd_kafka_mock_group_initial_rebalance_delay_ms", "v", "pi"),
        ("rd_kafka_mock_topic_create", "i", "psii"),
    ):
        function = getattr(library, name)
        function.restype, *function.argtypes = [_TYPES[letter] for letter in result + arguments]
    return library


_TYPES: Mapping[str, type | None] = {
    "v": None,
    "p": ctypes.c_void_p,
    "s": ctypes.c_char_p,
    "i": ctypes.c_int,
    "z": ctypes.c_size_t,
}


def main() -> None:
    """Serve until SIGTERM, or until the parent is gone."""
    parser = argparse.ArgumentParser(
        prog="python -m local.kafka.embedded", description="An embedded Kafka broker."
    )
    parser.add_argument("--port", type=int, default=0, help="TCP port (default: any free one)")
    parser.add_argument("--host", default=HOST, help="address of this machine (%(default)s)")
    parser.add_argument("--topics", default="", help="name:partitions,name:partitions")
    arguments = parser.parse_args()
    topics = dict(topic.rsplit(":", 1) for topic in arguments.topics.split(",") if topic)
    parent = os.getppid()
    try:
        partitions = {name: int(count) for name, count in topics.items()}
        port = serve(arguments.port, partitions, arguments.host)
    except (BrokerError, OSError) as error:
        sys.exit(f"the Kafka broker cannot serve on port {arguments.port}: {error}")
    terminal.say(f"{arguments.host}:{port}")
    while os.getppid() == parent:
        time.sleep(0.5)


if __name__ == "__main__":
    main()
