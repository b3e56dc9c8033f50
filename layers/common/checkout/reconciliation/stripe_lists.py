"""Reading one of Stripe's lists, which are newest first, to its end, over several runs.

A list is read back to where the last complete reading began, and an overlap further, since an object can
appear in the list behind a later one. The position is stored after each page, so the next run goes on there.
If the process dies before that, the page is read again.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

from checkout.base.errors import StripeObjectMissing, StripeRefusedForGood
from checkout.base.postgres import Database, Transaction
from checkout.reconciliation import state as reconciler_state

OVERLAP_SECONDS = 3600
STRIPE_KEEPS_SECONDS = 30 * 24 * 3600

Page = list[dict[str, Any]]
Fetch = Callable[[int, str | None], tuple[Page, bool]]
"""The page of what was created since (epoch seconds), behind an object's id; and True if there are more."""


@dataclass(slots=True)
class Position:
    """How far a list is read, in epoch seconds. `after` is the id of the object to go on behind; None if the
    reading is complete."""

    since: int
    began: int
    after: str | None = None


class StripeList:
    """Iterates over the pages of one run, until the list is at its end or time.monotonic() passes
    `deadline`."""

    def __init__(
        self,
        checkout: Database,
        name: str,
        fetch: Fetch,
        *,
        deadline: float,
        since: int | None = None,
        dry_run: bool = False,
    ) -> None:
        """`since` (epoch seconds) begins a reading with a position of its own, which goes on when the same is
        asked for again. `dry_run` stores nothing."""
        self._checkout = checkout
        self._name = name if since is None else f"{name} since"
        self._fetch = fetch
        self._deadline = deadline
        self._since = since
        self._dry_run = dry_run
        self.complete = False
        """True once the list was read to its end."""
        self.is_first = False
        """True if the last complete reading, if there was one, is longer ago than Stripe keeps the list."""

    def __iter__(self) -> Iterator[Page]:
        position = self._begin()
        self.is_first = position.since == _reachable(0, position.began)
        while not self.complete:
            page, has_more = self._page(position)
            yield page
            position.after = page[-1]["id"] if has_more else None
            if not self._dry_run:
                with self._checkout.transaction() as tx:
                    reconciler_state.save(tx, self._name, asdict(position))
            self.complete = not has_more
            if time.monotonic() > self._deadline:
                return

    def _page(self, position: Position) -> tuple[Page, bool]:
        try:
            return self._fetch(position.since, position.after)
        except (StripeObjectMissing, StripeRefusedForGood):
            if position.after is None:
                raise
            # Stripe no longer has the object of the position: read from the beginning.
            position.after = None
            return self._fetch(position.since, None)

    def _begin(self) -> Position:
        now = int(time.time())
        with self._checkout.autocommit() as tx:
            saved = reconciler_state.load(tx, self._name)
        last = Position(**saved) if saved is not None else None
        if self._since is None:
            if last is None:
                return Position(since=_reachable(0, now), began=now)
            if last.after:
                return last
            return Position(since=_reachable(last.began - OVERLAP_SECONDS, now), began=now)
        if last is not None and last.after and last.since == _reachable(self._since, last.began):
            return last
        return Position(since=_reachable(self._since, now), began=now)


def read_until(tx: Transaction, name: str) -> int | None:
    """When the last complete reading began, in epoch seconds; None if there was none yet."""
    saved = reconciler_state.load(tx, name)
    if saved is None:
        return None
    last = Position(**saved)
    return last.since if last.after else last.began


def _reachable(since: int, now: int) -> int:
    return max(since, now - STRIPE_KEEPS_SECONDS)
