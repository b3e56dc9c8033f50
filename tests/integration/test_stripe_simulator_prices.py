"""The simulator's tax, coupons, promotion codes and settlement, with the official client and by the page."""

from collections.abc import Iterator
from typing import Any

import pytest
import requests
import stripe

from tests.support.stripe_simulator import Simulator, session_params
from tests.support.waiting import eventually


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    with Simulator(tmp_path_factory.mktemp("stripe"), dispute_seconds=0.05, debit_seconds=0.05) as running:
        yield running


def taxed(behavior: str, **params: Any) -> Any:
    asked = session_params(1000, automatic_tax={"enabled": True}, **params)
    asked["line_items"][0]["price_data"]["tax_behavior"] = behavior
    return asked


def code(simulator: Simulator, name: str, **terms: Any) -> stripe.PromotionCode:
    """A promotion code of a new coupon."""
    limits = {key: terms.pop(key) for key in ("restrictions", "active") if key in terms}
    discount: Any = terms or {"percent_off": 20}
    coupon = simulator.client.v1.coupons.create(discount)
    wanted: Any = {"promotion": {"type": "coupon", "coupon": coupon.id}, "code": name, **limits}
    return simulator.client.v1.promotion_codes.create(wanted)


def session(simulator: Simulator, session_id: str) -> dict[str, Any]:
    found: dict[str, Any] = simulator.get(f"/v1/checkout/sessions/{session_id}")
    return found


def totals(found: dict[str, Any]) -> tuple[int, ...]:
    """Subtotal, discount, tax and total."""
    details = found["total_details"]
    return found["amount_subtotal"], details["amount_discount"], details["amount_tax"], found["amount_total"]


def charged(simulator: Simulator, session_id: str) -> dict[str, Any]:
    intent = session(simulator, session_id)["payment_intent"]
    [charge] = simulator.get("/v1/charges", payment_intent=intent)["data"]
    return dict(charge)


def apply(simulator: Simulator, session_id: str, typed: str) -> requests.Response:
    return requests.post(
        f"{simulator.url}/c/pay/{session_id}", data={"promotion_code": typed, "apply": "yes"}, timeout=10
    )


@pytest.mark.parametrize(
    ("behavior", "expected"), [("exclusive", (1000, 0, 200, 1200)), ("inclusive", (1000, 0, 167, 1000))]
)
def test_tax_is_known_once_the_customer_pays(
    simulator: Simulator, behavior: str, expected: tuple[int, ...]
) -> None:
    made = simulator.client.v1.checkout.sessions.create(taxed(behavior))
    before = session(simulator, made.id)
    assert totals(before) == (1000, 0, 0, 1000)
    assert before["automatic_tax"]["status"] == "requires_location_inputs"
    page = requests.get(f"{simulator.url}/c/pay/{made.id}", timeout=10).text
    assert f"Pay €{expected[3] / 100:.2f}</button>" in page
    assert ("Tax:" if behavior == "exclusive" else "Tax, included:") in page

    assert simulator.pay(made).status_code == 303

    paid = session(simulator, made.id)
    assert (totals(paid), paid["automatic_tax"]["status"]) == (expected, "complete")
    assert charged(simulator, made.id)["amount"] == expected[3]
    [item] = simulator.get(f"/v1/checkout/sessions/{made.id}/line_items")["data"]
    assert (item["amount_tax"], item["price"]["tax_behavior"]) == (expected[2], behavior)


@pytest.mark.parametrize(
    ("params", "param"),
    [
        (session_params(automatic_tax={"enabled": True}), "tax_behavior"),
        (session_params(allow_promotion_codes=True, discounts=[{"coupon": "x"}]), "allow_promotion_codes"),
        (session_params(discounts=[{"coupon": "unknown"}]), "No such coupon"),
        (session_params(discounts=[{"promotion_code": "unknown"}]), "invalid"),
        (session_params(discounts=[{"coupon": "x"}, {"coupon": "y"}]), "one element"),
    ],
)
def test_contradictions_are_refused(simulator: Simulator, params: Any, param: str) -> None:
    with pytest.raises(stripe.InvalidRequestError, match=param):
        simulator.client.v1.checkout.sessions.create(params)


def test_a_discount_that_leaves_too_little_is_refused(simulator: Simulator) -> None:
    coupon = simulator.client.v1.coupons.create({"percent_off": 99})
    with pytest.raises(stripe.InvalidRequestError, match=r"less than €0.50"):
        simulator.create_session(1000, discounts=[{"coupon": coupon.id}])


def test_the_discount_of_a_session_is_taken_off_at_once(simulator: Simulator) -> None:
    coupon = simulator.client.v1.coupons.create({"amount_off": 300, "currency": "eur"})
    made = simulator.create_session(1000, discounts=[{"coupon": coupon.id}])
    assert (made.amount_subtotal, made.amount_total) == (1000, 700)
    assert simulator.pay(made).status_code == 303
    assert charged(simulator, made.id)["amount"] == 700
    assert simulator.client.v1.coupons.retrieve(coupon.id).times_redeemed == 1


