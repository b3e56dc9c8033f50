"""How request_ids are made if nobody gave one."""

import secrets
import time
from uuid import UUID

_VERSION = 0x7 << 76
_VARIANT = 0b10 << 62


def new_request_id() -> str:
    """A UUID of version 7 (RFC 9562, 5.7): the time in milliseconds, then 74 random bits.

    Ids that follow one another are neighbours in every index that they are keys of, so a batch changes few
    of its pages, however large the table is.
    """
    milliseconds = time.time_ns() // 1_000_000
    return str(
        UUID(int=milliseconds << 80 | _VERSION | secrets.randbits(12) << 64 | _VARIANT | secrets.randbits(62))
    )
