"""Currencies: their decimals, the limits of a charge, and how an amount is written.

Amounts are integers in the currency's smallest unit everywhere. The limits are those of
https://docs.stripe.com/currencies.
"""


def _codes(text: str) -> frozenset[str]:
    return frozenset(text.split())


CURRENCIES = _codes(
    """
    aed afn all amd ang aoa ars aud awg azn bam bbd bdt bgn bhd bif bmd bnd bob brl bsd bwp byn bzd
    cad cdf chf clp cny cop crc cve czk djf dkk dop dzd egp etb eur fjd fkp gbp gel gip gmd gnf gtq
    gyd hkd hnl htg huf idr ils inr isk jmd jod jpy kes kgs khr kmf krw kwd kyd kzt lak lbp lkr lrd
    lsl mad mdl mga mkd mmk mnt mop mur mvr mwk mxn myr mzn nad ngn nio nok npr nzd omr pab pen pgk
    php pkr pln pyg qar ron rsd rub rwf sar sbd scr sek sgd shp sle sos srd std szl thb tjs tnd top
    try ttd twd tzs uah ugx usd uyu uzs vnd vuv wst xaf xcd xof xpf yer zar zmw
    """
)
ZERO_DECIMAL = _codes("bif clp djf gnf jpy kmf krw mga pyg rwf vnd vuv xaf xof xpf")
THREE_DECIMAL = _codes("bhd jod kwd omr tnd")
STEPS = dict.fromkeys(THREE_DECIMAL, 10) | dict.fromkeys(_codes("isk ugx"), 100)
"""The factor of every amount: these two currencies have two decimals, which are always 00."""
SYMBOLS = {"eur": "€", "usd": "$", "gbp": "£", "jpy": "¥", "inr": "₹", "krw": "₩", "ils": "₪", "vnd": "₫"}

MAXIMUM = 99_999_999
MINIMUMS = dict.fromkeys(
    _codes("ars aud brl cad chf cop eur idr ils inr jpy krw nzd php rub sgd usd zar"), 50
) | {
    **dict.fromkeys(_codes("aed myr pln ron"), 200),
    **dict.fromkeys(_codes("nok sek"), 300),
    **dict.fromkeys(_codes("mxn thb"), 1000),
    "bgn": 100,
    "czk": 1500,
    "dkk": 250,
    "gbp": 30,
    "hkd": 400,
    "huf": 17500,
}


def minimum(currency: str) -> int:
    """The smallest amount that Stripe charges in this currency, or 1 if it publishes none."""
    return MINIMUMS.get(currency, 1)


def step(currency: str) -> int:
    return STEPS.get(currency, 1)


def decimals(currency: str) -> int:
    if currency in ZERO_DECIMAL:
        return 0
    return 3 if currency in THREE_DECIMAL else 2


def display(amount: int, currency: str) -> str:
    """`€5.00`, `¥500`, `−€5.00`, `5.00 CHF`."""
    places = decimals(currency)
    whole, fraction = divmod(abs(amount), 10**places)
    number = f"{whole:,}" + (f".{fraction:0{places}d}" if places else "")
    sign = "−" if amount < 0 else ""
    symbol = SYMBOLS.get(currency)
    return f"{sign}{symbol}{number}" if symbol else f"{sign}{number} {currency.upper()}"
