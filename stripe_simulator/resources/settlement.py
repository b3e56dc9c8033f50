"""The currency in which Stripe settles with the account, if that is not the payment's.

`POST /_simulator/settlement` sets it. Stripe takes it from the account's bank accounts, and the rate from the
market; here it stays what was set, so a test knows the sums.
"""

from fractions import Fraction

from stripe_simulator import money
from stripe_simulator.storage.transaction import Json, Transaction

KIND = ID = "simulator.settlement"


def current(transaction: Transaction) -> Json | None:
    """`currency` and `rate`; None if everything is settled in its own currency."""
    return transaction.find(KIND, ID)


def settle_in(transaction: Transaction, currency: str, rate: float) -> None:
    """One unit of another currency, such as one euro, is worth `rate` of this one from now on."""
    transaction.put(
        {"id": ID, "object": KIND, "created": transaction.now, "currency": currency, "rate": rate}
    )


def clear(transaction: Transaction) -> None:
    transaction.delete(ID)


def converted(transaction: Transaction, amount: int, currency: str) -> tuple[int, str, float | None]:
    """The signed amount in the currency of the settlement, that currency, and the rate; None if it is the
    same."""
    found = current(transaction)
    if found is None or found["currency"] == currency:
        return amount, currency, None
    scale = Fraction(10) ** (money.decimals(found["currency"]) - money.decimals(currency))
    settled = int(abs(amount) * Fraction(str(found["rate"])) * scale + Fraction(1, 2))
    return (-settled if amount < 0 else settled), found["currency"], found["rate"]
