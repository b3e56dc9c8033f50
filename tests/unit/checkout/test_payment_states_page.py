"""docs/payment-states.md says what the code does."""

import re
from pathlib import Path

from checkout.payments.payment import FINAL, Status

PAGE = (Path(__file__).parents[3] / "docs" / "payment-states.md").read_text()


def test_the_order_and_the_final_states() -> None:
    listed = re.findall(r"^\d\. `(\w+)`: (.*)$", PAGE, re.MULTILINE)
    assert [name for name, _ in listed] == [status.value for status in Status]
    assert {name for name, text in listed if "*final*" in text} == {status.value for status in FINAL}


def test_every_arrow_is_a_rise() -> None:
    arrows = re.findall(r"^    (\w+) --> (\w+):", PAGE, re.MULTILINE)
    assert len(arrows) >= 8
    for before, after in arrows:
        assert Status(before).may_become(Status(after)), (before, after)
    assert {after for _, after in arrows} | {"session_pending"} == {status.value for status in Status}
