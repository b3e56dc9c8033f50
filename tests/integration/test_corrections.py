"""What an operator does to balances: entries, once."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from checkout.base.errors import DataRefused, NotFound, Refused
from checkout.operations.verbs.corrections import Corrections
from checkout.system import System
from tests.support.functions import Functions, finished, system
from tests.support.second_connection import second_connection, waiting

pytestmark = pytest.mark.usefixtures("as_operator")

ADJUSTMENT: dict[str, Any] = {
    "key": "T-1",
    "user_id": 1,
    "amount_cents": 250,
    "reason": "sorry",
    "operator": "ada",
}


@pytest.fixture
def corrections(fns: Functions) -> Corrections:
    return Corrections(system())


def test_an_adjustment_is_an_entry_and_happens_once(fns: Functions, corrections: Corrections) -> None:
    assert corrections.adjust(**ADJUSTMENT)
    assert not corrections.adjust(**ADJUSTMENT)
    assert fns.balance() == 250
    [entry] = fns.application("SELECT * FROM ledger_entries")
    assert (entry["effect_key"], entry["kind"], entry["reason"], entry["operator"]) == (
        "adjust:T-1",
        "adjust",
        "sorry",
        "ada",
    )


def test_a_key_that_stands_for_another_adjustment_is_refused(corrections: Corrections) -> None:
    corrections.adjust(**ADJUSTMENT)
    with pytest.raises(Refused, match="another user, amount or currency"):
        corrections.adjust(**ADJUSTMENT | {"amount_cents": 251})


def test_taking_more_than_there_is_needs_to_be_said(fns: Functions, corrections: Corrections) -> None:
    with pytest.raises(Refused, match="too small"):
        corrections.adjust(**ADJUSTMENT | {"amount_cents": -1})
    assert corrections.adjust(**ADJUSTMENT | {"amount_cents": -1}, allow_overdraft=True)
    assert fns.balance() == -1


def test_an_unknown_user_is_not_found(corrections: Corrections) -> None:
    with pytest.raises(NotFound, match="no user 404"):
        corrections.adjust(**ADJUSTMENT | {"user_id": 404})


def test_balances_from_before_the_ledger_get_one_entry_each_and_stay(
    fns: Functions, corrections: Corrections, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("checkout.operations.verbs.corrections.USERS_A_TRANSACTION", 2)
    for user_id, balance in ((2, 700), (3, -50), (4, 0), (5, 1), (6, 2)):
        fns.add_users(user_id, balance=balance)
    fns.consume(finished())
    assert corrections.open_balances() == 4
    assert corrections.open_balances() == 0
    entries = fns.application("SELECT effect_key, amount_cents FROM ledger_entries ORDER BY user_id")
    assert [tuple(row.values()) for row in entries[1:]] == [
        ("opening:2", 700),
        ("opening:3", -50),
        ("opening:5", 1),
        ("opening:6", 2),
    ]
    assert [fns.balance(user_id) for user_id in range(1, 7)] == [500, 700, -50, 0, 1, 2]


def test_opening_balances_while_users_are_credited(fns: Functions) -> None:
    users = range(2, 42)
    for user_id in users:
        fns.add_users(user_id, balance=100)

    config = system().config

    def open_all(_: int) -> int:
        return Corrections(System(config)).open_balances()

    with ThreadPoolExecutor(4) as pool:
        opening = [pool.submit(open_all, number) for number in range(3)]
        fns.consume(*(finished(user_id=user_id) for user_id in users))
        opened = sum(future.result() for future in opening)
    wrong = fns.application(
        "SELECT balance - sum(amount_cents) AS off FROM users JOIN ledger_entries ON user_id = users.id"
        " GROUP BY users.id HAVING balance <> sum(amount_cents)"
    )
    # Whoever was credited first keeps a balance without an opening: it is not guessed afterwards.
    assert {row["off"] for row in wrong} <= {100}
    assert opened + len(wrong) == len(users)


def test_a_user_who_is_credited_meanwhile_is_opened_with_what_they_had_before(
    fns: Functions, corrections: Corrections
) -> None:
    fns.add_users(2, balance=700)
    fns.add_users(3, balance=50)
    with second_connection(fns.settings["DATABASE_URL"]) as other:
        for user_id, cents in ((2, 500), (3, -50)):
            move = ("SELECT ledger_move(%s, %s, %s, 'eur', 'order')", (f"order:{user_id}", user_id, cents))
            other.execute(*move)
        opening = waiting(fns.settings["DATABASE_URL"], corrections.open_balances)
        other.commit()
        assert opening.result() == 2
    openings = fns.application("SELECT user_id, amount_cents FROM ledger_entries WHERE kind = 'opening'")
    assert {row["user_id"]: row["amount_cents"] for row in openings} == {2: 700, 3: 50}
    assert [fns.balance(user_id) for user_id in (2, 3)] == [1200, 0]
    assert corrections.rebuild_balance(2, reason="an alarm", operator="ada") == (1200, 1200)


def test_a_user_who_was_credited_before_is_opened_only_by_name(
    fns: Functions, corrections: Corrections
) -> None:
    fns.add_users(2, balance=700)
    fns.consume(finished(user_id=2))
    assert corrections.open_balances() == 0
    assert corrections.unexplained(2) == (700, True)
    assert corrections.open_balance(2) == 1
    assert corrections.open_balance(2) == 0
    assert corrections.unexplained(2) == (0, False)
    assert corrections.rebuild_balance(2, reason="an alarm", operator="ada") == (1200, 1200)
    fns.application("UPDATE users SET balance = balance + 1 WHERE id = 2")
    assert corrections.open_balance(2) == 0, "opened once, so that this was edited by hand"
    for act in (corrections.open_balance, corrections.unexplained):
        with pytest.raises(NotFound, match="no user 404"):
            act(404)


@pytest.mark.parametrize("body", ["RETURN NULL;", "NEW.balance := NEW.balance - 1; RETURN NEW;"])
def test_a_correction_that_a_trigger_thwarts_is_refused(
    fns: Functions, corrections: Corrections, request: pytest.FixtureRequest, body: str
) -> None:
    fns.consume(finished())
    request.addfinalizer(lambda: fns.application("DROP FUNCTION rule CASCADE"))
    fns.application(
        f"UPDATE users SET balance = 9999; CREATE FUNCTION rule() RETURNS trigger LANGUAGE plpgsql AS $$"
        f" BEGIN {body} END $$;"
        " CREATE TRIGGER rule BEFORE UPDATE ON users FOR EACH ROW EXECUTE FUNCTION rule()"
    )
    with pytest.raises(DataRefused, match="did not move by exactly the amount"):
        corrections.rebuild_balance(1, reason="edited by hand", operator="ada")
    with pytest.raises(Refused, match="did not move by exactly the amount"):
        corrections.adjust(key="1", user_id=1, amount_cents=5, reason="a gift", operator="ada")
    assert fns.balance() == 9999


def test_a_balance_edited_by_hand_is_rebuilt_from_the_ledger(
    fns: Functions, corrections: Corrections
) -> None:
    fns.consume(finished())
    fns.application("UPDATE users SET balance = 9999 WHERE id = 1")
    assert corrections.rebuild_balance(1, reason="edited by hand", operator="ada") == (9999, 500)
    assert fns.balance() == 500
    with pytest.raises(NotFound):
        corrections.rebuild_balance(404, reason="x", operator="ada")
