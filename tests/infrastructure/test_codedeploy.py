"""The hook judges the versions that get traffic, in whatever order CloudFormation updates the stack."""

import copy

import pytest

from checkout.release.versions import Versions
from tests.infrastructure import transformed
from tests.infrastructure.codedeploy import ARN, HOOK, Stack

TEMPLATE = transformed.resolved(transformed.document(), Profile="prod")
ORDERS = range(40)


def stack(broken: frozenset[tuple[str, str]] = frozenset()) -> Stack:
    made = Stack(copy.deepcopy(TEMPLATE), broken)
    made.create("a")
    return made


def judged_functions() -> set[str]:
    between = TEMPLATE["Resources"][HOOK]["Properties"]["Environment"]["Variables"]["NEW_VERSIONS"]
    return {
        TEMPLATE["Resources"][one["Ref"]]["Properties"]["FunctionName"]["Ref"]
        for one in between["Fn::Join"][1]
    }


def unjudged(made: Stack) -> list[str]:
    """Functions that got traffic on a version that their hook had not asked."""
    names = judged_functions()
    return [
        one.function
        for one in made.shifts
        if one.function in names and f"{ARN}{one.function}:{one.version}" not in (one.judged or ())
    ]


def test_a_fit_release_goes_live_in_every_order() -> None:
    for order in ORDERS:
        made = stack()

        assert made.update("b", order, counts_policies=True), order
        assert unjudged(made) == []
        assert {function.versions[function.live - 1] for function in made.functions.values()} == {"b"}


@pytest.mark.parametrize("name", sorted(judged_functions()))
def test_one_bad_version_keeps_all_of_its_release_from_traffic(name: str) -> None:
    for order in range(5):
        made = stack(frozenset({(name, "b")}))

        assert not made.update("b", order, counts_policies=True)
        assert [one for one in made.shifts if one.judged is not None] == []


def test_a_hook_of_the_release_before_lets_nothing_through() -> None:
    """If CloudFormation did not count the reference from an alias's policy to the hook."""
    outcomes = set()
    for order in ORDERS:
        made = stack()
        outcomes.add(made.update("b", order, counts_policies=False))

        assert unjudged(made) == [], order
    assert False in outcomes, "no order had an alias shift before its hook was updated"


def test_without_the_comparison_old_versions_would_be_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    ask = Versions.ask

    def credulous(self: Versions, arn: str, event: dict[str, str], deadline: float) -> str | None:
        reason = ask(self, arn, event, deadline)
        return None if reason is not None and "is of release" in reason else reason

    monkeypatch.setattr(Versions, "ask", credulous)
    passed = []
    for order in ORDERS:
        made = stack()
        made.update("b", order, counts_policies=False)
        passed += unjudged(made)

    assert passed != []
