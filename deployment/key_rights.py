"""What a restricted key of Stripe's must be allowed to read: docs/stripe.md has it all."""

from collections.abc import Callable

import stripe

RESTRICTED = ("rk_test_", "rk_live_")


def lacking(client: stripe.StripeClient, say: Callable[[str], None]) -> list[str]:
    """The resources that the key may not read, by their names in Stripe's form for restricted keys.

    What it may write is not tried, since that would leave something at Stripe. Raises stripe.StripeError.
    """
    v1 = client.v1
    found = []
    for resource, try_it in (
        ("Checkout Sessions", lambda: v1.checkout.sessions.list({"limit": 1})),
        ("PaymentIntents", lambda: v1.payment_intents.list({"limit": 1})),
        ("Charges and Refunds", lambda: v1.refunds.list({"limit": 1})),
        ("Disputes", lambda: v1.disputes.list({"limit": 1})),
        ("Events", lambda: v1.events.list({"limit": 1})),
        (
            "Balance transaction sources",
            lambda: v1.balance_transactions.list({"limit": 1, "expand": ["data.source"]}),
        ),
    ):
        try:
            try_it()
        except stripe.PermissionError:
            found.append(resource)
        except stripe.AuthenticationError as error:
            if "IP address" not in str(error.user_message):
                raise
            # Stripe can bind a key to the functions' addresses.
            say("what the key may read could not be tried: Stripe takes it from other addresses only")
            break
    return found
