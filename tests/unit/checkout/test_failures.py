"""A part of a run that fails or takes long is its own affair."""

import time

import pytest

from checkout.base.errors import NotYetConfigured, StripeNotReached
from checkout.reconciliation.failures import Failure, Failures, Part, run_each


def test_each_part_gets_an_equal_share_and_what_is_left_of_those_before() -> None:
    began = time.monotonic()
    parts = [Part(name, lambda by: by, otherwise=0.0) for name in ("one", "two", "three")]

    run_each(parts, deadline=began + 300, failures=Failures())

    assert [round((part.result - began) / 10) * 10 for part in parts] == [100, 150, 300]


def test_a_part_that_took_too_long_leaves_the_others_no_less_than_their_share() -> None:
    """The overall deadline is what it is: they get none of what is not there."""
    part = Part("one", lambda by: by < time.monotonic(), otherwise=False)

    run_each([part, part], deadline=time.monotonic() - 100, failures=Failures())

    assert part.result


def test_a_part_that_fails_is_named_and_the_others_run() -> None:
    failures = Failures()

    def fails(_: float) -> int:
        raise StripeNotReached("Stripe could not be reached; try again.")

    def trips(_: float) -> int:
        raise KeyError("a secret of ours")

    parts = [Part("one", fails, 7), Part("two", trips, 8), Part("three", lambda _: 9, 0)]
    run_each(parts, deadline=time.monotonic() + 10, failures=failures)

    assert [part.result for part in parts] == [7, 8, 9]
    assert failures.failed == [
        Failure("one", "Stripe could not be reached; try again."),
        Failure("two", "KeyError in our code"),
    ]


def test_a_new_stack_has_nothing_that_failed() -> None:
    def not_yet(_: float) -> int:
        raise NotYetConfigured("STRIPE_SECRET is missing.")

    with pytest.raises(NotYetConfigured):
        run_each([Part("one", not_yet, 0)], deadline=0, failures=Failures())


def test_what_is_skipped_is_counted_and_the_first_are_named() -> None:
    failures = Failures()
    for number in range(30):
        failures.skip(f"event {number}", StripeNotReached("away"))

    assert (failures.skipped_count, len(failures.skipped)) == (30, 20)
    assert failures.skipped[0] == Failure("event 0", "away")
