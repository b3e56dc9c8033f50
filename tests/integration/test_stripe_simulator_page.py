"""The hosted page, as a browser without JavaScript and as a script use it."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from html.parser import HTMLParser

import pytest
import requests

from tests.support.stripe_simulator import Simulator

LAST_YEAR = datetime.now(UTC).year - 1


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    with Simulator(tmp_path_factory.mktemp("stripe")) as running:
        yield running


class Elements(HTMLParser):
    """Every start tag with its attributes."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.found if name == tag]


def page(simulator: Simulator, session_id: str) -> requests.Response:
    return requests.get(f"{simulator.url}/c/pay/{session_id}", timeout=10)


def test_the_form_names_what_a_browser_fills_in(simulator: Simulator) -> None:
    session = simulator.create_session(customer_email="a@example.com")
    response = page(simulator, session.id)
    elements = Elements(response.text)

    assert str(session.url) == f"{simulator.url}/c/pay/{session.id}"
    assert [form["action"] for form in elements.of("form")] == [f"/c/pay/{session.id}"]
    fields = {one.get("autocomplete"): one for one in elements.of("input") if one.get("autocomplete")}
    assert {name: one["name"] for name, one in fields.items()} == {
        "email": "email",
        "cc-number": "card_number",
        "cc-exp": "card_expiry",
        "cc-csc": "card_cvc",
        "cc-name": "name",
    }
    assert fields["email"]["value"] == "a@example.com"
    radios = [one for one in elements.of("input") if one["name"] == "payment_method"]
    assert [one["value"] for one in radios] == ["card", "bank_debit_succeeds", "bank_debit_fails"]
    assert ["checked" in one for one in radios] == [True, False, False]
    assert {"href": session.cancel_url} in elements.of("a")
    assert "Pay €5.00</button>" in response.text
    assert not elements.of("script")
    assert not elements.of("style")
    policy = response.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "form-action 'self' http://127.0.0.1:9996" in policy


def test_the_stylesheet_is_served(simulator: Simulator) -> None:
    response = requests.get(f"{simulator.url}/c/checkout.css", timeout=10)
    assert (response.status_code, response.headers["Content-Type"]) == (200, "text/css; charset=utf-8")


def test_what_the_caller_wrote_is_text_and_not_markup(simulator: Simulator) -> None:
    price = {"currency": "eur", "unit_amount": 500, "product_data": {"name": "<script>alert(1)</script>"}}
    session = simulator.create_session(line_items=[{"price_data": price, "quantity": 1}])
    text = page(simulator, session.id).text
    assert "<script>" not in text
    assert "&lt;script&gt;" in text
    refused = simulator.pay(session, '"><script>', name='"><script>')
    assert "<script>" not in refused.text


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"card_number": ""}, "Your card number is incomplete."),
        ({"card_number": "4242 4242 4242 4241"}, "Your card number is invalid."),
        ({"card_number": "4242 4242 4242 424²"}, "Your card number is invalid."),
        ({"card_number": "4111 1111 1111 1111"}, "Your card was declined."),
        ({"card_expiry": f"12 / {LAST_YEAR}"}, "expiration date is in the past"),
        ({"card_expiry": f"12/{LAST_YEAR % 100}"}, "expiration date is in the past"),
        ({"card_expiry": "13 / 34"}, "expiration date is incomplete"),
        ({"card_expiry": "12"}, "expiration date is incomplete"),
        ({"card_expiry": "123"}, "expiration date is incomplete"),
        ({"card_expiry": "12 3 4"}, "expiration date is incomplete"),
        ({"card_cvc": "12"}, "security code is incomplete"),
        ({"email": "nobody"}, "email is incomplete"),
        ({"payment_method": "cowries"}, "Choose one of the payment methods."),
    ],
)
def test_a_field_that_is_wrong_is_told_on_the_page(
    simulator: Simulator, fields: dict[str, str], message: str
) -> None:
    session = simulator.create_session()
    response = simulator.pay(session, **{"card_number": "4242424242424242", "name": "Ada", **fields})

    assert response.status_code == 400
    assert message in response.text
    assert 'role="alert"' in response.text
    assert 'value="Ada"' in response.text
    assert simulator.client.v1.checkout.sessions.retrieve(session.id).payment_intent is None


