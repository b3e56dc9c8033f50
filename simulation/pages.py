"""Pages and limits of the code, which are made small in some worlds: a world has some 30 payments, and what
goes wrong at the end of a page, or beyond a limit, would need as many as one has."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from random import Random

CODE: Mapping[str, Sequence[str]] = {
    "outbox.delivery": ("RELAY_BATCH",),
    "ledger.batch": ("PARTS",),
    "reconciliation.uncredited": ("MOST_AT_ONCE",),
    "reconciliation.evidence": ("MOST_AT_ONCE",),
    "reconciliation.missed_events": ("MOST_RETRIED",),
    "reconciliation.unfinished": ("MOST_PER_RUN",),
    "reconciliation.lost_entries": ("MOST_UNCREDITED",),
    "reconciliation.lost_entries_page": ("ROWS_A_PAGE",),
    "reconciliation.decisions": ("AT_ONCE",),
    "reconciliation.stripe_books": ("REREAD_A_RUN",),
    "reconciliation.stripe_books_table": ("RANGE",),
    "operations.ledger_ranges": ("RANGE",),
    "operations.event_erasure": ("AT_ONCE",),
    "operations.verbs.erase": ("AT_ONCE",),
}
"""Their names, by the module that has them."""
SMALL = (2, 3, 5)
ONE_IN = 6


def of(seed: int) -> int | None:
    """How many rows a page has in this world; None if as many as the code wants."""
    # From a source of its own, so all else is as in the same world with large pages.
    random = Random(f"{seed} pages")
    return random.choice(SMALL) if random.randrange(ONE_IN) == 0 else None


@contextmanager
def of_size(rows: int | None) -> Iterator[None]:
    """Within this a page has so many rows, and no limit is higher. Raises AttributeError if the code has one
    of them no longer."""
    modules = {import_module(f"checkout.{name}"): names for name, names in CODE.items()} if rows else {}
    usual = [(module, name, getattr(module, name)) for module, names in modules.items() for name in names]
    try:
        for module, name, _ in usual:
            setattr(module, name, rows)
        yield
    finally:
        for module, name, size in usual:
            setattr(module, name, size)
