"""What every wiring has: parts that are made when they are first asked for, in time for the first event."""

from abc import ABC, abstractmethod
from collections.abc import Collection
from contextlib import suppress
from typing import Any

from checkout.base import snapshot
from checkout.base.config import Config
from checkout.base.errors import CheckoutError


class Wiring(ABC):
    """Making it opens no connection and reads no secret; its attributes are the parts, each made once."""

    def __init__(self, config: Config, **overrides: Any) -> None:
        """`overrides` replace attributes by name."""
        if unknown := [name for name in overrides if not hasattr(type(self), name)]:
            raise TypeError(f"{type(self).__name__} has no {', '.join(unknown)}.")
        self.config = config
        vars(self).update(overrides)

    def prepare(self, *attributes: str, rarely: Collection[str] = ()) -> None:
        """Import and make, in Lambda's init phase, what the first event needs, without asking anybody.

        What few events need (`rarely`) is left to the first of them if an event waits for the init phase.
        What cannot be made yet is left to the first event, which has an answer for a wrong setting.
        """
        snapshot.prepare(self.close)
        with snapshot.lasting(), self.config.unread_secrets():
            for attribute in (*attributes, *(rarely if self.config.is_initialized_ahead else ())):
                with suppress(CheckoutError):
                    getattr(self, attribute)

    @abstractmethod
    def close(self) -> None:
        """End all connections. What is used again connects again."""
