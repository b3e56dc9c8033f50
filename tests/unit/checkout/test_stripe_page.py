"""docs/stripe.md says what the code does."""

import re
from pathlib import Path

from checkout.payments.events import HANDLED
from checkout.payments.stripe_event import API_VERSION

PAGE = (Path(__file__).parents[3] / "docs" / "stripe.md").read_text()


def test_the_event_types_to_enable_are_those_that_are_handled() -> None:
    listed = re.findall(r"^- `([a-z_.]+)`$", PAGE, re.MULTILINE)
    assert len(listed) == len(set(listed))
    assert set(listed) == HANDLED


def test_the_api_version_is_the_pinned_one() -> None:
    assert set(re.findall(r"\d{4}-\d\d-\d\d\.\w+", PAGE)) == {API_VERSION}
