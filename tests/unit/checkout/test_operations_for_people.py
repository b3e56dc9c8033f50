"""What `inspect` and `verify` print for people."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from textwrap import indent
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkout.operations import finding_words, text, timeline

PAGE = (Path(__file__).parents[3] / "docs" / "operations.md").read_text()
BEGAN = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)
ANY_TEXT = st.text(st.characters())


def after(seconds: float) -> datetime:
    return BEGAN + timedelta(seconds=seconds)


def payment(**more: Any) -> dict[str, Any]:
    asked = {"request_id": "r1", "user_id": 1, "amount_cents": 500, "currency": "eur"}
    return {"at": BEGAN, "table": "checkout_transactions", **asked, "status": "session_created", **more}


def event(**more: Any) -> dict[str, Any]:
    of_stripe = {"event_id": "evt_1", "type": "checkout.session.completed", "outcome": "applied"}
    return {"at": after(62), "table": "stripe_events", **of_stripe, "updated_at": after(62), **more}


def entry(**more: Any) -> dict[str, Any]:
    moved = {"effect_key": "success:r1", "user_id": 1, "amount_cents": 500, "currency": "eur"}
    return {"at": after(62.5), "table": "ledger_entries", **moved, **more}


def printed(*steps: dict[str, Any]) -> list[str]:
    return list(timeline.lines({"balances": [], "steps": list(steps)}))[1:]


def test_a_timeline_says_when_where_and_what() -> None:
    paid = payment(status="payment_succeeded", paid_cents=500, paid_currency="eur", completed_at=after(62))

    assert printed(paid, event(), entry()) == [
        "2026-11-24T10:00:00.000Z  payment   500 eur for user 1  request_id=r1",
        "             +1 min 02 s  payment   payment_succeeded, 500 eur paid",
        "             +1 min 02 s  Stripe    checkout.session.completed evt_1: applied",
        "             +1 min 02 s  ledger    success:r1: +500 eur for user 1",
    ]


def test_what_comes_later_to_a_row_has_a_time_of_its_own() -> None:
    waited = event(updated_at=after(7_262))
    reversal = {"at": after(90_000), "table": "reversals", "effect_key": "refunded:re_1", "state": "emitted"}
    refund = reversal | {"amount_cents": 200, "currency": "eur", "emitted_at": after(90_000)}
    parked = {"at": after(90_001), "table": "parked_events", "id": 7, "reason": "not valid JSON"}
    decided = {"resolution": "discarded", "operator": "ada", "resolved_at": after(90_002)}

    assert [line[20:] for line in printed(payment(), waited, refund, parked | decided)] == [
        "000Z  payment   500 eur for user 1, session_created  request_id=r1",
        "02 s  Stripe    checkout.session.completed evt_1: received",
        " min  Stripe    evt_1: applied",
        "01 h  reversal  refunded:re_1: 200 eur",
        "01 h  reversal  refunded:re_1 emitted",
        '01 h  parked    7 ("an unreadable record"): "not valid JSON"',
        "01 h  parked    7 was discarded  operator=ada",
    ]


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0.25, "+0.250 s"),
        (59.9, "+59.900 s"),
        (3599, "+59 min 59 s"),
        (3660, "+1 h 01 min"),
        (90_000, "+1 d 01 h"),
    ],
)
def test_the_time_since_the_first_event(seconds: float, shown: str) -> None:
    assert printed(payment(), entry(at=after(seconds)))[1].split("  ledger")[0].strip() == shown


def test_it_is_the_same_from_the_json_of_the_function() -> None:
    story = {"balances": [{"user_id": 1, "balance_cents": 500}], "steps": [payment(), event(), entry()]}

    assert list(timeline.lines(text.plain(story))) == list(timeline.lines(story))


def test_a_table_or_a_check_of_another_release_is_shown_too() -> None:
    assert printed({"at": BEGAN, "table": "new", "what": "x"})[0].endswith("table=new  what=x")
    assert verified(finding("New")) == ["ok       New: 0"]
    assert verified(finding("New", count=2))[0] == "BROKEN   New: 2 findings"


@given(ANY_TEXT, ANY_TEXT)
def test_each_event_stays_one_line_no_matter_what_is_in_it(first: str, second: str) -> None:
    steps = [payment(request_id=first), event(type=first, reason=second), entry(effect_key=second)]
    written = text.joined(timeline.lines({"balances": [], "steps": steps}))

    assert written.count("\n") == len(steps)
    assert all(line.isprintable() for line in written.split("\n"))


def finding(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "is_offence": True, "count": 0, "accepted": 0, "samples": [], **more}


def verified(*findings: dict[str, Any], complete: bool = True) -> list[str]:
    return list(finding_words.of_all({"findings": findings, "complete": complete}))[:-1]


def test_verify_says_what_holds_or_what_is_wrong_and_what_to_do() -> None:
    balances = finding("BalanceDiffersFromLedger")
    holds = "every balance is the sum of its entries"

    assert verified(balances) == [f"ok       {holds}"]
    assert verified(balances | {"accepted": 1}) == [f"ok       {holds} (1 accepted)"]
    assert verified(balances, complete=False) == [f"so far   {holds}"]
    assert verified(balances | {"count": 1, "samples": [{"user_id": 1}]}) == [
        "BROKEN   BalanceDiffersFromLedger: 1 balance is not the sum of its entries",
        "           user_id=1",
        "         to do: rebuild-balance; opening-balances --user if the rest is from before the ledger",
    ]
    parked = finding("RecordsParked", is_offence=False, count=3, samples=[{"id": 1}])
    assert verified(parked) == [
        "to know  RecordsParked: 3 parked records wait for a decision",
        "           id=1",
        "           and 2 more",
        "         to do: parked show, then parked replay or parked discard",
    ]


def is_on_the_page(lines: Iterable[str]) -> bool:
    return indent(text.joined(lines), "    ") in PAGE


def test_the_page_has_a_timeline_as_it_is_printed() -> None:
    session, intent = {"stripe_session_id": "cs_1"}, {"payment_intent_id": "pi_1"}
    paid = payment(**session, **intent, status="payment_succeeded", paid_cents=500, paid_currency="eur")
    refunded = {"effect_key": "refunded:re_1", "amount_cents": 200, "currency": "eur", "event_id": "evt_2"}
    of_record = {"topic": "checkout.finished", "partition": 2}
    steps = [
        paid | {"completed_at": after(42), "credited_at": after(600)},
        event(at=after(42), updated_at=after(42)),
        entry(at=after(42.4), **of_record, kafka_offset=1041),
        event(at=after(93_601), updated_at=after(93_601), event_id="evt_2", type="refund.created"),
        {
            "at": after(93_601),
            "table": "reversals",
            "emitted_at": after(93_601),
            "state": "emitted",
            **refunded,
        },
        entry(at=after(93_602), **refunded | {"amount_cents": -200}, **of_record, kafka_offset=1187),
    ]
    balance = {"user_id": 1, "balance_cents": 300, "ledger_cents": 300}

    assert is_on_the_page(timeline.lines({"balances": [balance], "steps": steps}))


def test_the_page_has_a_verification_as_it_is_printed() -> None:
    facts = {"finding": "af56006a6504", "user_id": 1, "balance_cents": 1, "ledger_cents": 300}
    parked = {"id": 17, "effect_key": "success:r2", "reason": "there is no such user", "created_at": BEGAN}
    findings = [
        finding("EffectTwiceInLedger"),
        finding("RecordsParked", is_offence=False, count=1, samples=[parked]),
        finding("BalanceDiffersFromLedger", count=1, samples=[facts]),
        finding("CreditWithoutTransaction", accepted=1),
    ]

    assert is_on_the_page(verified(*findings))
