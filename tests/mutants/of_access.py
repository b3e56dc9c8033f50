"""Who may ask, what a user may read, and what an operator may do."""

from tests.mutants.mutant import Mutant

CALLERS = "api/callers.py"
TOKENS = "api/tokens.py"
ACCOUNTS = "api/accounts.py"
COMMAND = "operations/command.py"
BAD = "tests/integration/test_bad_requests.py"
OF_ACCOUNTS = "tests/integration/test_accounts.py"

MUTANTS = [
    Mutant(
        file=TOKENS,
        text="algorithms=[algorithm],",
        instead='algorithms=[algorithm, "RS512", "PS256"],',
        breaks="the token decides the algorithm",
        caught_by="tests/unit/checkout/test_identity_provider.py::test_the_key_decides_the_algorithm",
    ),
    Mutant(
        file=TOKENS,
        text='"require": ["exp"]',
        instead='"require": []',
        breaks="a token without an end opens a balance for ever",
        caught_by=f"{BAD}::test_a_token_that_is_not_valid_is_401_before_anything_else",
    ),
    Mutant(
        file=TOKENS,
        text="self._is_for_us(claims) and not self._lives_too_long(claims)",
        instead="self._is_for_us(claims)",
        breaks="a token that ends in years opens a balance",
        caught_by=f"{BAD}::test_a_token_that_is_not_valid_is_401_before_anything_else",
    ),
    Mutant(
        file="api/key_set.py",
        text='{("RSA", None): "RS256",',
        instead='{("oct", None): "HS256", ("RSA", None): "RS256",',
        breaks="a symmetric key of a published key set signs tokens",
        caught_by="tests/unit/checkout/test_identity_provider.py::test_a_key_that_cannot_sign_a_users_token_is_ignored",
    ),
    Mutant(
        file=TOKENS,
        text="        if not self._rules.audiences:\n",
        instead="        if self._rules is not None:\n",
        breaks="a token of another application of the same provider opens a balance",
        caught_by="tests/unit/checkout/test_identity_provider.py::test_one_audience_is_enough",
    ),
    Mutant(
        file=CALLERS,
        text="scope not in self.service.scopes",
        instead="scope == ''",
        breaks="every service may do everything",
        caught_by="tests/integration/test_create_session.py::test_a_named_service_may_do_what_its_scopes_say",
    ),
    Mutant(
        file=CALLERS,
        text="            if hmac.compare_digest(given, known.encode())\n",
        instead="            if given is not None\n",
        breaks="whatever is sent as a service token opens every balance",
        caught_by=f"{BAD}::test_a_wrong_service_token_is_401",
    ),
    Mutant(
        file="base/text.py",
        text='re.compile(r"[1-9][0-9]{0,18}", re.ASCII)',
        instead='re.compile(r"[0-9]{1,19}")',
        breaks="two texts name one user",
        caught_by=f"{BAD}::test_a_sub_that_is_no_user_is_401",
    ),
    Mutant(
        file="base/user_ids.py",
        text="    return None if found == NIL else found\n",
        instead="    return found\n",
        breaks="nobody checks the entries of a user",
        caught_by="tests/unit/checkout/test_user_ids.py::test_an_id_in_json_has_one_type_and_one_form",
    ),
    Mutant(
        file="release/application_users.py",
        text="    if not column.is_unique or not column.is_not_null:\n",
        instead="    if not column.is_not_null:\n",
        breaks="one credit reaches all members of an organisation",
        caught_by="tests/integration/test_adoption.py"
        "::test_what_could_lose_or_double_money_is_refused_with_nothing_changed",
    ),
    Mutant(
        file="release/application_users.py",
        text="        if depth == _DEPTH_OF_COLUMNS:\n",
        instead="        if depth:\n",
        breaks="the id of a view is taken for that of another table in its conditions",
        caught_by="tests/integration/test_adoption.py"
        "::test_what_could_lose_or_double_money_is_refused_with_nothing_changed",
    ),
    Mutant(
        file=ACCOUNTS,
        text="if row is None or row.user_id != user_id:",
        instead="if row is None:",
        breaks="a user reads somebody else's payment",
        caught_by=f"{OF_ACCOUNTS}::test_somebody_elses_session_is_not_there_either",
    ),
    Mutant(
        file="payments/table.py",
        text='" WHERE user_id = %s AND (%s::bigint IS NULL OR id < %s) ORDER BY id DESC LIMIT %s",',
        instead='" WHERE %s IS NOT NULL AND (%s::bigint IS NULL OR id < %s) ORDER BY id DESC LIMIT %s",',
        breaks="a user reads everybody's payments",
        caught_by=f"{OF_ACCOUNTS}::test_transactions_come_newest_first_in_pages",
    ),
    Mutant(
        file=COMMAND,
        text="    if plan is not None and not given.yes and not confirm(plan):\n",
        instead="    if plan is not None and not given.yes and confirm(plan) is None:\n",
        breaks="money is moved although the operator said no",
        caught_by="tests/integration/test_operations.py::test_what_changes_money_asks_first",
    ),
    Mutant(
        file=COMMAND,
        text="    if verb.changes is Changes.BY_DECISION and given.operator is None:\n",
        instead="    if False:\n",
        breaks="nobody knows who decided it",
        caught_by="tests/integration/test_journal.py::test_nobody_decides_without_a_name",
    ),
]
