"""A restored database: all that it lost is entered again, and nothing that was decided otherwise."""

from tests.mutants.mutant import Mutant

LOST = "services/lost_entries.py"
DECISIONS = "services/decisions.py"
REEMISSION = "services/reemission.py"
OF_LOST = "tests/integration/test_lost_entries.py"

MUTANTS = [
    Mutant(
        file=LOST,
        text="            if not position.is_compared or uncredited:\n",
        instead="            if not position.is_compared:\n",
        breaks="a restore is called complete while lost entries are still to be entered",
        caught_by=f"{OF_LOST}::test_however_many_are_lost_all_are_entered_before_it_is_complete",
    ),
    Mutant(
        file=LOST,
        text="            elif position.phase == PAYMENTS or position.events_until is not None:\n",
        instead="            else:\n",
        breaks="a restore is called complete before Stripe's events were read",
        caught_by=f"{OF_LOST}::test_it_is_not_complete_before_stripes_events_are_read",
    ),
    Mutant(
        file=LOST,
        text="            if position.left:\n",
        instead="            if False:\n",
        breaks="a lost payment that somebody held is forgotten",
        caught_by=f"{OF_LOST}::test_a_lost_payment_that_somebody_holds_is_left_for_another_pass",
    ),
    Mutant(
        file=LOST,
        text="        self._decisions.restore()\n",
        instead="",
        breaks="what an operator discarded is credited after a restore",
        caught_by=f"{OF_LOST}::test_what_was_discarded_stays_so_though_the_restore_took_the_decision_along",
    ),
    Mutant(
        file=LOST,
        text="            if position.phase == PAYMENTS and movement.user_id > position.newest_user\n",
        instead="            if False\n",
        breaks="somebody else's payment is credited to the user who got the number anew",
        caught_by=f"{OF_LOST}"
        "::test_a_number_that_the_application_may_have_given_to_somebody_else_is_decided_by_a_person",
    ),
    Mutant(
        file="services/lost_entries_position.py",
        text="self.since - MARGIN_SECONDS",
        instead="self.since",
        breaks="an entry that was committed after it was noted stays lost",
        caught_by=f"{OF_LOST}::test_an_entry_can_be_younger_than_the_moment_at_which_it_was_seen",
    ),
]
