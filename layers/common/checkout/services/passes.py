"""Going through one of Stripe's lists, which are newest first, over several runs.

A pass goes through all pages back to where the last complete pass began (and an overlap, since an object can
appear in the list after a later one); where it stands is stored after each page, so that the next run goes on
there.
"""

import time
from dataclasses import asdict, dataclass

from checkout.adapters import reconciler_state
from checkout.adapters.postgres import Cursor, Database

OVERLAP_SECONDS = 3600
STRIPE_KEEPS_SECONDS = 30 * 24 * 3600


@dataclass(slots=True)
class Pass:
    """One pass through Stripe's list, in epoch seconds; `after` is the object to go on behind, if it is not
    done."""

    since: int
    began: int
    after: str | None = None


def begin(checkout: Database, name: str, *, since: int | None = None) -> Pass:
    """The pass to go on with, or a new one; `since` (epoch seconds) makes one of its own."""
    now = int(time.time())
    oldest = now - STRIPE_KEEPS_SECONDS
    if since is not None:
        return Pass(since=max(since, oldest), began=now)
    with checkout.transaction() as cursor:
        saved = reconciler_state.load(cursor, name)
    if saved is None:
        return Pass(since=oldest, began=now)
    last = Pass(**saved)
    return last if last.after else Pass(since=max(last.began - OVERLAP_SECONDS, oldest), began=now)


def save(cursor: Cursor, name: str, current: Pass) -> None:
    """Where it stands; with `after` None it is complete."""
    reconciler_state.save(cursor, name, asdict(current))


def read_until(cursor: Cursor, name: str) -> int | None:
    """When the last pass that is known to be complete began; None where there is none yet."""
    saved = reconciler_state.load(cursor, name)
    if saved is None:
        return None
    last = Pass(**saved)
    return last.since if last.after else last.began
