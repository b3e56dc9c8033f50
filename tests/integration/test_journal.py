"""Who had what done: the journal of the operations, in both databases."""

import getpass
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg2
import psycopg2.extensions
import pytest

from checkout.base.errors import DatabaseUnavailable
from checkout.base.postgres import Database, Transaction
from checkout.operations import caller_identity, command
from checkout.operations.journal import Journal
from checkout.operations.verb import Changes
from checkout.operations.verbs import corrections
from checkout.reconciliation import operator_journal as journal
from checkout.system import System
from tests.support import stripe_events
from tests.support.functions import Functions, finished, system
from tests.support.lambda_events import LambdaContext
from tests.support.roles import acting_as
from tests.support.settings import put
from tests.support.stripe_reversals import KnownStripe
from tests.support.stripe_simulator import Simulator

ROOT = Path(__file__).parents[2]
ADJUST = ("--key", "T-1", "--user", "1", "--amount-cents", "250", "--reason", "sorry", "--yes")
ADA = ("--operator", "ada")

DECISIONS: dict[str, tuple[str, ...]] = {
    "adjust": ADJUST,
    "add-user": ("--user", "77", "--email", "grace@example.com"),
    "opening-balances": ("--yes",),
    "rebuild-balance": ("--user", "1", "--reason", "r", "--yes"),
    "erase-user": ("--user", "1", "--reason", "r", "--yes"),
    "parked replay": ("{parked}", "--yes"),
    "parked discard": ("{parked}", "--reason", "r", "--yes"),
    "held replay": ("evt_1", "--yes"),
    "held discard": ("evt_1", "--reason", "r", "--yes"),
    "accept": ("{finding}", "--reason", "r", "--yes"),
    "reread": ("cs_test_1", "--yes"),
    "restored": ("--yes",),
    "approve": ("{request}", "--yes"),
    "refund": ("pi_1", "--key", "T-1", "--reason", "r", "--yes"),
}
READING: dict[str, tuple[str, ...]] = {
    "inspect": ("1",),
    "verify": (),
    "journal": (),
    "parked list": (),
    "parked show": ("{parked}",),
    "held list": (),
    "held show": ("evt_1",),
    "overview": (),
    "triggers": (),
    "requests": (),
}
REQUEST = (
    "INSERT INTO operator_requests (id, verb, arguments, operator, plan, requested_by, expires_at) VALUES"
    """ ('a request', 'erase-user', '{"user": 1, "reason": "r"}', 'grace', 'Erase', 'grace', 'infinity')"""
)
BY_RULE = {"reconcile", "look-again", "erase"}


def operate(fns: Functions, *words: str, **event: Any) -> Any:
    return fns.invoke("operations", {"verb": words[0], "arguments": list(words[1:]), **event})


def words(fns: Functions, verb: str, arguments: tuple[str, ...]) -> list[str]:
    [parked] = fns.application("SELECT id FROM parked_events")
    given = {"{parked}": str(parked["id"])}
    if "{request}" in arguments:
        fns.checkout(REQUEST)
        given["{request}"] = "a request"
    if "{finding}" in arguments:
        findings = operate(fns, "verify")["result"]["findings"]
        [given["{finding}"]] = [
            one["samples"][0]["finding"] for one in findings if one["name"] == "CreditWithoutTransaction"
        ]
    return [*verb.split(), *(given.get(word, word) for word in arguments)]


def acts(fns: Functions) -> list[dict[str, Any]]:
    """The rows of the journal, which are the same in both databases."""
    rows = (
        "SELECT act_id, step, operator, identity, invocation, verb, arguments, details FROM operator_journal"
    )
    ordered = f"{rows} ORDER BY at"
    both = fns.checkout(ordered), fns.application(ordered)
    assert both[0] == both[1]
    return both[0]


@pytest.fixture
def undecided(fns: Functions, known: KnownStripe) -> None:
    """A parked record, a held event, what `verify` finds, and a payment that can be refunded."""
    fns.webhook(stripe_events.event(stripe_events.session_object("r3", payment_intent="pi_1")))
    fns.consume(finished("r1", user_id=7), finished("from-elsewhere"))
    fns.webhook(stripe_events.event(stripe_events.session_object("r2"), livemode=True, event_id="evt_1"))


