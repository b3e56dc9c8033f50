"""What `smoke` asks of a running stack, on AWS or on this machine."""

from collections.abc import Iterator
from typing import Any, Protocol

from checkout.base.config import Config


class System(Protocol):
    """A running stack."""

    @property
    def api_url(self) -> str: ...

    @property
    def stripe_api_url(self) -> str | None:
        """None means Stripe itself."""

    @property
    def config(self) -> Config:
        """The functions' settings, without the secrets."""

    @property
    def webhook_sources(self) -> str:
        """The addresses that webhooks must come from; empty means any."""

    @property
    def signs_tokens(self) -> bool:
        """False if an identity provider alone signs the users' tokens: then smoke cannot make one."""

    def secret(self, name: str) -> str:
        """Raises SmokeFailed if the secret is not configured."""

    def operate(self, verb: str, *arguments: str) -> dict[str, Any]:
        """The result of a verb of the operations. Raises SmokeFailed if it was refused."""

    def checks(self) -> Iterator[tuple[str, str | None]]:
        """The platform's own checks: what was checked, and the problem or None."""
