"""What an application's own schema does with a credit. Whatever it is, that record is parked with a reason,
and everybody else is credited."""

import json
import re
from collections.abc import Iterator

import pytest

from checkout.base.errors import DatabaseUnavailable
from checkout.base.postgres import Database
from checkout.ledger import batch as crediting_batch
from checkout.ledger.crediting import CreditBalances
from checkout.operations.verbs.corrections import Corrections
from checkout.operations.verbs.parked import ParkedRecords
from checkout.outbox.record import Record
from tests.support.functions import ROOT, Functions, finished, system
from tests.support.roles import acting_as
from tests.support.statements import Statements

TRIGGER = (
    "CREATE FUNCTION rule() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} END $$;"
    " CREATE TRIGGER rule BEFORE UPDATE ON users FOR EACH ROW WHEN (OLD.id = 2) EXECUTE FUNCTION rule()"
)
RLS = (
    "ALTER TABLE users ENABLE ROW LEVEL SECURITY;"
    " CREATE POLICY everybody ON users FOR SELECT USING (true);"
    " CREATE POLICY rule ON users FOR UPDATE {policy}"
)
UNDO = (
    "DROP FUNCTION IF EXISTS rule CASCADE; DROP POLICY IF EXISTS rule ON users;"
    " DROP POLICY IF EXISTS everybody ON users; ALTER TABLE users DISABLE ROW LEVEL SECURITY;"
    " ALTER TABLE users DROP CONSTRAINT IF EXISTS rule; DROP RULE IF EXISTS rule ON users"
)


def trigger(body: str) -> str:
    return TRIGGER.format(body=body)


def raising(sqlstate: str) -> str:
    return trigger(f"RAISE EXCEPTION 'not with us' USING ERRCODE = '{sqlstate}';")


RULES = {
    "silently skips the update": (trigger("RETURN NULL;"), "did not move by exactly the amount"),
    "keeps the balance": (
        trigger("NEW.balance := OLD.balance; RETURN NEW;"),
        "did not move by exactly the amount",
    ),
    "takes a fee": (
        trigger("NEW.balance := NEW.balance - 1; RETURN NEW;"),
        "did not move by exactly the amount",
    ),
    "writes where we may not": (
        trigger("DELETE FROM ledger_entries; RETURN NEW;"),
        "permission denied for table ledger_entries",
    ),
    "writes to a table that is gone": (
        trigger("INSERT INTO gone VALUES (1); RETURN NEW;"),
        'relation "gone" does not exist',
    ),
    "changes the row itself": (
        "CREATE FUNCTION rule() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN"
        " IF pg_trigger_depth() < 2 THEN UPDATE users SET email = 'x' WHERE id = NEW.id; END IF;"
        " RETURN NEW; END $$;"
        " CREATE TRIGGER rule BEFORE UPDATE ON users FOR EACH ROW WHEN (OLD.id = 2) EXECUTE FUNCTION rule()",
        "tuple to be updated was already modified",
    ),
    "ends the transaction": (trigger("COMMIT; RETURN NEW;"), "invalid transaction termination"),
    "returns nothing": (trigger("NULL;"), "control reached end"),
    "fails an assertion": (trigger("ASSERT false, 'not with us';"), "not with us"),
    "divides by zero": (trigger("NEW.balance := 1 / 0; RETURN NEW;"), "division by zero"),
    "refuses at the commit": (
        "CREATE FUNCTION rule() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE EXCEPTION 'not with us'; END $$;"
        " CREATE CONSTRAINT TRIGGER rule AFTER UPDATE ON users DEFERRABLE INITIALLY DEFERRED"
        " FOR EACH ROW WHEN (OLD.id = 2) EXECUTE FUNCTION rule()",
        "not with us",
    ),
    "has a constraint": ("ALTER TABLE users ADD CONSTRAINT rule CHECK (id <> 2 OR balance = 0)", '"rule"'),
    "has a policy for the row": (RLS.format(policy="USING (id <> 2)"), "cannot be locked"),
    "has a policy for what it becomes": (
        RLS.format(policy="USING (true) WITH CHECK (id <> 2 OR balance = 0)"),
        "row-level security policy",
    ),
    **{
        f"raises {sqlstate}": (raising(sqlstate), "not with us")
        for sqlstate in (
            # A plain RAISE EXCEPTION, and what else stands for an outage, a lock or a mistake of ours.
            *("P0001", "08006", "25006", "40001", "40P01", "42501", "42P01", "53100", "55P03"),
            *("57014", "57P01", "58030", "XX000", "22023", "23514", "54000"),
        )
    },
}


@pytest.fixture
def statements(fns: Functions, monkeypatch: pytest.MonkeyPatch) -> Statements:
    return Statements(monkeypatch)


@pytest.fixture
def rule(fns: Functions, request: pytest.FixtureRequest) -> Iterator[str]:
    """Of an application, about user 2; its value is the reason of what is parked."""
    fns.add_users(2, 3)
    sql, reason = RULES[request.param]
    fns.application(sql)
    yield reason
    fns.application(UNDO)