def leaves(parser: Any) -> Iterator[Any]:
    groups = [action for action in parser._actions if isinstance(action.choices, dict)]
    if not groups:
        yield parser
    for group in groups:
        for child in group.choices.values():
            yield from leaves(child)


def test_every_verb_says_what_it_changes() -> None:
    parsers = list(leaves(command.parser()))
    declared = {leaf.get_default("verb").name: leaf.get_default("verb").changes for leaf in parsers}

    assert {name for name, changes in declared.items() if changes is Changes.BY_DECISION} == DECISIONS.keys()
    assert {name for name, changes in declared.items() if changes is Changes.BY_RULE} == BY_RULE
    assert {name for name, changes in declared.items() if changes is Changes.NOTHING} == READING.keys()
    confirmed = {leaf.get_default("verb").name for leaf in parsers if "--yes" in leaf.format_help()}
    assert confirmed == DECISIONS.keys() | BY_RULE


@pytest.mark.parametrize("verb", DECISIONS)
def test_nobody_decides_without_a_name(fns: Functions, undecided: None, verb: str) -> None:
    given = words(fns, verb, DECISIONS[verb])

    assert "--operator" in operate(fns, *given)["error"]
    assert acts(fns) == []
    answer = operate(fns, *given, *ADA)

    begun, ended = acts(fns)
    assert (begun["step"], ended["step"]) == ("begun", "refused" if "error" in answer else "done")
    for row in (begun, ended):
        assert (row["verb"], row["operator"]) == (verb, "ada")
        assert row["invocation"] == LambdaContext.aws_request_id
    if ended["step"] == "done":
        assert ended["details"] == answer["result"]
    else:
        assert ended["details"] == {"reason": answer["error"]}


# `verify` keeps where it is and what it has shown, and nothing else. `triggers` would wait for its consumers.
@pytest.mark.parametrize("verb", sorted(READING.keys() - {"verify", "triggers"}))
def test_what_only_reads_changes_nothing_and_needs_no_name(
    fns: Functions, undecided: None, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    given = words(fns, verb, READING[verb])
    settings = Database._settings

    def reading_only(database: Database, *, durable: bool) -> list[str]:
        return ["SET TRANSACTION READ ONLY", *settings(database, durable=durable)]

    monkeypatch.setattr(Database, "_settings", reading_only)

    assert "result" in operate(fns, *given)
    assert acts(fns) == []


def test_what_the_schedule_would_do_anyway_is_journaled_only_if_it_does_more(
    fns: Functions, stripe: Simulator
) -> None:
    for given in (["erase", "--yes"], ["reconcile", "--dry-run"]):
        assert "result" in operate(fns, *given)
    assert acts(fns) == []

    assert operate(fns, "erase", "--older-than", "40", "--yes")["clean"]
    assert "no succeeded payment" in operate(fns, "look-again", "r404", *ADA)["error"]
    assert [(row["verb"], row["step"], row["operator"]) for row in acts(fns)] == [
        ("erase", "begun", None),
        ("erase", "done", None),
        ("look-again", "begun", "ada"),
        ("look-again", "refused", "ada"),
    ]


def test_an_act_has_its_plan_its_arguments_and_its_effect_and_nothing_personal(fns: Functions) -> None:
    operate(fns, "adjust", *ADJUST, *ADA)
    operate(fns, "add-user", "--user", "77", "--email", "grace@example.com", *ADA)

    begun, ended, added, _ = acts(fns)
    assert begun["arguments"] == {"key": "T-1", "user": 1, "amount_cents": 250, "reason": "sorry"}
    assert begun["details"] == {"plan": "Add 250 to the balance of user 1, now 0 eur, once, as adjust:T-1"}
    assert ended["details"]["balance_cents"] == 250
    assert added["arguments"] == {"user": 77}


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE operator_journal SET operator = 'eve'",
        "DELETE FROM operator_journal",
        "TRUNCATE operator_journal",
    ],
)
def test_nobody_changes_the_journal_not_even_its_owner(fns: Functions, statement: str) -> None:
    operate(fns, "adjust", *ADJUST, *ADA)

    for query in (fns.checkout, fns.application):
        with pytest.raises(psycopg2.errors.RestrictViolation, match="append-only"):
            query(statement)
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            query(f"SET LOCAL ROLE checkout_operations; {statement}")
    assert len(acts(fns)) == 2


