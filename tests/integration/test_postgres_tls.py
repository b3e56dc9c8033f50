"""`sslmode=verify-full`: only a certificate of our authority, for the name that we asked for, is trusted."""

from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from checkout.base.errors import ConfigurationError, DatabaseUnavailable
from checkout.base.postgres import Database
from tests.support.tls import Authority, PostgresOverTls

Presenting = Callable[[str], str]


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "ours")


@pytest.fixture
def presenting(databases: tuple[str, str], authority: Authority) -> Iterator[Presenting]:
    """The URL of a server that presents a certificate for a host, which is asked for as 127.0.0.1."""
    place = urlsplit(databases[0])
    servers = []

    def serve(host: str) -> str:
        server = PostgresOverTls(authority.issue(host), (place.hostname or "", place.port or 0))
        servers.append(server)
        return f"postgresql://{place.username}:{place.password}@127.0.0.1:{server.port}{place.path}"

    yield serve
    for server in servers:
        server.close()


def reach(url: str, root: Path) -> None:
    database = Database(lambda: f"{url}?sslmode=verify-full&sslrootcert={root}")
    try:
        with database.transaction() as cursor:
            cursor.execute("SELECT 1")
    finally:
        database.close()


def test_a_certificate_for_the_host_of_our_authority_is_trusted(
    presenting: Presenting, authority: Authority
) -> None:
    reach(presenting("127.0.0.1"), authority.root)


def test_another_authority_is_refused_and_the_log_says_so(
    presenting: Presenting, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(DatabaseUnavailable):
        reach(presenting("127.0.0.1"), Authority(tmp_path, "theirs").root)

    assert "certificate verify failed" in vars(caplog.records[-1])["reason"]


def test_another_host_is_refused_and_the_log_says_so(
    presenting: Presenting, authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(DatabaseUnavailable):
        reach(presenting("db.example.com"), authority.root)

    assert 'does not match host name "127.0.0.1"' in vars(caplog.records[-1])["reason"]


def test_a_server_without_tls_is_refused(databases: tuple[str, str], authority: Authority) -> None:
    with pytest.raises(DatabaseUnavailable):
        reach(databases[0], authority.root)


@pytest.mark.parametrize("url", ["postgresql://u:sec%ret@h/d", "postgresql://u:sec/ret@h/d", "secret"])
def test_a_url_that_cannot_be_read_is_not_shown(url: str, caplog: pytest.LogCaptureFixture) -> None:
    database = Database(lambda: url)

    with pytest.raises(ConfigurationError, match="cannot be read") as refused, database.transaction():
        pass
    assert "sec" not in refused.value.detail + caplog.text
    assert refused.value.__cause__ is None, "a traceback would quote it"
