"""The settings of prices: what is read, and what is refused with the setting's name."""

import json
from fractions import Fraction

import pytest

from checkout.base.config import Config
from checkout.base.errors import ConfigurationError, InvalidRequest
from checkout.base.price_settings import SWITCHES, Offer, set_in
from checkout.payments.price import Price
from checkout.sessions.session_request import SessionRequest
from checkout.sessions.stripe_parameters import stripe_parameters

LIST = json.dumps(
    [
        {"amount_cents": 1000, "credit_cents": 1100, "label": "+10 %"},
        {"amount_cents": 5000, "credit_cents": 6000},
    ]
)


def config(**settings: str) -> Config:
    return Config(settings)


def asked(amount_cents: int, config: Config, purpose: str = "balance_topup") -> Price:
    return SessionRequest(1, amount_cents, None, None, purpose).price(config)


def test_they_are_read() -> None:
    given = config(PRICES=LIST, CREDIT_PER_CENT="1/10", SESSION_EXPIRES_IN_MINUTES="31", PRICES_ONLY="true")
    given.check()
    assert given.offers == (Offer(1000, 1100, "+10 %"), Offer(5000, 6000))
    assert (given.credit_per_cent, given.session_minutes, given.offers_only) == (Fraction(1, 10), 31, True)
    assert set_in(given.environment) == ["PRICES", "CREDIT_PER_CENT"]
    assert set_in({"STRIPE_SESSION_OPTIONS": "{}", "PRICES": " "}) == ["STRIPE_SESSION_OPTIONS"]


def test_without_them_the_credit_is_the_price() -> None:
    given = config()
    given.check()
    assert asked(500, given) == Price(500, 500)
    assert set_in(given.environment) == []


@pytest.mark.parametrize(
    ("rate", "amount", "credit"), [("100", 500, 50_000), ("1/10", 509, 50), ("3/2", 501, 751)]
)
def test_a_rate_is_rounded_down(rate: str, amount: int, credit: int) -> None:
    assert asked(amount, config(CREDIT_PER_CENT=rate)) == Price(amount, credit)


def test_the_list_wins_over_the_rate() -> None:
    given = config(PRICES=LIST, CREDIT_PER_CENT="100")
    assert asked(1000, given) == Price(1000, 1100)
    assert asked(1001, given) == Price(1001, 100_100)


def test_other_amounts_than_the_list_s_are_refused_with_the_list() -> None:
    given = config(PRICES=LIST, PRICES_ONLY="true")
    with pytest.raises(InvalidRequest, match=r"amount_cents must be one of 1000, 5000\.") as refused:
        asked(500, given)
    assert refused.value.more["prices"] == [
        {"amount_cents": 1000, "credit_cents": 1100, "label": "+10 %"},
        {"amount_cents": 5000, "credit_cents": 6000, "label": None},
    ]


def test_what_credits_nothing_is_refused() -> None:
    given = config(CREDIT_PER_CENT="1/1000")
    with pytest.raises(InvalidRequest, match="amount_cents must be at least 1000"):
        asked(999, given)
    assert asked(1000, given) == Price(1000, 1)


def test_another_purpose_has_no_credit_of_its_own() -> None:
    given = config(PRICES=LIST, PRICES_ONLY="true", CREDIT_PER_CENT="100")
    assert asked(1000, given, "order") == Price(1000, 1000)
    assert asked(777, given, "order") == Price(777, 777)


OURS = stripe_parameters(
    SessionRequest(1, 500, None, None, customer_email="a@example.com"),
    "r1",
    Price(500, 500),
    config(SESSION_EXPIRES_IN_MINUTES="31", CHECKOUT_APP_ID="tests"),
    origin="https://example.com",
    now=0,
)
"""What we send ourselves."""


def entry(**fields: object) -> str:
    return json.dumps([{"amount_cents": 1000, "credit_cents": 1100, **fields}])


