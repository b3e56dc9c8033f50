"""The minutes of a deployment: a migration while others work, and two releases that share what they store and
send. Nothing is wrong with either release alone.
"""

from tests.mutants.mutant import Mutant, Worlds

MIGRATE = "release/migrate.py"
APPLIES = "tx.execute(for_ids("
"""The newest migrations, in a world that begins with those before: a mistake in one of them."""
MARKS = "UPDATE checkout_transactions SET credited_at = now() WHERE credited_at IS NULL;"

MUTANTS = [
    Mutant(
        file=MIGRATE,
        text="                with database.transaction() as tx:\n                    if not _is_applied",
        instead="                with database.autocommit() as tx:\n                    if not _is_applied",
        breaks="a migration whose process dies can never go on",
        worlds=Worlds.UPGRADED,
    ),
    Mutant(
        file=MIGRATE,
        text=APPLIES,
        instead=f'tx.execute("{MARKS}" * (folder == "checkout") + for_ids(',
        breaks="a migration marks what is not credited yet as credited",
        worlds=Worlds.UPGRADED,
    ),
    Mutant(
        file="outbox/finished_event.py",
        text="class CheckoutFinishedEvent(Struct, frozen=True, gc=False, kw_only=True):",
        instead="class CheckoutFinishedEvent(Struct, frozen=True, gc=False, kw_only=True,"
        "  rename={'user_id': 'user'}):",
        breaks="a new release sends what the consumer of the release before refuses",
        worlds=Worlds.UPGRADED,
    ),
    Mutant(
        file="payments/payment.py",
        text='        return key if self.stripe_attempt == 1 else f"{key}:{self.stripe_attempt}"',
        instead='        return f"{key}:{self.stripe_attempt}"',
        breaks="a new release begins a second session of what the release before has begun",
        worlds=Worlds.UPGRADED,
    ),
    Mutant(
        file="sessions/create.py",
        text="        return self._create(row, row.stripe_parameters or {})\n",
        instead='        return self._create(row, {**(row.stripe_parameters or {}), "locale": "auto"})\n',
        breaks="a new release asks Stripe for something else under the idempotency key of the release before",
        worlds=Worlds.UPGRADED,
    ),
    Mutant(
        file="release/owner.py",
        text='    if row["app_id"] != app_id:\n',
        instead="    if False:\n",
        breaks="two stacks on one database credit each other's payments",
        caught_by="tests/integration/test_owner.py::test_another_stack_is_refused_before_anything_is_applied",
    ),
    Mutant(
        file="release/owner.py",
        text="    if (row := tx.fetchone()) is not None:\n",
        instead="    if False:\n",
        breaks="of two new stacks on one database that come at once each takes itself for the owner",
        caught_by="tests/integration/test_owner.py"
        "::test_of_two_stacks_that_come_at_once_the_second_is_refused",
    ),
    Mutant(
        file="release/migrate.py",
        text="        self._owner = app_id, currency\n",
        instead='        self._owner = "world", currency\n',
        breaks="a staging on the database of production credits its payments",
        caught_by="tests/integration/test_owner.py::test_another_stack_is_refused_before_anything_is_applied",
        worlds=Worlds.SERIAL,
    ),
    Mutant(
        file="release/owner.py",
        text='    if before != currency and row["has_payments"]:\n',
        instead="    if False:\n",
        breaks="balances change their currency with a setting",
        caught_by="tests/integration/test_owner.py"
        "::test_balances_keep_their_currency_once_something_was_paid",
    ),
    Mutant(
        file="release/owner.py",
        text="    if before is not None or tx.fetchone() is None:\n",
        instead="    if before is not None:\n",
        breaks="a new checkout database gives the balances that there are another currency",
        caught_by="tests/integration/test_owner.py"
        "::test_a_ledger_keeps_its_currency_although_the_checkout_database_names_none",
    ),
    Mutant(
        file="sessions/create.py",
        text="        return self._create(row, row.stripe_parameters or {})\n",
        instead="        parameters = row.stripe_parameters or {}\n"
        '        page = f"{self._config.public_origin}/balance?status=cancel"\n'
        '        return self._create(row, {**parameters, "cancel_url": page})\n',
        breaks="a retry asks with the settings of today under the key of yesterday",
        caught_by="tests/integration/test_idempotency_key.py"
        "::test_a_retry_sends_what_was_stored_whatever_the_configuration_has_become",
    ),
    Mutant(
        file="payments/inbox.py",
        text="\" OR (outcome = 'ignored' AND app_id = %s) ORDER BY",
        instead="\" OR (outcome = 'ignored' AND app_id = %s AND false) ORDER BY",
        breaks="what was ignored while CHECKOUT_APP_ID was wrong is lost",
        caught_by="tests/integration/test_sessions_not_begun_here.py"
        "::test_what_was_ignored_under_a_wrong_app_id_is_applied_when_it_is_right_again",
    ),
    Mutant(
        file="release/migrations/application/0001_ledger.sql",
        text="    IF to_regclass('users') IS NULL THEN\n        CREATE TABLE users (",
        instead="    IF to_regclass(current_schema() || '.users') IS NULL THEN\n        CREATE TABLE users (",
        breaks="an application finds an empty table of users before its own",
        caught_by="tests/integration/test_roles.py"
        "::test_a_role_reaches_tables_in_a_schema_that_is_closed_to_others",
    ),
    Mutant(
        file=MIGRATE,
        text="unnest(current_schemas(false)) WITH",
        instead="unnest(ARRAY[current_schema()]) WITH",
        breaks="a new schema in the search path gets a second ledger, which credits everything again",
        caught_by="tests/integration/test_adoption.py"
        "::test_a_schema_that_comes_before_ours_later_gets_no_second_ledger",
    ),
    Mutant(
        file="release/application_users.py",
        text='        if found["has_trigger"]:\n',
        instead="        if False:\n",
        breaks="an order is paid though a trigger in the place of the update has kept the balance",
        caught_by="tests/integration/test_adoption.py"
        "::test_what_could_lose_or_double_money_is_refused_with_nothing_changed",
    ),
    Mutant(
        file="release/application_users.py",
        text="rf\":resno {found['number']} :resname (?:",
        instead="rf\":resno \\d+ :resname {place['name']}(?:",
        breaks="a balance that may be NULL, which pays for any order, is taken for another column",
        caught_by="tests/integration/test_adoption.py"
        "::test_what_could_lose_or_double_money_is_refused_with_nothing_changed",
    ),
    Mutant(
        file="release/roles_table.py",
        text="    if is_function:\n",
        instead="    if False:\n",
        breaks="after a restore without grants everybody may give coins to himself",
        caught_by="tests/integration/test_roles.py"
        "::test_spending_is_closed_again_after_a_restore_of_a_dump_without_its_grants",
    ),
]
