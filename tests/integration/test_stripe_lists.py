"""How far one of Stripe's lists was read: nothing in it is skipped, whenever a run ends or dies."""

import time
from typing import Any

import pytest

from checkout.reconciliation import stripe_lists
from checkout.reconciliation.stripe_lists import OVERLAP_SECONDS, StripeList
from tests.support.functions import Functions, system

LIST = "a list of Stripe's"
PAGE = 2


class Listed:
    """Objects that Stripe lists newest first, by when they were created (epoch seconds)."""

    def __init__(self, *created: int) -> None:
        self.created = list(created)
        self.asked: list[tuple[int, str | None]] = []

    def page(self, since: int, after: str | None) -> tuple[list[dict[str, Any]], bool]:
        self.asked.append((since, after))
        ids = [str(created) for created in sorted(self.created, reverse=True) if created >= since]
        start = 0 if after is None else ids.index(after) + 1
        return [{"id": one} for one in ids[start : start + PAGE]], start + PAGE < len(ids)


def read(listed: Listed, *, pages: int | None = None, **options: Any) -> list[int]:
    """What a run reads that is out of time after so many pages, or never."""
    found: list[int] = []
    run = StripeList(system().checkout_database, LIST, listed.page, deadline=float("inf"), **options)
    for number, page in enumerate(run, start=1):
        found += [int(one["id"]) for one in page]
        if number == pages:
            run._deadline = 0
    return found


def known_until() -> int | None:
    with system().checkout_database.transaction() as cursor:
        return stripe_lists.read_until(cursor, LIST)


@pytest.fixture
def now(fns: Functions) -> int:
    return int(time.time())


def test_runs_that_are_out_of_time_read_everything_once(now: int) -> None:
    listed = Listed(*(now - age for age in range(7)))
    runs = [read(listed, pages=1) for _ in range(4)]
    assert [one for run in runs for one in run] == [now - age for age in range(7)]


def test_what_is_created_while_a_pass_is_on_its_way_is_read_by_the_next(now: int) -> None:
    """However long that took: the next one goes back to where it began, and an hour more."""
    listed = Listed(*(now - age for age in range(4)))
    read(listed, pages=1)
    listed.created.append(now + 5)
    read(listed)
    assert now + 5 in read(listed)
    since = listed.asked[-1][0]
    assert now - OVERLAP_SECONDS <= since <= int(time.time()) - OVERLAP_SECONDS


def test_a_pass_that_goes_on_goes_back_as_far_as_it_was_to(now: int) -> None:
    listed = Listed(now)
    read(listed)
    listed.created += [now - age for age in range(1, 5)]
    read(listed, pages=1)
    read(listed, pages=1)
    first, second = listed.asked[-2:]
    assert first[1] is None
    assert second == (first[0], str(now - 1))


def test_a_page_in_which_the_process_died_is_read_again(now: int) -> None:
    listed = Listed(*(now - age for age in range(3)))
    for _ in StripeList(system().checkout_database, LIST, listed.page, deadline=float("inf")):
        break  # The process dies: nobody comes back for the next page.
    assert read(listed) == [now, now - 1, now - 2]


def test_a_list_is_known_as_far_as_the_last_complete_pass_began(now: int) -> None:
    """While another one is on its way, its newest pages are read, and older ones are not."""
    listed = Listed(*(now - age for age in range(4)))
    assert known_until() is None
    read(listed, pages=1)
    assert known_until() == listed.asked[0][0], "where the first pass goes back to"
    read(listed)
    complete = known_until()
    assert complete is not None
    assert now <= complete <= int(time.time())

    read(listed, pages=1)
    assert known_until() == complete - OVERLAP_SECONDS
    read(listed)
    assert known_until() != complete - OVERLAP_SECONDS


def test_what_is_only_looked_at_moves_nothing(now: int) -> None:
    listed = Listed(*(now - age for age in range(3)))
    read(listed, dry_run=True)
    assert known_until() is None


def test_a_pass_that_an_operator_asks_for_leaves_the_usual_one_alone(now: int) -> None:
    listed = Listed(*(now - age for age in range(3)))
    read(listed)
    usual = known_until()
    assert read(listed, since=now - 10) == [now, now - 1, now - 2]
    assert known_until() == usual
