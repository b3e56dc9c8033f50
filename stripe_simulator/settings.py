"""What the simulator can be told when it starts."""

from dataclasses import dataclass, field
from pathlib import Path

from stripe_simulator.addresses import name_in

API_VERSION = "2026-10-28.endive"


@dataclass(frozen=True)
class Settings:
    """All durations are seconds. Stripe's days are compressed to minutes, its minutes to seconds."""

    data: Path
    public_url: str = "http://127.0.0.1:9997"
    endpoint_url: str | None = None
    endpoint_secret: str | None = field(default=None, repr=False)
    allowed_hosts: frozenset[str] = frozenset()
    """Names that this server may be asked under, next to those of loopback and of `public_url`."""
    allowed_endpoints: frozenset[str] = frozenset()
    """Names of machines that webhooks may go to, next to loopback and that of `endpoint_url`."""
    debit_seconds: float = 3.0
    """From the customer's bank debit to its settlement or failure."""
    refund_seconds: float = 3.0
    """From a refund's first status to its second, where the test card gives it two."""
    dispute_seconds: float = 1.0
    """From the charge to its dispute, and from the evidence to the verdict."""
    retry_base_seconds: float = 1.0
    retry_cap_seconds: float = 20.0
    retry_for_seconds: float = 3600.0
    """How long an unanswered webhook is tried again; stands for Stripe's three days."""
    webhook_timeout_seconds: float = 20.0
    redirect_wait_seconds: float = 10.0
    """How long the page waits for the webhook's answer before it sends the customer to `success_url`."""

    @property
    def hosts(self) -> frozenset[str]:
        return self.allowed_hosts | {name_in(self.public_url)}

    @property
    def endpoints(self) -> frozenset[str]:
        return self.allowed_endpoints | ({name_in(self.endpoint_url)} if self.endpoint_url else frozenset())