def test_a_decline_stays_on_the_page(simulator: Simulator) -> None:
    session = simulator.create_session()
    response = simulator.pay(session, "4000 0000 0000 0002")
    assert response.status_code == 402
    assert '<p role="alert" id="problem">Your card has been declined.</p>' in response.text
    assert 'value="4000 0000 0000 0002"' in response.text


def test_valid_fields_are_kept_on_the_payment(simulator: Simulator) -> None:
    session = simulator.create_session()
    simulator.pay(session, card_expiry="01 / 44", card_cvc="123", name="Ada", email="ada@example.com")
    paid = simulator.client.v1.checkout.sessions.retrieve(
        session.id, {"expand": ["payment_intent.latest_charge"]}
    ).to_dict()
    assert (paid["customer_details"]["name"], paid["customer_details"]["email"]) == ("Ada", "ada@example.com")
    card = paid["payment_intent"]["latest_charge"]["payment_method_details"]["card"]
    assert (card["exp_month"], card["exp_year"], card["last4"]) == (1, 2044, "4242")


@pytest.mark.parametrize(
    ("typed", "expiry"),
    [
        ("1234", (12, 2034)),
        ("12/34", (12, 2034)),
        ("12 / 34", (12, 2034)),
        ("12 34", (12, 2034)),
        ("12 / 2034", (12, 2034)),
        ("122034", (12, 2034)),
        ("0134", (1, 2034)),
        ("1/34", (1, 2034)),
        ("134", (1, 2034)),
        ("934", (9, 2034)),
    ],
)
def test_an_expiry_needs_no_slash(simulator: Simulator, typed: str, expiry: tuple[int, int]) -> None:
    session = simulator.create_session()
    assert simulator.pay(session, card_expiry=typed).status_code == 303
    paid = simulator.client.v1.checkout.sessions.retrieve(
        session.id, {"expand": ["payment_intent.latest_charge"]}
    ).to_dict()
    card = paid["payment_intent"]["latest_charge"]["payment_method_details"]["card"]
    assert (card["exp_month"], card["exp_year"]) == expiry


def test_twenty_submissions_at_once_pay_once(simulator: Simulator) -> None:
    session = simulator.create_session()
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: simulator.pay(session), range(20)))

    assert {answer.status_code for answer in answers} == {303}
    intent = str(simulator.client.v1.checkout.sessions.retrieve(session.id).payment_intent)
    assert len(simulator.client.v1.charges.list({"payment_intent": intent}).data) == 1


def test_a_complete_session_says_so_and_leads_on(simulator: Simulator) -> None:
    session = simulator.create_session()
    simulator.pay(session)
    response = page(simulator, session.id)
    assert "already submitted" in response.text
    assert Elements(response.text).of("a")[0]["href"] == str(session.success_url).replace(
        "{CHECKOUT_SESSION_ID}", session.id
    )
    assert simulator.client.v1.checkout.sessions.retrieve(session.id).url is None


def test_an_expired_session_takes_no_money(simulator: Simulator) -> None:
    session = simulator.create_session()
    simulator.pay(session, "4000000000000002")
    expired = simulator.client.v1.checkout.sessions.expire(session.id)
    assert expired.status == "expired"
    assert simulator.client.v1.payment_intents.retrieve(str(expired.payment_intent)).status == "canceled"
    for response in (page(simulator, session.id), simulator.pay(session)):
        assert response.status_code == 410
        assert "expired" in response.text


def test_an_unknown_session_is_404(simulator: Simulator) -> None:
    session = simulator.create_session()
    session.id = "cs_test_none"
    assert page(simulator, "cs_test_none").status_code == 404
    assert simulator.pay(session).status_code == 404


def test_a_session_for_cards_alone_offers_no_bank_debit(simulator: Simulator) -> None:
    session = simulator.create_session(payment_method_types=["card"])
    assert "bank_debit" not in page(simulator, session.id).text
    assert simulator.pay(session, payment_method="bank_debit_succeeds").status_code == 400
