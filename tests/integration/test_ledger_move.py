"""ledger_move: the one way for an application to move a balance."""

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from threading import Barrier
from typing import Any

import psycopg2
import pytest
from psycopg2 import errors

from tests.support.functions import Functions, finished


def move(fns: Functions, effect_key: str = "order:1", amount_cents: Any = -300, **options: Any) -> bool:
    """Of user 1, in eur, unless told otherwise."""
    arguments = {"user_id": 1, "currency": "eur", "kind": "order", **options}
    given = {"effect_key": effect_key, "amount_cents": amount_cents, **arguments}
    call = ", ".join(f"{name} => %s" for name in given)
    [row] = fns.application(f"SELECT ledger_move({call}) AS moved", given.values())
    return bool(row["moved"])


def entries(fns: Functions) -> list[tuple[Any, ...]]:
    columns = "effect_key, user_id, amount_cents, currency, kind, request_id, reason"
    return [
        tuple(row.values()) for row in fns.application(f"SELECT {columns} FROM ledger_entries ORDER BY id")
    ]


def test_a_debit_is_an_entry_and_a_smaller_balance(fns: Functions) -> None:
    fns.consume(finished("r1"))
    assert move(fns, request_id="order 1", reason="two stickers")
    assert fns.balance() == 200
    assert entries(fns)[1] == ("order:1", 1, -300, "eur", "order", "order 1", "two stickers")


def test_the_same_again_changes_nothing_and_says_so(fns: Functions) -> None:
    fns.consume(finished())
    assert move(fns, amount_cents=-500)
    assert not move(fns, amount_cents=-500), "not even though the balance is 0 now"
    assert fns.balance() == 0
    assert len(entries(fns)) == 2


@pytest.mark.parametrize("other", [{"amount_cents": -301}, {"user_id": 2}, {"currency": "usd"}])
def test_the_same_key_for_something_else_is_an_error(fns: Functions, other: dict[str, Any]) -> None:
    fns.add_users(2)
    fns.consume(finished(), finished(user_id=2))
    move(fns)
    with pytest.raises(errors.UniqueViolation, match="order:1"):
        move(fns, **other)
    assert (fns.balance(1), fns.balance(2)) == (200, 500)


def test_a_balance_is_not_overdrawn_unless_told_otherwise(fns: Functions) -> None:
    fns.consume(finished())
    with pytest.raises(errors.CheckViolation, match="500 is too small for a debit of 501"):
        move(fns, amount_cents=-501)
    assert fns.balance() == 500
    assert move(fns, amount_cents=-501, allow_overdraft=True)
    assert fns.balance() == -1


def test_a_credit_to_a_balance_below_zero_is_no_overdraft(fns: Functions) -> None:
    move(fns, amount_cents=-900, allow_overdraft=True)
    assert move(fns, "gift:1", 100, kind="gift")
    assert fns.balance() == -800


def test_ten_parallel_debits_with_money_for_five_give_exactly_five(fns: Functions) -> None:
    fns.consume(finished())

    def attempt(number: int) -> bool:
        try:
            return move(fns, f"order:{number}", -100)
        except errors.CheckViolation:
            return False

    with ThreadPoolExecutor(10) as pool:
        outcomes = list(pool.map(attempt, range(10)))
    assert sum(outcomes) == 5
    assert fns.balance() == 0
    assert len(entries(fns)) == 6


@pytest.fixture
def orders(fns: Functions) -> Iterator[None]:
    """An application's table that refers to its users."""
    fns.application("CREATE TABLE orders (id BIGINT PRIMARY KEY, user_id BIGINT NOT NULL REFERENCES users)")
    yield
    fns.application("DROP TABLE orders")


def test_ten_parallel_orders_of_a_user_are_paid_in_their_own_transactions(
    fns: Functions, orders: None
) -> None:
    """An order holds a FOR KEY SHARE lock on its user until its end."""
    fns.consume(finished())
    inserted = Barrier(10)

    def buy(number: int) -> bool:
        connection = psycopg2.connect(fns.settings["DATABASE_URL"])
        try:
            with connection, connection.cursor() as cursor:
                cursor.execute("INSERT INTO orders VALUES (%s, 1)", (number,))
                inserted.wait(60)
                cursor.execute("SELECT ledger_move(%s, 1, -100, 'eur', 'order')", (f"order:{number}",))
        except errors.CheckViolation:
            return False
        finally:
            connection.close()
        return True

    with ThreadPoolExecutor(10) as pool:
        assert sum(pool.map(buy, range(10))) == 5
    assert fns.balance() == 0
    assert len(fns.application("SELECT 1 FROM orders")) == 5


def test_ten_times_one_debit_in_parallel_is_one(fns: Functions) -> None:
    fns.consume(finished())
    with ThreadPoolExecutor(10) as pool:
        assert sum(pool.map(lambda _: move(fns), range(10))) == 1
    assert fns.balance() == 200


def test_one_key_for_two_users_at_once_is_an_error_for_one_of_them(fns: Functions) -> None:
    fns.add_users(2)
    fns.consume(finished(), finished(user_id=2))

    def attempt(user_id: int) -> str:
        try:
            return str(move(fns, user_id=user_id))
        except errors.UniqueViolation:
            return "refused"

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(attempt, (1, 2))) == ["True", "refused"]
    assert sorted((fns.balance(1), fns.balance(2))) == [200, 500]


