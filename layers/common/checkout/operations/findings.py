"""The findings of `verify`. Pure."""

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

SAMPLES = 10

Row = Mapping[str, Any]


@dataclass(slots=True)
class Finding:
    """The result of one check. An offence must never occur; anything else is for a person to know.

    `accepted` are those that a person has judged and left as they are: they are not in `count`.
    """

    name: str
    is_offence: bool
    has_alarm: bool = True
    count: int = 0
    accepted: int = 0
    samples: list[Row] = field(default_factory=list)


class Findings:
    """The findings of a run, by name; also the checks that found nothing."""

    def __init__(self, findings: Collection[Finding], accepted: Mapping[str, tuple[str, Row]]) -> None:
        """`accepted` has names and facts, by the ids of samples."""
        self._by_name = {finding.name: finding for finding in findings}
        self._accepted = accepted

    def __iter__(self) -> Iterator[Finding]:
        return iter(self._by_name.values())

    def add(self, name: str, *found: Row) -> None:
        """Count these. Each has an id that stands for exactly its facts: if they change, it is another."""
        for facts in found:
            self._add(self._by_name[name], facts)

    def _add(self, finding: Finding, facts: Row) -> None:
        is_sample = len(finding.samples) < SAMPLES
        finding_id = id_of(finding.name, facts) if is_sample or self._accepted else None
        if finding_id in self._accepted:
            finding.accepted += 1
            return
        finding.count += 1
        if is_sample:
            finding.samples.append({"finding": finding_id, **facts})

    def accepted(self, name: str) -> list[Row]:
        """The facts of those of this name that a person has accepted. If Stripe moves money afterwards, an
        adjustment that was right then is too much."""
        return [facts for one, facts in self._accepted.values() if one == name]

    def report(self, name: str, count: int, samples: Collection[Row]) -> None:
        """Set the result of a check that has counted already; there is nothing to accept."""
        finding = self._by_name[name]
        finding.count, finding.samples = count, list(samples)


def id_of(name: str, facts: Row) -> str:
    """12 hexadecimal digits."""
    content = json.dumps([name, facts], sort_keys=True, default=str)
    return sha256(content.encode()).hexdigest()[:12]
