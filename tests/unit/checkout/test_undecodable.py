"""A defect of a decoder parks the record, and the log says where it is, without quoting the record."""

import json
import logging
from collections.abc import Callable

import pytest

from checkout.base import telemetry
from checkout.base.user_ids import BIGINT
from checkout.outbox import finished_event, request_event
from checkout.outbox.fields import Unprocessable
from tests.support.functions import finished

DECODERS: list[Callable[[bytes], object]] = [
    lambda value: finished_event.decoded(value, "eur", BIGINT),
    lambda value: request_event.decoded(value, BIGINT),
]


@pytest.fixture
def defective(monkeypatch: pytest.MonkeyPatch) -> None:
    def defect(value: bytes) -> None:
        raise KeyError(value.decode())

    for module in (finished_event, request_event):
        monkeypatch.setattr(module, "Fields", defect)


@pytest.mark.parametrize("decode", DECODERS, ids=["finished", "request"])
def test_it_is_logged_with_its_place_and_without_the_record(
    defective: None, caplog: pytest.LogCaptureFixture, decode: Callable[[bytes], object]
) -> None:
    with pytest.raises(Unprocessable, match="cannot be decoded: KeyError"):
        decode(b"ada@example.com")

    [logged] = caplog.records
    fields = vars(logged)
    assert fields["exception_name"] == "KeyError"
    assert "in defect" in fields["stack_trace"][-1]
    assert "ada@example.com" not in telemetry.logger.registered_formatter.format(
        logging.makeLogRecord(fields)
    )


@pytest.mark.parametrize("decode", DECODERS, ids=["finished", "request"])
def test_a_record_that_is_wrong_is_no_defect(
    caplog: pytest.LogCaptureFixture, decode: Callable[[bytes], object]
) -> None:
    with pytest.raises(Unprocessable, match="not valid JSON"):
        decode(b"{")

    assert caplog.records == []


def test_a_defect_in_the_effect_parks_the_record_too(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    event = finished_event.decoded(json.dumps(finished("r1")).encode(), "eur", BIGINT)
    monkeypatch.setattr(finished_event, "success_key", None)

    with pytest.raises(Unprocessable, match="cannot be decoded: TypeError"):
        _ = event.effect
    assert caplog.records
