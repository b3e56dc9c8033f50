"""The fields of a record on one of our topics, with the types that its contract says."""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from checkout.base import strict_json, telemetry
from checkout.base.text import bigint_from_zero, identifier, is_storable, positive_bigint, request_identifier
from checkout.base.user_ids import UserId, UserIds

Given = ParamSpec("Given")
Result = TypeVar("Result")


class Unprocessable(ValueError):
    """A record that can never be applied; the text is the reason it is parked with."""


def reads_records(read: Callable[Given, Result]) -> Callable[Given, Result]:
    """The same, and all that it raises is Unprocessable: what it raises for a record, it raises each time. A
    defect of ours is logged."""

    @wraps(read)
    def guarded(*args: Given.args, **kwargs: Given.kwargs) -> Result:
        try:
            return read(*args, **kwargs)
        except Unprocessable:
            raise
        except Exception as error:
            telemetry.logger.error("a record cannot be decoded", extra=telemetry.origin(error))
            raise Unprocessable(f"cannot be decoded: {type(error).__name__}") from error

    return guarded


class Fields:
    """Unknown ones are ignored. Raises Unprocessable, naming the field, for whatever can never work."""

    def __init__(self, value: bytes) -> None:
        try:
            self._members = strict_json.object_from(value)
        except strict_json.NotJson as error:
            raise Unprocessable(str(error)) from error

    def __getitem__(self, name: str) -> object:
        """As it came; None where it is missing."""
        return self._members.get(name)

    @property
    def request_id(self) -> str:
        """In lower case."""
        request_id = request_identifier(self["request_id"])
        if request_id is None:
            raise Unprocessable("request_id must be a text of 1 to 255 characters")
        return request_id

    def user_id(self, user_ids: UserIds) -> UserId:
        value = user_ids.from_json(self["user_id"])
        if value is None:
            raise Unprocessable(f"user_id must be {user_ids.rule}")
        return value

    def positive_integer(self, name: str) -> int:
        value = positive_bigint(self[name])
        if value is None:
            raise Unprocessable(f"{name} must be an integer from 1 to 2^63-1")
        return value

    def total(self, name: str) -> int | None:
        value = bigint_from_zero(self[name])
        if value is None and self[name] is not None:
            raise Unprocessable(f"{name} must be an integer from 0 to 2^63-1, or null")
        return value

    def identifier(self, name: str) -> str | None:
        return self._identifier(name, self[name])

    def identifier_in_lower_case(self, name: str) -> str | None:
        value = self[name]
        # The text may grow by it.
        return self._identifier(name, value.lower() if isinstance(value, str) else value)

    def text(self, name: str) -> str | None:
        value = self[name]
        if value is None:
            return None
        if not isinstance(value, str) or not is_storable(value):
            raise Unprocessable(f"{name} must be a text without NUL or lone surrogates, or null")
        return value

    @staticmethod
    def _identifier(name: str, value: object) -> str | None:
        if value is None:
            return None
        if identifier(value) is None:
            raise Unprocessable(f"{name} must be a text of 1 to 255 characters, or null")
        return str(value)