def test_a_code_is_applied_and_removed_on_the_page(simulator: Simulator) -> None:
    promotion = code(simulator, "SAVE20")
    made = simulator.create_session(1000, allow_promotion_codes=True)

    applied = apply(simulator, made.id, "save20")
    assert applied.status_code == 200
    assert "Discount: −€2.00" in applied.text
    assert "Pay €8.00</button>" in applied.text
    found = session(simulator, made.id)
    assert totals(found) == (1000, 200, 0, 800)
    assert found["discounts"] == [{"coupon": promotion.promotion.coupon, "promotion_code": promotion.id}]

    assert "Pay €10.00</button>" in apply(simulator, made.id, "").text
    assert session(simulator, made.id)["discounts"] == []


def test_a_script_types_code_and_card_at_once(simulator: Simulator) -> None:
    promotion = code(simulator, "ONCE", percent_off=50, max_redemptions=1)
    made = [simulator.create_session(1000, allow_promotion_codes=True) for _ in range(2)]
    assert simulator.pay(made[0], promotion_code="ONCE").status_code == 303
    assert charged(simulator, made[0].id)["amount"] == 500
    assert simulator.client.v1.promotion_codes.retrieve(promotion.id).times_redeemed == 1
    refused = simulator.pay(made[1], promotion_code="ONCE")
    assert (refused.status_code, "This code has expired." in refused.text) == (400, True)


@pytest.mark.parametrize(
    ("name", "terms"),
    [
        ("UNKNOWN", None),
        ("INACTIVE", {"active": False}),
        ("LARGE", {"restrictions": {"minimum_amount": 1001, "minimum_amount_currency": "eur"}}),
        ("DOLLARS", {"amount_off": 100, "currency": "usd"}),
        ("NEARLY", {"percent_off": 99}),
    ],
)
def test_a_code_that_cannot_be_used_is_told_and_nothing_is_paid(
    simulator: Simulator, name: str, terms: dict[str, Any] | None
) -> None:
    if terms is not None:
        code(simulator, name, **terms)
    made = simulator.create_session(1000, allow_promotion_codes=True)
    for answer in (apply(simulator, made.id, name), simulator.pay(made, promotion_code=name)):
        assert answer.status_code == 400
        assert '<p role="alert" id="problem">' in answer.text
        assert f'value="{name}" aria-invalid="true"' in answer.text
    found = session(simulator, made.id)
    assert (found["payment_intent"], found["discounts"]) == (None, [])


def test_a_session_without_promotion_codes_has_no_input_and_takes_none(simulator: Simulator) -> None:
    code(simulator, "FORALL")
    made = simulator.create_session(1000)
    assert "promotion_code" not in requests.get(f"{simulator.url}/c/pay/{made.id}", timeout=10).text
    assert apply(simulator, made.id, "FORALL").status_code == 400


@pytest.mark.parametrize("is_declined_first", [False, True])
def test_a_code_for_everything_needs_no_card_and_makes_no_payment_intent(
    simulator: Simulator, is_declined_first: bool
) -> None:
    name = f"FREE{is_declined_first}"
    code(simulator, name, percent_off=100)
    made = simulator.client.v1.checkout.sessions.create(taxed("exclusive", allow_promotion_codes=True))
    if is_declined_first:
        assert simulator.pay(made, "4000000000000002").status_code == 402
    intent = session(simulator, made.id)["payment_intent"]
    page = apply(simulator, made.id, name).text
    assert "Complete order</button>" in page
    assert "card_number" not in page

    assert simulator.pay(made, "").status_code == 303

    found = session(simulator, made.id)
    assert (found["status"], found["payment_status"]) == ("complete", "no_payment_required")
    assert (totals(found), found["payment_intent"]) == ((1000, 1000, 0, 0), None)
    if intent:
        assert simulator.get(f"/v1/payment_intents/{intent}")["status"] == "canceled"


def test_a_code_after_a_declined_card_changes_what_the_next_one_pays(simulator: Simulator) -> None:
    code(simulator, "AFTERWARDS")
    made = simulator.create_session(1000, allow_promotion_codes=True)
    assert simulator.pay(made, "4000000000000002").status_code == 402
    assert simulator.pay(made, promotion_code="AFTERWARDS").status_code == 303
    intent = simulator.get(f"/v1/payment_intents/{session(simulator, made.id)['payment_intent']}")
    assert (intent["amount"], intent["amount_received"]) == (800, 800)


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"amount_off": 100},
        {"amount_off": 100, "currency": "eur", "percent_off": 10},
        {"percent_off": 0},
        {"percent_off": 100.5},
        {"amount_off": 105, "currency": "kwd"},
        {"percent_off": 10, "redeem_by": 1},
    ],
)
def test_a_coupon_that_makes_no_sense_is_refused(simulator: Simulator, params: Any) -> None:
    with pytest.raises(stripe.InvalidRequestError):
        simulator.client.v1.coupons.create(params)


