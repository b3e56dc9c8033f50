"""What a process is given, and what answers it, is of its own release."""

import importlib
from typing import Any

from checkout.base.errors import CheckoutError


def own(system: object, name: str) -> Any:
    """The module of this name, `sessions.session_request`, of the release that the system is of."""
    return importlib.import_module(f"{type(system).__module__.partition('.')[0]}.{name}")


def as_ours(error: Exception) -> CheckoutError | None:
    """The error of any release as this one's nearest; None if it is none of its interface."""
    if isinstance(error, CheckoutError):
        return error
    for kind in type(error).__mro__:
        package, _, name = kind.__module__.partition(".")
        if package.startswith("checkout"):
            known = getattr(importlib.import_module(f"checkout.{name}"), kind.__name__, None)
            if known is not None and issubclass(known, CheckoutError):
                made: CheckoutError = known.__new__(known, *error.args)
                vars(made).update(vars(error))
                return made
    return None