@pytest.mark.parametrize(
    "wrong",
    [
        {"amount_cents": 0},
        {"amount_cents": None},
        {"effect_key": ""},
        {"effect_key": None},
        {"effect_key": "k" * 256},
        {"currency": "EUR"},
        {"currency": None},
        {"kind": None},
        {"effect_key": "success:r1"},
        {"effect_key": "refunded:re_1"},
        {"kind": "success"},
    ],
    ids=str,
)
def test_what_can_never_be_right_is_refused(fns: Functions, wrong: dict[str, Any]) -> None:
    with pytest.raises(errors.InvalidParameterValue):
        move(fns, **wrong)
    assert entries(fns) == []


@pytest.mark.parametrize("user_id", [404, None])
def test_an_unknown_user_is_refused(fns: Functions, user_id: int | None) -> None:
    with pytest.raises(errors.ForeignKeyViolation):
        move(fns, user_id=user_id)


def test_a_sum_beyond_bigint_is_refused(fns: Functions) -> None:
    move(fns, "gift:1", 2**63 - 1, kind="gift")
    with pytest.raises(errors.NumericValueOutOfRange):
        move(fns, "gift:2", 1, kind="gift")
    assert fns.balance() == 2**63 - 1


TRIGGERS = {
    "skips the update": "RETURN NULL;",
    "keeps the balance": "NEW.balance := OLD.balance; RETURN NEW;",
    "takes a fee": "NEW.balance := NEW.balance - 1; RETURN NEW;",
}


@pytest.mark.parametrize("body", TRIGGERS.values(), ids=TRIGGERS)
@pytest.mark.parametrize("amount_cents", [-300, 300])
def test_a_trigger_that_does_something_else_with_the_balance_is_noticed(
    fns: Functions, request: pytest.FixtureRequest, amount_cents: int, body: str
) -> None:
    fns.consume(finished())
    request.addfinalizer(lambda: fns.application("DROP FUNCTION rule CASCADE"))
    fns.application(
        f"CREATE FUNCTION rule() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} END $$;"
        " CREATE TRIGGER rule BEFORE UPDATE ON users FOR EACH ROW EXECUTE FUNCTION rule()"
    )
    with pytest.raises(errors.TriggeredDataChangeViolation, match="did not move by exactly the amount"):
        move(fns, amount_cents=amount_cents)
    assert fns.balance() == 500
    assert len(entries(fns)) == 1, "the debit would have been paid by nobody"


def test_it_is_part_of_the_callers_transaction(fns: Functions) -> None:
    fns.consume(finished())
    connection = psycopg2.connect(fns.settings["DATABASE_URL"])
    with connection.cursor() as cursor:
        cursor.execute("SELECT ledger_move('order:1', 1, -300, 'eur', 'order')")
    connection.rollback()
    connection.close()
    assert fns.balance() == 500


def test_it_keeps_its_owners_rights_and_its_own_search_path(fns: Functions) -> None:
    """A migration that replaces the function must say both again."""
    [function] = fns.application("SELECT prosecdef, proconfig FROM pg_proc WHERE proname = 'ledger_move'")
    assert function == {"prosecdef": True, "proconfig": ["search_path=public, pg_temp"]}


def test_an_application_needs_no_other_right(fns: Functions) -> None:
    fns.consume(finished())
    fns.application("DROP ROLE IF EXISTS shop")
    fns.application("CREATE ROLE shop")
    try:
        with pytest.raises(errors.InsufficientPrivilege):
            fns.application("SET LOCAL ROLE shop; SELECT ledger_move('order:1', 1, -300, 'eur', 'order')")
        fns.application("GRANT EXECUTE ON FUNCTION ledger_move TO shop")
        fns.application(
            "SET LOCAL ROLE shop; CREATE TEMPORARY TABLE users (id BIGINT, balance BIGINT) ON COMMIT DROP;"
            " SELECT ledger_move('order:1', 1, -300, 'eur', 'order')"
        )
        with pytest.raises(errors.InsufficientPrivilege):
            fns.application("SET LOCAL ROLE shop; UPDATE public.users SET balance = 1000000")
    finally:
        fns.application("DROP OWNED BY shop; DROP ROLE shop")
    assert fns.balance() == 200


@pytest.fixture
def shop(fns: Functions) -> Iterator[Any]:
    """A connection whose role has had every right, and now has those that docs/spending.md gives it."""
    page = (Path(__file__).parents[2] / "docs" / "spending.md").read_text()
    rights = re.findall(r"^    ((?:GRANT|REVOKE) [^;]+;)", page, re.MULTILINE)
    assert len(rights) > 2
    fns.application("CREATE ROLE shop; GRANT ALL ON users, ledger_entries TO shop")
    try:
        fns.application(" ".join(rights))
        with closing(psycopg2.connect(fns.settings["DATABASE_URL"])) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute("SET ROLE shop")
                yield cursor
    finally:
        fns.application("DROP OWNED BY shop; DROP ROLE shop")


def test_with_the_rights_of_the_page_an_application_adds_users_and_spends_only_through_it(
    fns: Functions, shop: Any
) -> None:
    fns.consume(finished())
    shop.execute("INSERT INTO users (id, email) VALUES (2, 'new@example.com')")
    shop.execute("UPDATE users SET email = 'other@example.com' WHERE id = 2")
    shop.execute("SELECT ledger_move('order:1', 1, -300, 'eur', 'order')")
    for refused in (
        "INSERT INTO users (id, balance) VALUES (3, 1000)",
        "UPDATE users SET balance = 1000 WHERE id = 2",
        "DELETE FROM users WHERE id = 2",
        "TRUNCATE users CASCADE",
        "INSERT INTO ledger_entries (effect_key, user_id, amount_cents, currency, kind)"
        " VALUES ('gift:1', 2, 1000, 'eur', 'gift')",
    ):
        with pytest.raises(errors.InsufficientPrivilege):
            shop.execute(refused)
    assert (fns.balance(1), fns.balance(2)) == (200, 0)
