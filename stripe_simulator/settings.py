"""The simulator's settings."""

from dataclasses import dataclass, field
from pathlib import Path

from stripe_simulator.addresses import name_in

API_VERSION = "2026-10-28.endive"


@dataclass(frozen=True)
class Settings:
    """All durations are in seconds. Stripe's days are minutes here, and its minutes seconds."""

    data: Path
    public_url: str = "http://127.0.0.1:9997"
    endpoint_url: str | None = None
    endpoint_secret: str | None = field(default=None, repr=False)
    allowed_hosts: frozenset[str] = frozenset()
    """This server's names in addition to loopback and the host of `public_url`."""
    allowed_endpoints: frozenset[str] = frozenset()
    """Names of machines that may get webhooks, in addition to loopback and the host of `endpoint_url`."""
    debit_seconds: float = 3.0
    """From the customer's bank debit to its settlement or failure."""
    refund_seconds: float = 3.0
    """From a refund's first status to its second, if the test card gives it two."""
    dispute_seconds: float = 1.0
    """From the charge to its dispute, and from the evidence to the verdict."""
    retry_base_seconds: float = 1.0
    retry_cap_seconds: float = 20.0
    retry_for_seconds: float = 3600.0
    """How long an unanswered webhook is retried; stands for Stripe's three days."""
    webhook_timeout_seconds: float = 20.0
    redirect_wait_seconds: float = 10.0
    """The longest wait for the webhook's answer before the customer is sent to `success_url`."""

    @property
    def hosts(self) -> frozenset[str]:
        return self.allowed_hosts | {name_in(self.public_url)}

    @property
    def endpoints(self) -> frozenset[str]:
        return self.allowed_endpoints | ({name_in(self.endpoint_url)} if self.endpoint_url else frozenset())
