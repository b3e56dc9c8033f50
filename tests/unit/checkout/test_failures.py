"""A part of a run that fails or takes long is its own affair."""

import time

import pytest

from checkout.base.errors import NotYetConfigured, StripeNotReached
from checkout.reconciliation.failures import Failure, Failures, Parts


def test_each_part_gets_an_equal_share_and_what_is_left_of_those_before() -> None:
    began = time.monotonic()
    parts = Parts(3, deadline=began + 300, failures=Failures())

    deadlines = [parts.run(name, lambda by: by, otherwise=0.0) for name in ("one", "two", "three")]

    assert [round((by - began) / 10) * 10 for by in deadlines] == [100, 150, 300]


def test_a_part_that_took_too_long_leaves_the_others_no_less_than_their_share() -> None:
    """The overall deadline is what it is: they get none of what is not there."""
    parts = Parts(2, deadline=time.monotonic() - 100, failures=Failures())

    assert parts.run("one", lambda by: by < time.monotonic(), otherwise=False)


def test_a_part_that_fails_is_named_and_the_others_run() -> None:
    failures = Failures()
    parts = Parts(3, deadline=time.monotonic() + 10, failures=failures)

    def fails(_: float) -> int:
        raise StripeNotReached("Stripe could not be reached; try again.")

    def trips(_: float) -> int:
        raise KeyError("a secret of ours")

    assert [parts.run("one", fails, 7), parts.run("two", trips, 8), parts.run("three", lambda _: 9, 0)] == [
        *(7, 8, 9)
    ]
    assert failures.failed == [
        Failure("one", "Stripe could not be reached; try again."),
        Failure("two", "KeyError in our code"),
    ]


def test_a_new_stack_has_nothing_that_failed() -> None:
    def not_yet(_: float) -> int:
        raise NotYetConfigured("STRIPE_SECRET is missing.")

    with pytest.raises(NotYetConfigured):
        Parts(1, deadline=0, failures=Failures()).run("one", not_yet, 0)


def test_what_is_skipped_is_counted_and_the_first_are_named() -> None:
    failures = Failures()
    for number in range(30):
        failures.skip(f"event {number}", StripeNotReached("away"))

    assert (failures.skipped_count, len(failures.skipped)) == (30, 20)
    assert failures.skipped[0] == Failure("event 0", "away")
