"""What a world's application sells."""

from fractions import Fraction

import pytest

from checkout.base.config import Config
from simulation.processes import ENVIRONMENT
from simulation.swarm import of
from simulation.terms import LIMITED, PLAIN, PRICED, SHORT, Terms


@pytest.mark.parametrize("terms", [PLAIN, SHORT, *PRICED, *LIMITED])
def test_the_code_takes_the_settings(terms: Terms) -> None:
    config = Config({**ENVIRONMENT, **terms.settings})
    config.check()
    assert {one.amount_cents: one.credit_cents for one in config.offers} == terms.offers
    assert (config.credit_per_cent, config.offers_only) == (terms.per_cent, terms.offers_only)
    assert config.session_minutes == terms.session_minutes


def test_what_is_credited() -> None:
    terms = Terms(offers={500: 550}, per_cent=Fraction(1, 3))
    assert [terms.promised(amount) for amount in (500, 700)] == [550, 233]
    assert terms.credit(500, 250) == 275
    assert terms.sells(700)
    assert not Terms(offers={500: 550}, offers_only=True).sells(700)


def test_a_priced_world_has_no_restores() -> None:
    swarms = [of(seed) for seed in range(1, 200)]
    priced = [one for one in swarms if not one.terms.is_plain]
    assert 20 < len(priced) < 100
    assert not any("restore" in one.weights for one in priced)
    assert any("restore" in one.weights for one in swarms)
