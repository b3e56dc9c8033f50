"""Wiring: fakes as arguments, and what an init phase and a snapshot leave behind."""

import gc
import random
import sys
from collections.abc import Callable
from types import ModuleType

import pytest

from checkout.base.config import Config
from checkout.base.errors import ConfigurationError
from checkout.base.postgres import Database
from checkout.system import System


def test_a_fake_takes_the_place_of_an_attribute() -> None:
    fake = object()
    assert System(Config({}), stripe_api=fake).stripe_api is fake
    with pytest.raises(TypeError, match="no stripe_apy"):
        System(Config({}), stripe_apy=fake)


def test_what_is_wired_is_made_once() -> None:
    system = System(Config({"CHECKOUT_DATABASE_URL": "postgresql://x"}))
    system.prepare("checkout_database")
    assert vars(system)["checkout_database"] is system.checkout_database


@pytest.mark.parametrize(
    ("initialization", "is_made"), [(None, False), ("on-demand", False), ("snap-start", True)]
)
def test_what_few_events_need_is_made_at_init_if_no_event_waits_for_it(
    initialization: str | None, is_made: bool
) -> None:
    given = {} if initialization is None else {"AWS_LAMBDA_INITIALIZATION_TYPE": initialization}
    system = System(Config({"STRIPE_SECRET": "sk_test_1", **given}))
    system.prepare(rarely=["stripe_api"])
    assert ("stripe_api" in vars(system)) is is_made
    assert system.stripe_api is system.stripe_api


def test_no_garbage_is_looked_for_while_init_makes_things_nor_later_in_what_it_made() -> None:
    looked: list[bool] = []

    class Watched(System):
        @property
        def checkout_database(self) -> Database:
            looked.append(gc.isenabled())
            return Database(lambda: "postgresql://x")

    gc.unfreeze()
    Watched(Config({})).prepare("checkout_database")
    kept = gc.get_freeze_count()
    gc.unfreeze()
    assert looked == [False]
    assert kept > 0
    assert gc.isenabled()


def test_a_setting_that_is_missing_at_init_is_named_by_the_first_event() -> None:
    environment: dict[str, str] = {}
    system = System(Config(environment))
    system.prepare("kafka_publisher")
    with pytest.raises(ConfigurationError, match="KAFKA_BROKERS is not set"):
        _ = system.kafka_publisher
    environment["KAFKA_BROKERS"] = "127.0.0.1:1"
    assert system.kafka_publisher is system.kafka_publisher


def test_a_snapshot_has_no_connection_and_each_restored_environment_its_own_chance(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before: list[Callable[[], None]] = []
    after: list[Callable[[], None]] = []
    runtime = ModuleType("snapshot_restore_py")
    vars(runtime).update(
        register_before_snapshot=before.append,
        register_after_restore=after.append,
    )
    monkeypatch.setitem(sys.modules, "snapshot_restore_py", runtime)
    closed: list[Database] = []
    monkeypatch.setattr(Database, "close", lambda database: closed.append(database))
    system = System(Config({"CHECKOUT_DATABASE_URL": "postgresql://x"}))
    system.prepare("checkout_database")

    [close], [restore] = before, after
    close()
    assert closed == [system.checkout_database]
    random.seed(1)
    alike = random.random()
    random.seed(1)
    restore()
    assert random.random() != alike
