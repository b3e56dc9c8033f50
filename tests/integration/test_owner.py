"""One stack a checkout database."""

from collections.abc import Iterator

import pytest

from checkout.base.errors import ConfigurationError
from checkout.base.postgres import Database
from checkout.release import owner
from checkout.release.migrate import Migrate
from tests.support.functions import another_database, query
from tests.support.second_connection import second_connection, waiting


@pytest.fixture
def empty(databases: tuple[str, str]) -> Iterator[str]:
    with another_database(databases[0], "of_a_stack") as url:
        yield url


def migrate(url: str, app_id: str, currency: str = "eur", application: str | None = None) -> list[str]:
    checkout, other = Database(lambda: url), Database(lambda: application or url)
    try:
        return Migrate(checkout, other, app_id, currency=currency)()
    finally:
        checkout.close()
        other.close()


def test_another_stack_is_refused_before_anything_is_applied(empty: str) -> None:
    migrate(empty, "prod-1")
    query(empty, "DELETE FROM schema_migrations WHERE name = 'checkout/0018_owner.sql'")
    with pytest.raises(ConfigurationError) as refused:
        migrate(empty, "staging-2")
    assert str(refused.value) == (
        "CHECKOUT_APP_ID is staging-2, but prod-1 owns the checkout database. Two stacks on one database"
        " would credit each other's payments: give this stack a database of its own, or set CHECKOUT_APP_ID"
        " to prod-1 if it takes that stack's place."
    )
    assert query(empty, "SELECT 1 FROM schema_migrations WHERE name = 'checkout/0018_owner.sql'") == []


def test_its_own_stack_goes_on(empty: str) -> None:
    migrate(empty, "prod-1")
    assert migrate(empty, "prod-1") == []
    assert query(empty, "SELECT app_id FROM checkout_owner") == [{"app_id": "prod-1"}]


def test_of_two_new_stacks_the_second_is_refused(empty: str) -> None:
    """Both found the database without an owner."""
    migrate(empty, "prod-1")
    database = Database(lambda: empty)
    with pytest.raises(ConfigurationError, match="prod-1 owns"), database.transaction() as tx:
        owner.take(tx, "staging-2", "eur")
    database.close()
    assert query(empty, "SELECT app_id FROM checkout_owner") == [{"app_id": "prod-1"}]


def test_of_two_stacks_that_come_at_once_the_second_is_refused(empty: str) -> None:
    migrate(empty, "prod-1")
    query(empty, "DELETE FROM checkout_owner")
    with second_connection(empty) as first:
        first.execute("INSERT INTO checkout_owner (app_id, currency) VALUES ('prod-1', 'eur')")
        second = waiting(empty, lambda: migrate(empty, "staging-2"))
        first.commit()
    with pytest.raises(ConfigurationError, match="prod-1 owns"):
        second.result()
    assert query(empty, "SELECT app_id FROM checkout_owner") == [{"app_id": "prod-1"}]


def test_balances_keep_their_currency_once_something_was_paid(empty: str) -> None:
    migrate(empty, "prod-1", "eur")
    migrate(empty, "prod-1", "jpy")
    query(
        empty,
        "INSERT INTO checkout_transactions (request_id, user_id, amount_cents, currency, purpose, status,"
        " payment_intent_id, paid_cents, paid_currency, paid_read_at, completed_at)"
        " VALUES ('r1', 1, 500, 'jpy', 'balance_topup', 'payment_succeeded', 'pi_1', 500, 'jpy', now(),"
        "   now())",
    )
    with pytest.raises(ConfigurationError, match=r"BALANCE_CURRENCY is eur, but .* credited in\s+jpy"):
        migrate(empty, "prod-1", "eur")
    assert migrate(empty, "prod-1", "jpy") == []


@pytest.mark.parametrize("status", ["session_pending", "session_created", "payment_processing"])
def test_who_is_paying_is_credited_in_the_currency_that_he_pays(empty: str, status: str) -> None:
    migrate(empty, "prod-1", "eur")
    query(
        empty,
        "INSERT INTO checkout_transactions (request_id, user_id, amount_cents, currency, purpose, status)"
        f" VALUES ('r1', 1, 500, 'eur', 'balance_topup', '{status}')",
    )
    with pytest.raises(ConfigurationError, match="somebody may be paying in eur"):
        migrate(empty, "prod-1", "jpy")
    query(empty, "UPDATE checkout_transactions SET status = 'session_expired'")
    migrate(empty, "prod-1", "jpy")


def test_balances_that_nobody_has_paid_for_keep_their_currency_too(empty: str) -> None:
    migrate(empty, "prod-1", "eur")
    query(empty, "INSERT INTO users (id) VALUES (1)")
    query(empty, "SELECT ledger_move('gift', 1, 500, 'eur', 'gift')")
    with pytest.raises(ConfigurationError, match="set it to eur"):
        migrate(empty, "prod-1", "jpy")
    assert migrate(empty, "prod-1", "eur") == []


@pytest.mark.parametrize("checkout", ["another", "that of a release without owners"])
def test_a_ledger_keeps_its_currency_although_the_checkout_database_names_none(
    databases: tuple[str, str], empty: str, checkout: str
) -> None:
    """It is new, or so is the setting, or it is from a release that kept no owner."""
    migrate(empty, "prod-1", "eur")
    query(empty, "INSERT INTO users (id) VALUES (1)")
    query(empty, "SELECT ledger_move('gift', 1, 500, 'eur', 'gift')")
    with another_database(databases[0], "another_checkout") as another:
        url = another
        if checkout != "another":
            url = empty
            query(empty, "DROP TABLE checkout_owner")
            query(empty, "DELETE FROM schema_migrations WHERE name = 'checkout/0018_owner.sql'")
        with pytest.raises(ConfigurationError, match="set it to eur"):
            migrate(url, "prod-1", "jpy", application=empty)
        assert "checkout/0018_owner.sql" in migrate(url, "prod-1", "eur", application=empty)
