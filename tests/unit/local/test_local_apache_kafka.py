"""How another process finds the Apache Kafka that runs in a folder."""

import fcntl
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest

from local.kafka import apache as apache_kafka


@pytest.fixture
def held(tmp_path: Path) -> Iterator[IO[str]]:
    """The lock of a process that runs Apache Kafka, or is starting it."""
    with (tmp_path / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield lock


def later(tmp_path: Path, held: IO[str], text: str | None) -> threading.Timer:
    """A timer after which it serves, or gives up if the text is None."""
    timer = threading.Timer(
        0.3, held.close if text is None else lambda: (tmp_path / "brokers").write_text(text)
    )
    timer.start()
    return timer


def test_what_a_killed_one_left_is_not_believed(tmp_path: Path) -> None:
    (tmp_path / "brokers").write_text("127.0.0.1:1")
    assert apache_kafka.serving(tmp_path) is None

    (tmp_path / "lock").touch()
    assert apache_kafka.serving(tmp_path) is None


def test_one_that_serves_is_found(tmp_path: Path, held: IO[str]) -> None:
    (tmp_path / "brokers").write_text("127.0.0.1:9092")

    assert apache_kafka.serving(tmp_path) == "127.0.0.1:9092"


@pytest.mark.parametrize("text", ["127.0.0.1:9092", None])
def test_one_that_starts_is_waited_for(tmp_path: Path, held: IO[str], text: str | None) -> None:
    timer = later(tmp_path, held, text)

    assert apache_kafka.serving(tmp_path) == text
    timer.join()


def test_one_that_never_serves_is_not_waited_for_without_end(tmp_path: Path, held: IO[str]) -> None:
    assert apache_kafka.serving(tmp_path, patience=0.2) is None