def test_what_dies_on_the_way_has_begun_in_the_journal(
    fns: Functions, monkeypatch: pytest.MonkeyPatch
) -> None:
    adjust = corrections.adjust

    def dying(given: Any, made: System) -> Any:
        adjust(given, made)
        raise KeyboardInterrupt

    monkeypatch.setattr(corrections, "adjust", dying)
    with pytest.raises(KeyboardInterrupt):
        operate(fns, "adjust", *ADJUST, *ADA)

    assert fns.balance() == 250
    assert [row["step"] for row in acts(fns)] == ["begun"]
    [told] = operate(fns, "journal")["result"]["acts"]
    assert (told["end"], told["effect"]) == (None, None)
    assert told["intent"]["plan"].startswith("Add 250")


def test_an_error_that_was_not_meant_is_a_failure(fns: Functions, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*_: Any) -> Any:
        raise RuntimeError("with something in it")

    monkeypatch.setattr(corrections, "adjust", failing)
    with pytest.raises(RuntimeError):
        operate(fns, "adjust", *ADJUST, *ADA)

    assert [(row["step"], row["details"]) for row in acts(fns)][1:] == [
        ("failed", {"reason": "RuntimeError"})
    ]


def test_without_the_journal_nothing_is_changed(fns: Functions, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object) -> None:
        raise DatabaseUnavailable("away")

    monkeypatch.setattr(journal, "add", away)
    with pytest.raises(DatabaseUnavailable, match="journal"):
        operate(fns, "adjust", *ADJUST, *ADA)

    assert fns.balance() == 0


def test_an_end_that_cannot_be_written_takes_nothing_back(
    fns: Functions, monkeypatch: pytest.MonkeyPatch
) -> None:
    add = journal.add

    def away_at_the_end(cursor: Transaction, act: Any, step: Any, details: Any) -> None:
        if step != "begun":
            raise DatabaseUnavailable("away")
        add(cursor, act, step, details)

    monkeypatch.setattr(journal, "add", away_at_the_end)

    assert operate(fns, "adjust", *ADJUST, *ADA)["result"]["adjusted"] is True
    assert [row["step"] for row in acts(fns)] == ["begun"]


def test_one_database_is_enough_and_the_verb_shows_what_either_has(
    fns: Functions, monkeypatch: pytest.MonkeyPatch
) -> None:
    operate(fns, "adjust", *ADJUST, *ADA)
    parked = fns.application("SELECT 1 FROM parked_events")
    fns.checkout("SET LOCAL session_replication_role = replica; TRUNCATE operator_journal")
    assert not parked

    [told] = operate(fns, "journal")["result"]["acts"]
    assert (told["verb"], told["end"]) == ("adjust", "done")

    monkeypatch.setattr(system().checkout_database, "_url", lambda: "postgresql://x@127.0.0.1:1/x")
    system().checkout_database.close()
    assert operate(fns, "adjust", "--key", "T-2", *ADJUST[2:], *ADA)["result"]["adjusted"] is True
    assert [act["arguments"]["key"] for act in operate(fns, "journal")["result"]["acts"]] == ["T-2", "T-1"]
    assert fns.checkout("SELECT 1 FROM operator_journal") == []


