"""One mistake, written down so that it survives what is changed around it."""

import ast
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import count, islice
from pathlib import Path

from simulation import swarm
from simulation.running import ONE_IN, ONE_UPGRADED_IN, UPGRADED, is_upgraded

CHECKOUT = "layers/common/checkout"


MOST_WORLDS = 500


class Worlds(Enum):
    """In which worlds of the simulation a mistake must show."""

    SERIAL = "one process after the other"
    PRICED = "likewise, where something else than the money is credited"
    LIMITED = "likewise, where a user may begin few payments"
    RESTORED = "likewise, where databases are restored"
    DISCARDED = "likewise, where operators discard much"
    DISPUTED = "likewise, where much is disputed"
    SETTLED = "likewise, where Stripe settles in another currency"
    ORGANISATION = "likewise, where Stripe's events come from an organisation"
    ELSEWHERE = "likewise, where much is paid that was not begun here, and services ask"
    SMALL = "likewise, where a page has few rows"
    INTERLEAVED = "several processes at once: a lock is missing, or held"
    UPGRADED = "the release before works at first, until this one is deployed"

    @property
    def seeds(self) -> Sequence[int]:
        """See simulation/running.py."""
        if self is Worlds.INTERLEAVED:
            return range(10, 10 * MOST_WORLDS + 1, 10)
        if self is Worlds.UPGRADED:
            return range(UPGRADED, ONE_UPGRADED_IN * MOST_WORLDS, ONE_UPGRADED_IN)
        return [*islice(filter(self._has, count(1)), MOST_WORLDS)]

    def _has(self, seed: int) -> bool:
        chosen = swarm.of(seed)
        has = {
            Worlds.PRICED: not chosen.terms.is_plain,
            Worlds.LIMITED: chosen.terms.is_limited,
            Worlds.RESTORED: {"restore", "back up"} <= chosen.weights.keys(),
            Worlds.DISCARDED: _is_frequent("discard", chosen),
            Worlds.DISPUTED: _is_frequent("dispute", chosen) and _is_frequent("move dispute", chosen),
            Worlds.SETTLED: chosen.settles_elsewhere,
            Worlds.ORGANISATION: chosen.is_in_organisation,
            Worlds.SMALL: chosen.page is not None,
            Worlds.ELSEWHERE: _is_frequent("pay elsewhere", chosen)
            and _is_frequent("ask through Kafka", chosen),
        }
        return seed % ONE_IN > 0 and not is_upgraded(seed) and has.get(self, True)


def _is_frequent(act: str, chosen: swarm.Swarm) -> bool:
    """More than in worlds that are about nothing."""
    return chosen.weights.get(act, 0) > 2 * swarm.WEIGHTS[act]


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    file: str
    """Its path below `layers/common/checkout`."""
    text: str
    """What stands there exactly once."""
    instead: str

    @property
    def path(self) -> Path:
        """From the root of the project."""
        return Path(CHECKOUT, self.file)

    def applied(self, content: str) -> str:
        """The file with the change. Raises Unusable, saying what the list must be adapted to."""
        if self.text == self.instead:
            raise Unusable(f"{self.file}: the mutant {self.text!r} changes nothing")
        if (found := content.count(self.text)) != 1:
            raise Unusable(f"{self.file} has {self.text!r} {found} times, and not once")
        changed = content.replace(self.text, self.instead)
        if self.path.suffix == ".py":
            try:
                ast.parse(changed)
            except SyntaxError as error:
                raise Unusable(f"{self.file}: {self.instead!r} makes no Python: {error}") from error
        return changed


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant(Change):
    breaks: str
    """What goes wrong then, in a sentence."""
    caught_by: str | None = None
    """The test that fails then: `tests/integration/test_delivery.py::test_name`. None if only worlds show it.
    """
    worlds: Worlds | None = None
    """None if the simulation has no part in what goes wrong then."""
    also: Sequence[Change] = ()
    """What is changed with it: the second guard, without which nothing shows that the first one is gone. The
    changes are made one after the other."""

    @property
    def changes(self) -> Sequence[Change]:
        return self, *self.also


class Unusable(Exception):
    """The list does not go with the code any more."""


def mutated(mutant: Mutant, root: Path) -> dict[Path, str]:
    """By path from the root, what its files then have. Raises FileNotFoundError, Unusable."""
    contents: dict[Path, str] = {}
    for change in mutant.changes:
        content = contents[change.path] if change.path in contents else (root / change.path).read_text()
        contents[change.path] = change.applied(content)
    return contents


def unusable(mutants: list[Mutant], root: Path) -> list[str]:
    """What must be adapted before these mutants can be tried on the project in this folder."""
    complaints = []
    for mutant in mutants:
        try:
            mutated(mutant, root)
        except FileNotFoundError as error:
            complaints.append(
                f"there is no {Path(error.filename).relative_to(root)}: adapt the list of mutants"
            )
        except Unusable as reason:
            complaints.append(
                f"{reason}: adapt the list of mutants (the one that breaks this: {mutant.breaks})"
            )
        if mutant.caught_by is None and mutant.worlds is None:
            complaints.append(f"nothing catches it: {mutant.breaks}")
        if mutant.caught_by is not None and not _exists(root, mutant.caught_by):
            complaints.append(f"there is no {mutant.caught_by}: adapt the list of mutants")
    return complaints


def _exists(root: Path, node_id: str) -> bool:
    file, _, test = node_id.partition("::")
    if not (root / file).is_file():
        return False
    tree = ast.parse((root / file).read_text())
    return any(isinstance(node, ast.FunctionDef) and node.name == test for node in tree.body)
