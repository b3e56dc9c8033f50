"""Real PostgreSQL and a broker over TCP, once a test run; every test begins with empty tables."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from checkout.base import timing
from tests.contracts import conformance
from tests.support import functions, made_up, roles
from tests.support.brokers import AnyBroker, SpareBroker, new_broker
from tests.support.functions import Functions, system
from tests.support.postgres import new_postgres
from tests.support.settings import put
from tests.support.stripe_reversals import KnownStripe
from tests.support.stripe_simulator import Simulator
from tests.support.tail import Tail
from tests.support.terminal import Terminal


@pytest.fixture(scope="session")
def databases(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """URLs of a migrated checkout database and a migrated application database."""
    server = new_postgres(tmp_path_factory.mktemp("postgres") / "data")
    server.start()
    for name in ("checkout", "application"):
        server.create_database(name)
    urls = server.url("checkout"), server.url("application")
    with pytest.MonkeyPatch.context() as patch:
        settings = functions.environment(*urls, "127.0.0.1:1")
        put(patch, **settings)
        Functions(settings, patch).invoke("migrate", {})
        system().grant_roles()
        functions.forget_wiring()
    yield urls
    server.stop()


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AnyBroker]:
    topics = {"checkout.requests": 3, "checkout.finished": 3}
    running = new_broker(topics, tmp_path_factory.mktemp("kafka") / "data")
    running.start()
    yield running
    running.stop()


@pytest.fixture(scope="session")
def spare_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SpareBroker]:
    spare = SpareBroker(tmp_path_factory.mktemp("spare") / "data")
    yield spare
    spare.stop()


@pytest.fixture
def own_broker(spare_broker: SpareBroker) -> Iterator[AnyBroker]:
    """A broker that the test may stop, with an empty `checkout.finished`."""
    with spare_broker.with_empty({"checkout.finished": 3}) as broker:
        yield broker


@pytest.fixture(scope="session")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    with Simulator(tmp_path_factory.mktemp("stripe")) as running:
        yield running


@pytest.fixture
def stripe(fns: Functions, simulator: Simulator) -> Iterator[Simulator]:
    """The functions talk to the simulator."""
    fns.set(STRIPE_API_BASE=simulator.url)
    fns.settings["STRIPE_API_BASE"] = simulator.url
    yield simulator
    simulator.clear_faults()


@pytest.fixture
def silent(fns: Functions, tmp_path: Path) -> Iterator[Simulator]:
    """A Stripe of its own that sends no webhooks."""
    with Simulator(
        tmp_path / "stripe", debit_seconds=0.1, refund_seconds=0.1, dispute_seconds=0.1
    ) as simulator:
        fns.set(STRIPE_API_BASE=simulator.url)
        fns.settings["STRIPE_API_BASE"] = simulator.url
        yield simulator


@pytest.fixture
def known(fns: Functions, monkeypatch: pytest.MonkeyPatch) -> KnownStripe:
    """The functions ask this Stripe."""
    stripe = KnownStripe()
    functions.override(monkeypatch, stripe_api=stripe)
    return stripe


@pytest.fixture
def as_operator(fns: Functions) -> Iterator[None]:
    """What the test calls itself is done by the operations."""
    with roles.acting_as("operations"):
        yield


@pytest.fixture
def fns(
    databases: tuple[str, str], broker: AnyBroker, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Functions]:
    """The functions, each under its own role, with empty databases but for user 1, who has nothing."""
    roles.enforce(monkeypatch)
    # What a test wants published is published, however slow this machine is.
    monkeypatch.setattr(timing, "PUBLISH_AT_ONCE", 20)
    settings = functions.environment(*databases, broker.address)
    put(monkeypatch, **settings)
    functions.forget_wiring()
    conformance.watch(monkeypatch)
    made_up.known_to_stripe(monkeypatch)
    made = Functions(settings, monkeypatch)
    made.empty_databases()
    made.add_users(1)
    yield made
    functions.forget_wiring()


@pytest.fixture
def tail(broker: AnyBroker) -> Iterator[Tail]:
    reader = Tail(broker.address)
    yield reader
    reader.close()


@pytest.fixture
def terminal(fns: Functions, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Terminal:
    return Terminal(capsys, monkeypatch)


@pytest.fixture
def solvent(fns: Functions) -> Iterator[None]:
    """An application that lets no balance fall below 0."""
    fns.application("ALTER TABLE users ADD CONSTRAINT solvent CHECK (balance >= 0)")
    yield
    fns.application("ALTER TABLE users DROP CONSTRAINT solvent")