@pytest.mark.parametrize(
    "settings",
    [
        *({"PRICES": text} for text in ("1000", "{}", "[]", "[1]", "[", '[{"amount_cents": 1000}]')),
        *({"PRICES": entry(amount_cents=amount)} for amount in (0, -1, 1.5, "1000", True, 2**63, 10**9, 49)),
        *({"PRICES": entry(credit_cents=credit)} for credit in (0, 2**63, None)),
        *({"PRICES": entry(label=label)} for label in ("", 5, "x" * 41, "\0")),
        {"PRICES": entry(currency="eur")},
        {"PRICES": json.dumps([{"amount_cents": 1000, "credit_cents": n} for n in (1, 2)])},
        {"PRICES": '[{"amount_cents": 1000, "amount_cents": 1000, "credit_cents": 1}]'},
        {"PRICES": "[" + " " * 1500 + "]"},
        *({"PRICES": entry(amount_cents=1005), "BALANCE_CURRENCY": code} for code in ("isk", "ugx", "kwd")),
        {"PRICES_ONLY": "true"},
        {"PRICES_ONLY": "yes"},
        *({"CREDIT_PER_CENT": rate} for rate in ("0", "-1", "1.5", "1/0", "1/10/2", "a", "1" * 10, "٣")),
        {"CREDIT_PER_CENT": "999999999", "MAX_AMOUNT_CENTS": str(10**12)},
        {"CREDIT_PER_CENT": "1/1001", "MAX_AMOUNT_CENTS": "1000"},
        *(
            {"STRIPE_SESSION_OPTIONS": text}
            for text in ("[]", "1", "{", '{"mode": "setup"}', '{"line_items": []}')
        ),
        *(
            {"STRIPE_SESSION_OPTIONS": json.dumps({name: {}})}
            for name in (*OURS, "customer", "optional_items", "shipping_options", "after_expiration")
        ),
        {"STRIPE_SESSION_OPTIONS": json.dumps({"custom_text": "x" * 1500})},
        {"STRIPE_SESSION_OPTIONS": json.dumps({"automatic_tax": {"enabled": True}})},
        {"STRIPE_SESSION_OPTIONS": json.dumps({"automatic_tax": True}), "PRICE_TAX_BEHAVIOR": "inclusive"},
        {
            "STRIPE_SESSION_OPTIONS": json.dumps(
                {"allow_promotion_codes": True, "discounts": [{"coupon": "x"}]}
            )
        },
        {"PRICE_TAX_BEHAVIOR": "unspecified"},
        {"PRICE_TAX_CODE": "10000000"},
        *({"SESSION_EXPIRES_IN_MINUTES": text} for text in ("30", "1440", "-31", "31.5", "a")),
    ],
    ids=str,
)
def test_what_is_refused_at_start_is_named(settings: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError, match=f"^{next(iter(settings))} "):
        config(**settings).check()


def test_a_json_setting_may_have_1500_characters() -> None:
    for name, text in (("PRICES", LIST), ("STRIPE_SESSION_OPTIONS", '{"locale": "de"}')):
        config(**{name: text[0] + " " * (1500 - len(text)) + text[1:]}).check()
        with pytest.raises(ConfigurationError, match=f"^{name} has more than 1500 characters"):
            config(**{name: text[0] + " " * (1501 - len(text)) + text[1:]}).check()


def test_a_rate_that_credits_nothing_is_none_only_beside_a_list() -> None:
    config(CREDIT_PER_CENT="1/1001", MAX_AMOUNT_CENTS="1000", PRICES=LIST.replace("5000", "100")).check()
    config(CREDIT_PER_CENT="1/1000", MAX_AMOUNT_CENTS="1000").check()


def test_all_of_stripe_s_switches_are_passed_on() -> None:
    for name in SWITCHES - {"automatic_tax"}:
        config(STRIPE_SESSION_OPTIONS=json.dumps({name: True})).check()
    tax = json.dumps({"automatic_tax": {"enabled": True}})
    config(STRIPE_SESSION_OPTIONS=tax, PRICE_TAX_BEHAVIOR="exclusive").check()
