"""Apache Kafka's jars, which Maven fetches once, and the Java to run them with."""

import fcntl
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from local import processes

POM = Path(__file__).with_name("pom.xml")
OLDEST_JAVA = 17
_HINT = "or leave KAFKA out: the embedded broker needs neither Java nor Maven"
_OPTIONS = (
    *("-Xms128m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"),  # Starts fast, stays small.
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSS",
)


class ApacheKafkaError(RuntimeError):
    """Kafka could not be fetched or started; the message says what to do."""


def is_fetched(data: Path) -> bool:
    """Return True if the jars that the POM asks for are in the folder."""
    copied = libraries(data) / POM.name
    return copied.exists() and copied.read_bytes() == POM.read_bytes()


def fetch(data: Path, say: Callable[[str], None]) -> None:
    """Put Kafka's jars into the folder, unless they are there: 45 MB. Raises ApacheKafkaError."""
    if is_fetched(data):
        return
    require_java()
    if shutil.which("mvn") is None:
        raise ApacheKafkaError(f"Maven is needed to fetch Apache Kafka: install mvn, {_HINT}")
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _alone(data):
        if is_fetched(data):
            return
        say("fetching Apache Kafka with Maven: 45 MB, only once")
        began = time.monotonic()
        _fetch_anew(data)
        say(f"Apache Kafka fetched in {time.monotonic() - began:.1f} s")


def _fetch_anew(data: Path) -> None:
    fetched, log = data / "libs.unfinished", data / "maven.log"
    shutil.rmtree(fetched, ignore_errors=True)
    with log.open("wb") as output:
        maven = processes.spawn(
            [
                *("mvn", "--batch-mode", "--quiet", f"--file={POM.resolve()}"),
                *("dependency:copy-dependencies", f"-DoutputDirectory={fetched.resolve()}"),
            ],
            stdout=output,
            stderr=output,
        )
    try:
        status = maven.wait()
    finally:
        processes.end(maven, signal.SIGTERM)
    if status:
        raise ApacheKafkaError(
            f"Maven cannot fetch Apache Kafka ({log}):\n{processes.last_lines(log)}\n"
            f"Is Maven Central reachable? If not, {_HINT.removeprefix('or ')}."
        )
    # Written last, as the mark that the rest is complete.
    shutil.copyfile(POM, fetched / POM.name)
    shutil.rmtree(libraries(data), ignore_errors=True)
    fetched.rename(libraries(data))


@contextmanager
def _alone(data: Path) -> Iterator[None]:
    with (data / "fetching").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def libraries(data: Path) -> Path:
    """The folder of the jars."""
    return data / "libs"


def command(data: Path, *arguments: str) -> Sequence[str]:
    """The command that runs a class of Kafka's with these arguments."""
    return ["java", *_OPTIONS, "-cp", f"{libraries(data).resolve()}/*", *arguments]


def java_version(said: str) -> int | None:
    """The major version in what `java -version` prints; None if there is none."""
    found = re.search(r'version "(\d+)', said)
    return int(found[1]) if found else None


def require_java() -> None:
    """Raises ApacheKafkaError if there is no Java that Kafka runs on."""
    needed = f"Apache Kafka needs Java {OLDEST_JAVA} or later (the command java)"
    try:
        asked = subprocess.run(["java", "-version"], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise ApacheKafkaError(f"{needed}: install a JDK, {_HINT}") from None
    version = java_version(asked.stderr + asked.stdout)
    if version is None or version < OLDEST_JAVA:
        there = "one that does not work" if version is None else f"version {version}"
        raise ApacheKafkaError(f"{needed}, and there is {there}: install a newer JDK, {_HINT}")