def test_codes_can_be_ended(simulator: Simulator) -> None:
    promotion = code(simulator, "ENDS")
    with pytest.raises(stripe.InvalidRequestError, match="already exists"):
        code(simulator, "ends")
    assert [one.id for one in simulator.client.v1.promotion_codes.list({"code": "ENDS"})] == [promotion.id]
    simulator.client.v1.promotion_codes.update(promotion.id, {"active": False})
    made = simulator.create_session(1000, allow_promotion_codes=True)
    assert apply(simulator, made.id, "ENDS").status_code == 400
    assert not simulator.client.v1.promotion_codes.list({"active": True, "code": "ENDS"}).data
    gone = code(simulator, "GONE")
    simulator.client.v1.coupons.delete(str(gone.promotion.coupon))
    assert apply(simulator, made.id, "GONE").status_code == 400


def test_stripe_s_own_switches_are_kept(simulator: Simulator) -> None:
    switches: dict[str, Any] = {
        "billing_address_collection": "required",
        "consent_collection": {"terms_of_service": "required"},
        "phone_number_collection": {"enabled": True},
    }
    made = simulator.create_session(
        **switches,
        custom_text={"submit": {"message": "Thank you"}},
        invoice_creation={"enabled": True, "invoice_data": {"footer": "x"}},
        tax_id_collection={"enabled": True},
    )
    found = session(simulator, made.id)
    assert switches.items() <= found.items()
    assert found["custom_text"]["submit"] == {"message": "Thank you"}
    assert found["invoice_creation"]["enabled"]
    assert found["invoice_creation"]["invoice_data"]["footer"] == "x"
    assert found["tax_id_collection"] == {"enabled": True, "required": "never"}


@pytest.fixture
def dollars(simulator: Simulator) -> Iterator[None]:
    simulator.control("settlement", {"currency": "usd", "rate": 1.115})
    yield
    requests.delete(f"{simulator.url}/_simulator/settlement", timeout=10)


@pytest.mark.usefixtures("dollars")
def test_balance_transactions_are_in_the_currency_of_the_settlement(simulator: Simulator) -> None:
    made = simulator.create_session(1000)
    simulator.pay(made)
    charge = charged(simulator, made.id)
    refund = simulator.client.v1.refunds.create({"charge": charge["id"], "amount": 333})

    taken = simulator.get(f"/v1/balance_transactions/{charge['balance_transaction']}")
    given = simulator.get(f"/v1/balance_transactions/{refund.balance_transaction}")

    assert (charge["amount"], charge["currency"], refund.amount) == (1000, "eur", 333)
    assert (taken["amount"], taken["currency"], taken["exchange_rate"]) == (1115, "usd", 1.115)
    assert (taken["fee"], taken["net"]) == (45, 1070)
    assert (given["amount"], given["currency"]) == (-371, "usd")
    [detail] = taken["fee_details"]
    assert (detail["amount"], detail["currency"]) == (45, "usd")


@pytest.mark.usefixtures("dollars")
def test_so_are_those_of_disputes_and_the_rate_survives_a_restart(simulator: Simulator) -> None:
    made = simulator.create_session(1000)
    simulator.pay(made, "4000000000000259")
    simulator.stop()
    simulator.start()
    intent = session(simulator, made.id)["payment_intent"]

    def withdrawn() -> list[dict[str, Any]]:
        found = simulator.get("/v1/disputes", payment_intent=intent)["data"]
        return [movement for dispute in found for movement in dispute["balance_transactions"]]

    eventually(lambda: bool(withdrawn()), 10, withdrawn)
    assert [(one["amount"], one["currency"]) for one in withdrawn()] == [(-1115, "usd")]
    [dispute] = simulator.get("/v1/disputes", payment_intent=intent)["data"]
    assert (dispute["amount"], dispute["currency"]) == (1000, "eur")


@pytest.mark.usefixtures("dollars")
@pytest.mark.parametrize(("currency", "settled"), [("usd", 1000), ("jpy", 111_500), ("kwd", 112)])
def test_decimals_of_both_currencies_count(simulator: Simulator, currency: str, settled: int) -> None:
    price = {"currency": currency, "unit_amount": 1000, "product_data": {"name": "x"}}
    made = simulator.create_session(line_items=[{"price_data": price, "quantity": 1}])
    simulator.pay(made)
    booked = simulator.get(f"/v1/balance_transactions/{charged(simulator, made.id)['balance_transaction']}")
    assert (booked["amount"], booked["currency"]) == (settled, "usd")


@pytest.mark.parametrize(
    "body",
    [
        *({"currency": currency, "rate": 1} for currency in ("USD", "xyz", None, 5)),
        *({"currency": "usd", "rate": rate} for rate in (0, -1, "1.1", True, None, 10**6)),
        {},
    ],
)
def test_a_settlement_that_makes_no_sense_is_refused(simulator: Simulator, body: dict[str, Any]) -> None:
    answer = requests.post(f"{simulator.url}/_simulator/settlement", json=body, timeout=10)
    assert answer.status_code == 400
    assert requests.get(f"{simulator.url}/_simulator/settlement", timeout=10).json() == {
        "currency": None,
        "rate": None,
    }
