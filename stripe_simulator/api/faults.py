"""Faults of the API on request, to test its callers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Fault:
    """Affects the next `times` requests with this method and path in one way:

    `status`: answered with this error and without effect (from 500 on replayed like any answer);
    `timeout_seconds`: executed, and answered after this time;
    `drop_after_effect`: executed and not answered: the connection is closed.
    """

    path_prefix: str
    method: str | None = None
    status: int | None = None
    timeout_seconds: float = 0.0
    drop_after_effect: bool = False
    times: int = 1

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> "Fault":
        """Raises `ValueError` if the values are not a fault's."""
        try:
            fault = cls(**body)
        except TypeError as error:
            raise ValueError(f"a fault has path_prefix, times and what goes wrong: {error}") from error
        if not isinstance(fault.path_prefix, str) or not _is_count(fault.times):
            raise ValueError("path_prefix must be a string, times an integer from 1 on")
        if (fault.status is not None) + bool(fault.timeout_seconds) + bool(fault.drop_after_effect) != 1:
            raise ValueError("a fault has one of status, timeout_seconds, drop_after_effect")
        if fault.status is not None and not (_is_count(fault.status) and 400 <= fault.status <= 599):
            raise ValueError("status must be 400 … 599")
        if not isinstance(fault.timeout_seconds, int | float):
            raise ValueError("timeout_seconds must be a number")
        return fault


def _is_count(value: object) -> bool:
    return isinstance(value, int) and value >= 1


@dataclass
class Faults:
    pending: list[Fault] = field(default_factory=list)

    def take(self, method: str, path: str) -> Fault | None:
        """The fault for this request, whose `times` are reduced by one."""
        for fault in self.pending:
            if path.startswith(fault.path_prefix) and fault.method in (None, method):
                fault.times -= 1
                if fault.times <= 0:
                    self.pending.remove(fault)
                return fault
        return None
