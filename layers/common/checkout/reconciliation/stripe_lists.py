"""Going through one of Stripe's lists, which are newest first, over several runs.

A pass goes through all pages back to where the last complete pass began (and an overlap, since an object can
appear in the list after a later one); where it stands is stored after each page, so that the next run goes on
there. If the process dies before that, the page is read again.
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
"""The page of what was created since (epoch seconds), behind an object's id; and whether there are more."""


@dataclass(slots=True)
class Pass:
    """One pass through Stripe's list, in epoch seconds; `after` is the object to go on behind, if it is not
    done."""

    since: int
    began: int
    after: str | None = None


class Walk:
    """One run: its pages, until the list is at its end or time.monotonic() passes `deadline`."""

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
        """`since` (epoch seconds) makes a pass of its own, which is gone on with when it is asked for again.
        `dry_run` stores nothing."""
        self._checkout = checkout
        self._name = name if since is None else f"{name} since"
        self._fetch = fetch
        self._deadline = deadline
        self._since = since
        self._dry_run = dry_run
        self.complete = False
        """Whether the pass has come to the list's end."""

    def __iter__(self) -> Iterator[Page]:
        current = self._begin()
        while not self.complete:
            page, has_more = self._page(current)
            yield page
            current.after = page[-1]["id"] if has_more else None
            if not self._dry_run:
                with self._checkout.transaction() as tx:
                    reconciler_state.save(tx, self._name, asdict(current))
            self.complete = not has_more
            if time.monotonic() > self._deadline:
                return

    def _page(self, current: Pass) -> tuple[Page, bool]:
        try:
            return self._fetch(current.since, current.after)
        except (StripeObjectMissing, StripeRefusedForGood):
            if current.after is None:
                raise
            # Where we stood is gone at Stripe, which keeps things for so long: from the beginning.
            current.after = None
            return self._fetch(current.since, None)

    def _begin(self) -> Pass:
        now = int(time.time())
        with self._checkout.transaction() as tx:
            saved = reconciler_state.load(tx, self._name)
        last = Pass(**saved) if saved is not None else None
        if self._since is None:
            if last is None:
                return Pass(since=_reachable(0, now), began=now)
            return (
                last if last.after else Pass(since=_reachable(last.began - OVERLAP_SECONDS, now), began=now)
            )
        if last is not None and last.after and last.since == _reachable(self._since, last.began):
            return last
        return Pass(since=_reachable(self._since, now), began=now)


def read_until(tx: Transaction, name: str) -> int | None:
    """When the last pass that is known to be complete began; None where there is none yet."""
    saved = reconciler_state.load(tx, name)
    if saved is None:
        return None
    last = Pass(**saved)
    return last.since if last.after else last.began


def _reachable(since: int, now: int) -> int:
    return max(since, now - STRIPE_KEEPS_SECONDS)