@pytest.mark.parametrize("rule", RULES, indirect=True)
def test_what_it_refuses_is_parked_alone_and_can_be_replayed_when_the_rule_is_gone(
    fns: Functions, rule: str
) -> None:
    batch = [finished(user_id=user_id) for user_id in (1, 1, 2, 3, 1)]

    assert fns.consume(*batch) == {"batchItemFailures": []}

    assert [fns.balance(user_id) for user_id in (1, 2, 3)] == [1500, 0, 500]
    [parked] = fns.application("SELECT id, kafka_offset, reason FROM parked_events")
    assert parked["kafka_offset"] == 2
    assert rule in parked["reason"]
    assert len(fns.application("SELECT 1 FROM ledger_entries")) == 4

    fns.application(UNDO)
    with acting_as("operations"):
        assert ParkedRecords(system()).replay(parked["id"]).credited == 1
    assert fns.balance(2) == 500


def test_with_the_policy_of_the_page_row_level_security_hides_nobody(fns: Functions) -> None:
    page = (ROOT / "docs" / "adopting.md").read_text()
    [policy] = re.findall(r"CREATE POLICY checkout [^;]+;", page)
    fns.application("ALTER TABLE users ENABLE ROW LEVEL SECURITY")
    try:
        fns.consume(finished("r1"))
        assert fns.balance() == 0, "without a policy there is nobody"
        fns.application(policy)
        fns.consume(finished("r2"))
        fns.application("SELECT ledger_move('order:1', 1, -300, 'eur', 'order')")
        assert fns.get("/checkout/balance").json["balance_cents"] == 200
        with acting_as("operations"):
            fns.application("UPDATE users SET balance = balance + 7")
            assert Corrections(system()).unexplained(1) == (7, True)
            assert Corrections(system()).add_user(2, email="two@example.com")
    finally:
        fns.application("DROP POLICY IF EXISTS checkout ON users;" + UNDO)


@pytest.mark.parametrize("rule", ["silently skips the update", "raises P0001"], indirect=True)
def test_of_a_user_s_records_only_those_are_parked_that_are_refused_and_what_depends_on_them(
    fns: Functions, rule: str
) -> None:
    fns.application(UNDO)
    fns.application(
        "CREATE FUNCTION rule() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " IF NEW.balance > OLD.balance + 500 THEN"
        + ("  RETURN NULL;" if "exactly" in rule else "  RAISE EXCEPTION 'not with us';")
        + " END IF; RETURN NEW; END $$;"
        " CREATE TRIGGER rule BEFORE UPDATE ON users FOR EACH ROW EXECUTE FUNCTION rule()"
    )
    fns.consume(
        finished("small"),
        finished("large", amount_cents=900),
        finished("large", status="refunded", source_id="re_1", amount_cents=200),
        finished("other"),
        finished("small", status="refunded", source_id="re_2", amount_cents=100),
    )
    assert fns.balance() == 900
    parked = fns.application("SELECT effect_key FROM parked_events ORDER BY id")
    assert [row["effect_key"] for row in parked] == ["success:large", "refunded:re_1"]


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE RULE rule AS ON UPDATE TO users DO ALSO NOTHING",
        "CREATE RULE rule AS ON UPDATE TO users DO INSTEAD NOTHING",
        "CREATE RULE rule AS ON UPDATE TO users WHERE OLD.id = 2 DO INSTEAD NOTHING",
    ],
)
def test_a_rule_that_cannot_work_with_us_parks_everything_and_blocks_nothing(
    fns: Functions, sql: str
) -> None:
    """PostgreSQL has no such rules for the statement that enters and moves at once."""
    fns.application(sql)
    try:
        fns.consume(finished(), finished())
    finally:
        fns.application(UNDO)
    parked = fns.application("SELECT reason FROM parked_events")
    assert len(parked) == 2 or fns.balance() == 1000
    assert all("refused by the database" in row["reason"] for row in parked)


def test_a_trigger_on_the_ledger_that_swallows_an_entry_takes_its_reversal_along(fns: Functions) -> None:
    fns.application(
        "CREATE FUNCTION rule() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;"
        " CREATE TRIGGER rule BEFORE INSERT ON ledger_entries FOR EACH ROW"
        " WHEN (NEW.kind = 'success' AND NEW.amount_cents = 700) EXECUTE FUNCTION rule()"
    )
    try:
        fns.consume(
            finished("r1"),
            finished("r2", amount_cents=700),
            finished("r2", status="refunded", source_id="re_1", amount_cents=100),
        )
    finally:
        fns.application("DROP FUNCTION rule CASCADE")
    assert fns.balance() == 500
    parked = fns.application("SELECT effect_key FROM parked_events ORDER BY id")
    assert [row["effect_key"] for row in parked] == ["success:r2", "refunded:re_1"]


