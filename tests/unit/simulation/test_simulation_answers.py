"""What services are told about their requests."""

import json

import pytest

from simulation.answers import Answers
from simulation.broken import Broken

CREATED = {"request_id": "r", "status": "session_created", "session_id": "cs_test_1"}


def record(**fields: object) -> bytes:
    return json.dumps({**CREATED, **fields}).encode()


def test_the_same_answer_may_come_again_and_a_payment_may_fail() -> None:
    answers = Answers()
    answers.check([b"no JSON", b"[]", record(), record(status="failed")])
    answers.check([b"no JSON", b"[]", record(), record(status="failed"), record()])


@pytest.mark.parametrize("other", [record(session_id="cs_test_2"), record(status="failed", session_id=None)])
def test_a_request_has_one_answer_until_a_restore(other: bytes) -> None:
    answers = Answers()
    answers.check([record()])
    with pytest.raises(Broken, match="one answer"):
        answers.check([record(), other])
    answers = Answers()
    answers.check([record()])
    answers.forget([record()], 1)
    answers.check([record(), other])


def test_what_was_published_before_a_restore_and_not_read_yet_is_no_answer_of_since_then() -> None:
    paid = {"request_id": "r", "status": "success", "source_id": None}
    before = [record(), json.dumps(paid).encode()]
    answers = Answers()
    answers.forget(before, 2)
    answers.check([*before, record(session_id="cs_test_2")])
    assert answers.effects == {"success:r"}


def test_a_session_that_is_not_there_is_no_answer() -> None:
    with pytest.raises(Broken, match="gets one"):
        Answers().check([record(session_id=None)])