def test_both_in_one_database_are_one_row_a_step(fns: Functions) -> None:
    with acting_as("operations"):
        made = Journal(system())
        made._databases = (made._databases[0], made._databases[0])
        act = journal.Act(
            act_id="00000000-0000-0000-0000-000000000001",
            operator="ada",
            identity=None,
            invocation=None,
            verb="adjust",
            arguments={},
        )
        made.begin(act, {})

    assert len(fns.checkout("SELECT 1 FROM operator_journal")) == 1


def test_the_journal_by_who_what_and_when(fns: Functions) -> None:
    for number, operator in enumerate(["ada", "grace", "ada"]):
        operate(fns, "adjust", "--key", str(number), *ADJUST[2:], "--operator", operator)
    operate(fns, "opening-balances", "--yes", *ADA)

    def keys(*filters: str) -> list[str | None]:
        return [act["arguments"].get("key") for act in operate(fns, "journal", *filters)["result"]["acts"]]

    assert keys() == [None, "2", "1", "0"]
    assert keys("--by", "ada") == [None, "2", "0"]
    assert keys("--of", "adjust", "--limit", "2") == ["2", "1"]
    assert keys("--since", "2099-01-01") == []
    assert len(keys("--since", "2020-01-01")) == 4


def test_an_adjustment_above_the_limit_is_refused_and_journaled(fns: Functions) -> None:
    fns.set(ADJUST_LIMIT_CENTS="249")

    assert "ADJUST_LIMIT_CENTS" in operate(fns, "adjust", *ADJUST, *ADA)["error"]
    taken = ("--key", "T-2", "--user", "1", "--amount-cents=-250", "--reason", "r", "--yes")
    assert "ADJUST_LIMIT_CENTS" in operate(fns, "adjust", *taken, *ADA)["error"]
    assert operate(fns, "adjust", "--key", "T-3", *ADJUST[2:4], "--amount-cents", "249", *ADJUST[6:], *ADA)[
        "clean"
    ]
    assert [row["step"] for row in acts(fns)] == ["begun", "refused"] * 2 + ["begun", "done"]
    assert fns.balance() == 249


def test_the_function_records_whom_aws_vouches_for(fns: Functions, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []

    def proved(*given: object) -> str:
        asked.append(given)
        return "arn:aws:sts::123456789012:assumed-role/support/ada"

    monkeypatch.setattr(caller_identity, "proved", proved)
    operate(fns, "adjust", *ADJUST, *ADA, identity="https://sts")

    assert {row["identity"] for row in acts(fns)} == {"arn:aws:sts::123456789012:assumed-role/support/ada"}
    words = ["adjust", *ADJUST, *ADA]
    assert asked == [("https://sts", LambdaContext.function_name, words, "123456789012")]


@pytest.mark.parametrize("proof", [1, "", "https://example.com/?Action=GetCallerIdentity"])
def test_who_cannot_prove_what_they_say_is_refused(
    fns: Functions, monkeypatch: pytest.MonkeyPatch, proof: object
) -> None:
    put(monkeypatch, AWS_DEFAULT_REGION="eu-central-1")

    assert "identity" in operate(fns, "adjust", *ADJUST, *ADA, identity=proof)["error"]
    assert acts(fns) == []
    assert fns.balance() == 0


@pytest.mark.parametrize(
    ("module", "operator"),
    [(["checkout.operations"], None), (["local", "operations"], getpass.getuser())],
    ids=["anywhere", "on one machine"],
)
def test_on_one_machine_it_is_whoever_is_signed_in(
    fns: Functions, module: list[str], operator: str | None
) -> None:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", *module, *arguments],
            cwd=ROOT,
            env={**fns.settings, "PYTHONPATH": str(ROOT / "layers" / "common")},
            capture_output=True,
            text=True,
            check=False,
        )

    done = run("adjust", *ADJUST)
    assert done.returncode == (2 if operator is None else 0), done.stderr
    assert {row["operator"] for row in acts(fns)} == (set() if operator is None else {operator})
    assert run("adjust", "--key", "T-2", *ADJUST[2:], *ADA).returncode == 0
    assert acts(fns)[-1]["operator"] == "ada"
    assert json.loads(run("journal", "--json").stdout)["acts"][0]["operator"] == "ada"