@pytest.mark.parametrize(
    ("broken", "mended"),
    [
        (
            "REVOKE UPDATE (balance) ON users FROM checkout_finished_consumer",
            "GRANT UPDATE (balance) ON users TO checkout_finished_consumer",
        ),
        (
            "REVOKE INSERT ON ledger_entries FROM checkout_finished_consumer",
            "GRANT INSERT ON ledger_entries TO checkout_finished_consumer",
        ),
        ("ALTER TABLE ledger_entries RENAME TO elsewhere", "ALTER TABLE elsewhere RENAME TO ledger_entries"),
    ],
)
def test_what_we_deployed_wrongly_ourselves_parks_nothing(fns: Functions, broken: str, mended: str) -> None:
    fns.application(broken)
    try:
        with pytest.raises(DatabaseUnavailable):
            fns.consume(finished())
    finally:
        fns.application(mended)
    assert fns.application("SELECT 1 FROM parked_events") == []
    fns.consume(finished())
    assert fns.balance() == 500


@pytest.mark.parametrize("rule", ["raises P0001", "silently skips the update"], indirect=True)
def test_what_was_refused_is_not_tried_again_when_it_is_delivered_again(
    fns: Functions, rule: str, capsys: pytest.CaptureFixture[str], statements: Statements
) -> None:
    batch = [finished(user_id=user_id) for user_id in (1, 2, 3)]
    fns.consume(*batch)
    assert '"RecordParked":[1.0]' in capsys.readouterr().out
    statements.clear()

    fns.consume(*batch)

    assert statements.failed == 0
    assert "RecordParked" not in capsys.readouterr().out
    assert len(fns.application("SELECT 1 FROM parked_events")) == 1

    fns.application(UNDO)
    fns.consume(Record("checkout.finished", 0, 99, b"2", json.dumps(batch[1]).encode()))
    assert fns.balance(2) == 500, "another record of the same effect is tried"


@pytest.fixture
def thousand(fns: Functions) -> Iterator[list[Record]]:
    """A batch for as many users, of whom an application refuses 300."""
    fns.application("INSERT INTO users (id) SELECT generate_series(2, 1000)")
    yield [
        Record("checkout.finished", 0, user_id, b"1", json.dumps(finished(user_id=user_id)).encode())
        for user_id in range(1, 1001)
    ]
    fns.application(UNDO)


REFUSING = "ALTER TABLE users ADD CONSTRAINT rule CHECK (mod(id, 10) NOT IN (2, 5, 6) OR balance = 0)"
SKIPPING = (
    "CREATE FUNCTION rule() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;"
    " CREATE TRIGGER rule BEFORE UPDATE ON users FOR EACH ROW"
    " WHEN (mod(OLD.id, 10) IN (2, 5, 6)) EXECUTE FUNCTION rule()"
)


def settled(fns: Functions) -> tuple[int, int]:
    """How many are credited, and how many are parked."""
    [row] = fns.application(
        "SELECT (SELECT count(*) FROM ledger_entries) AS entries,"
        " (SELECT count(*) FROM parked_events) AS parked"
    )
    return row["entries"], row["parked"]


@pytest.mark.parametrize(
    ("sql", "most"), [(REFUSING, 20 * 300), (SKIPPING, 20)], ids=["refused", "silently skipped"]
)
def test_300_refused_of_1000_cost_a_bounded_number_of_statements_and_the_next_delivery_hardly_any(
    fns: Functions, thousand: list[Record], statements: Statements, sql: str, most: int
) -> None:
    fns.application(sql)
    assert fns.consume(*thousand) == {"batchItemFailures": []}
    assert settled(fns) == (700, 300)
    assert statements.executed < most
    statements.clear()
    assert fns.consume(*thousand) == {"batchItemFailures": []}
    assert (settled(fns), statements.failed) == ((700, 300), 0)
    assert statements.executed < 12


@pytest.mark.parametrize("sql", [REFUSING, SKIPPING], ids=["refused", "silently skipped"])
def test_each_delivery_makes_progress_however_little_time_it_has(
    fns: Functions, thousand: list[Record], monkeypatch: pytest.MonkeyPatch, sql: str
) -> None:
    """Time passes by the transaction here: each delivery has time for 40, and then all come again."""
    fns.application(sql)
    clock = Clock()
    monkeypatch.setattr(crediting_batch, "time", clock)
    crediting = CreditBalances(Database(lambda: fns.settings["DATABASE_URL"]), "eur")
    deliveries = 0
    before = (0, 0)
    while crediting(thousand, deadline=clock.now + 40).again:
        deliveries += 1
        after = settled(fns)
        assert sum(after) > sum(before), f"delivery {deliveries} did nothing"
        before = after
    assert settled(fns) == (700, 300)


class Clock:
    def __init__(self) -> None:
        self.now = 0

    def monotonic(self) -> int:
        self.now += 1
        return self.now
