"""The values in Secrets Manager, as this release wants them.

An earlier release kept all of them in the secret of the callers. Stripe's are copied to a secret of their own
and stay where they were: until traffic is shifted, and after a rollback, the functions of that release read
them there. If the process dies

- before the copy: nothing has changed, and the next run copies;
- after it: both have the values, and the next run finds nothing to copy.

Two runs at once copy the same. `make configure` takes Stripe's values out of the callers' secret.
"""

from checkout.base import telemetry
from checkout.base.config import Config
from checkout.base.settings import OF_CALLERS, OF_STRIPE

_GENERATED = ("JWT_SECRET", "CHECKOUT_SERVICE_TOKEN")
_BESIDE_A_PROVIDER = ("CHECKOUT_SERVICE_TOKEN",)
"""With an identity provider no JWT_SECRET is generated: only the provider may sign users' tokens."""

STRIPE = "STRIPE_"
"""What the names of Stripe's values begin with, including those that only `make configure` reads."""


def complete(config: Config) -> None:
    """Generate what nobody gives us, copy what an earlier release kept elsewhere, and check all of it.

    Repeating it is harmless. Raises ConfigurationError, Unavailable.
    """
    callers, stripe = config.secrets_manager(OF_CALLERS), config.secrets_manager(OF_STRIPE)
    wanted = _GENERATED if config.jwt_jwks_url is None else _BESIDE_A_PROVIDER
    generated = callers.generate_missing(wanted) if callers else []
    copied = stripe.copy_missing(callers, STRIPE) if callers and stripe else []
    telemetry.logger.info("secrets are complete", extra={"generated": generated, "copied": copied})
    config.check()
