"""What a user's id is: a number, a UUID or a text, as USER_ID_TYPE says for all tables and records. Pure.

In Python it is an int, or a text in its one canonical form, which is also the key of its records on Kafka.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from checkout.base.text import (
    MAX_IDENTIFIER_LENGTH,
    identifier,
    positive_bigint,
    positive_bigint_from_digits,
    uuid_in_lower_case,
)

UserId = int | str

NIL = "00000000-0000-0000-0000-000000000000"

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


@dataclass(frozen=True, slots=True)
class UserIds:
    """`name` is the setting's value, `sql_type` the type of the columns. `collate` goes into comparisons by
    order, so that both databases and Python have the same one. `first` comes before all ids, and `last` after
    all others. `rule` says what an id in JSON is; `demo` is the demo's user."""

    name: str
    sql_type: str
    collate: str
    first: UserId
    last: UserId
    rule: str
    demo: UserId
    probe: UserId
    """An id that no user of the application has."""
    from_json: Callable[[object], UserId | None]
    """The id in a body or record; None for anything else, also for an id of another type."""
    from_text: Callable[[object], UserId | None]
    """The id in a token, in Stripe's metadata or on a command line."""

    @property
    def array(self) -> str:
        """The type of `%s` in `= ANY(%s)`, for `postgres.array`: explicit, since a column may be narrower."""
        return f"{self.name}[]"


def least(ids: Sequence[Any]) -> UserId:
    """The least of ids of one type. Texts are ordered by code points, which is the order of their bytes."""
    found: UserId = min(ids)
    return found


def _uuid(value: object) -> str | None:
    found = uuid_in_lower_case(value)
    return None if found == NIL else found


def _text(value: object) -> str | None:
    """Blanks around it are refused: Stripe's metadata would lose them, and so name somebody else."""
    found = identifier(value)
    return None if found is None or _CONTROL.search(found) or found != found.strip() else found


BIGINT = UserIds(
    name="bigint",
    sql_type="BIGINT",
    collate="",
    first=-(2**63),
    last=2**63 - 1,
    rule="an integer from 1 to 2^63-1",
    demo=1,
    probe=9_000_000_000_000_000_001,
    from_json=positive_bigint,
    from_text=positive_bigint_from_digits,
)
UUID = UserIds(
    name="uuid",
    sql_type="UUID",
    collate="",
    first=NIL,
    last="ffffffff-ffff-ffff-ffff-ffffffffffff",
    rule="a UUID in the 8-4-4-4-12 form",
    demo="00000000-0000-4000-8000-000000000001",
    probe="ffffffff-ffff-4fff-bfff-fffffffffffe",
    from_json=_uuid,
    from_text=_uuid,
)
TEXT = UserIds(
    name="text",
    sql_type='TEXT COLLATE "C"',
    collate=' COLLATE "C"',
    first="",
    last="\U0010ffff" * (MAX_IDENTIFIER_LENGTH + 1),
    rule=f"a text of 1 to {MAX_IDENTIFIER_LENGTH} characters without control characters or blanks around it",
    demo="demo",
    probe="checkout:smoke",
    from_json=_text,
    from_text=_text,
)

KINDS = {one.name: one for one in (BIGINT, UUID, TEXT)}


def of(given: str) -> UserIds:
    """The kind of ids that USER_ID_TYPE names. Raises ValueError."""
    if given not in KINDS:
        raise ValueError(f"must be one of {', '.join(KINDS)}")
    return KINDS[given]
