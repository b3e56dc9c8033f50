"""The request_ids that the functions make up."""

import time
from uuid import RFC_4122, UUID

import pytest

from checkout.base.request_ids import new_request_id


def test_an_id_is_a_uuid_of_version_7_that_begins_with_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    # The example of RFC 9562, A.6.
    monkeypatch.setattr(time, "time_ns", lambda: 0x017F22E279B0 * 1_000_000 + 999_999)
    made = UUID(new_request_id())
    assert (made.version, made.variant) == (7, RFC_4122)
    assert str(made).startswith("017f22e2-79b0-7")


def test_no_two_are_the_same() -> None:
    assert len({new_request_id() for _ in range(1_000)}) == 1_000
