"""The parts of the model of Stripe."""

from dataclasses import dataclass
from math import inf

from simulation.stripe_model.account import Account
from simulation.stripe_model.keys import Keys
from simulation.stripe_model.lag import Lag
from simulation.stripe_model.refunding import Refunding

SECONDS_A_PAGE = 0.2


@dataclass(slots=True)
class StripeModel:
    """A page of a list takes `seconds_a_page`. Objects that are older than `unseen_seconds` are shown."""

    account: Account
    keys: Keys
    refunding: Refunding
    lag: Lag
    seconds_a_page: float = SECONDS_A_PAGE
    unseen_seconds: float = inf
