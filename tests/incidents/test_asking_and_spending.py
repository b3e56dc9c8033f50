"""A session that could not be begun, a success that was none, and a balance that was spent twice.

| incident | what happened | safeguard |
|---|---|---|
| onetimesecret/onetimesecret #2605, vendurehq/vendure #2364 | one idempotency key for all attempts of a day, with other parameters: Stripe refused | the key is the request's, and its parameters are stored with it |
| odoo/odoo #107723 | the key of an attempt that had failed was used again, and so was its error | after an error that Stripe answered, the next attempt has a key of its own |
| woocommerce/woocommerce-gateway-stripe #2723, odoo/odoo #227688 | amounts in UGX that Stripe does not take | known rules of a currency are checked before Stripe is asked |
| Clawdi-AI/clawdi #355 | a top-up was shown as complete before anything was charged | `credited` is what the ledger says |
| Climactic/laravel-credits #20 | the lock on the latest ledger row excluded nobody, so a movement was lost | the user's row is locked |
| BerriAI/litellm #34732 | requests at once all passed the check before any was recorded | check and debit are one statement under the lock |
| Significant-Gravitas/AutoGPT #11143 | everybody waited for one lock | a user whose row is held is skipped, and the others are credited |
| stripe/stripe-node #1768, stripe/stripe-node #356, serverless/serverless #537 | a gateway or parser changed the body, so no signature was right | the signature is over the bytes that arrived |
| marmot-protocol/mdk #993 | a command printed control characters out of records | what is printed of a record only shows |
"""  # noqa: E501

import base64
import json
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import psycopg2
import pytest

from checkout.base import postgres, timing
from tests.support import functions
from tests.support.functions import Functions, finished
from tests.support.inbox import outcome
from tests.support.published import Published
from tests.support.second_connection import second_connection, waiting
from tests.support.stripe_events import encoded, event, session_object, signature
from tests.support.stripe_simulator import Simulator
from tests.support.terminal import Terminal

SESSIONS = "/v1/checkout/sessions"
ESCAPES = "r\x1b[2J\x1b]52;c;aGk=\x07\nok       nothing to see\u202e"


def spend(fns: Functions, key: str, amount_cents: int) -> bool:
    """Return False if the balance is too small."""
    try:
        fns.application("SELECT ledger_move(%s, 1, %s, 'eur', 'order')", (key, -amount_cents))
    except psycopg2.errors.CheckViolation:
        return False
    return True


def test_two_attempts_on_one_day(fns: Functions, stripe: Simulator) -> None:
    """onetimesecret/onetimesecret #2605, vendurehq/vendure #2364: the idempotency key stayed the same all day
    while the parameters changed, so Stripe refused the second checkout."""
    first = fns.create({"amount_cents": 500, "request_id": str(uuid4())})
    second = fns.create({"amount_cents": 700, "request_id": str(uuid4())})
    assert (first.status, second.status) == (201, 201)
    # The same request again sends what it sent before, whatever the settings are now.
    fns.set(PUBLIC_ORIGIN="https://moved.example.com")
    functions.forget_wiring()
    again = fns.create({"amount_cents": 700, "request_id": second.json["request_id"]})
    assert (again.status, again.json["session_id"]) == (200, second.json["session_id"])


def test_an_attempt_after_an_error(fns: Functions, stripe: Simulator) -> None:
    """odoo/odoo #107723: the attempt after one that had failed had the same idempotency key, and failed with
    it."""
    wanted = {"amount_cents": 500, "request_id": str(uuid4())}
    stripe.fault(path_prefix=SESSIONS, method="POST", status=500)
    assert fns.create(wanted).status == 502
    stripe.clear_faults()
    assert fns.create(wanted).status == 201


def test_an_amount_that_the_currency_does_not_have(fns: Functions, stripe: Simulator) -> None:
    """woocommerce/woocommerce-gateway-stripe #2723, odoo/odoo #227688: Stripe takes UGX in hundredths that
    must be whole hundreds, and the checkout failed there."""
    fns.set(BALANCE_CURRENCY="ugx", MIN_AMOUNT_CENTS="100")
    functions.forget_wiring()
    refused = fns.create({"amount_cents": 200_050})
    assert (refused.status, "multiple of 100" in refused.json["detail"]) == (400, True)
    assert fns.checkout("SELECT 1 FROM checkout_transactions") == []
    assert fns.create({"amount_cents": 200_000}).status == 201


def test_a_success_before_the_charge(fns: Functions, stripe: Simulator, published: Published) -> None:
    """Clawdi-AI/clawdi #355: the dialog said that the top-up was complete, and no card had been asked for."""
    begun = fns.create({"amount_cents": 500}).json
    path = {"request_id": begun["request_id"]}

    def credited() -> bool:
        return bool(fns.get("/checkout/sessions/{request_id}", path=path).json["credited"])

    assert not credited()
    assert outcome(fns, event(session_object(begun["request_id"], session_id=begun["session_id"])))
    assert not credited()
    assert published.balance() == 500
    assert credited()


def test_a_lock_that_excludes_nobody(fns: Functions, monkeypatch: pytest.MonkeyPatch) -> None:
    """Climactic/laravel-credits #20: two movements at once locked the latest row of the ledger, next to which
    each inserted its own, and one of them was lost."""
    monkeypatch.setitem(postgres.SESSION, "lock_timeout", "20s")
    functions.forget_wiring()
    fns.consume(finished())
    url = fns.settings["DATABASE_URL"]
    with second_connection(url) as other:
        other.execute("SELECT ledger_move('order:1', 1, -400, 'eur', 'order')")
        second = waiting(url, lambda: spend(fns, "order:2", 400))
        other.commit()
        assert second.result(20) is False
    assert fns.balance() == 100


def test_ten_at_once_with_money_for_five(fns: Functions) -> None:
    """BerriAI/litellm #34732: requests at once were all admitted, since each was checked before another's
    spending was recorded."""
    fns.consume(finished())
    with ThreadPoolExecutor(10) as pool:
        admitted = list(pool.map(lambda number: spend(fns, f"order:{number}", 100), range(10)))
    assert (sum(admitted), fns.balance()) == (5, 0)


def test_everybody_behind_one_lock(fns: Functions, monkeypatch: pytest.MonkeyPatch) -> None:
    """Significant-Gravitas/AutoGPT #11143: under load the credit operations waited for each other's lock for
    seconds, and failed."""
    monkeypatch.setitem(postgres.SESSION, "lock_timeout", "20s")
    monkeypatch.setattr(timing, "LOCKED_USERS", 20)
    functions.forget_wiring()
    fns.add_users(2, 3)
    url = fns.settings["DATABASE_URL"]
    batch = [finished(user_id=user_id) for user_id in (1, 2, 3)]
    with second_connection(url) as other:
        other.execute("SELECT 1 FROM users WHERE id = 2 FOR UPDATE")
        consuming = waiting(url, lambda: fns.consume(*batch))
        assert [fns.balance(user_id) for user_id in (1, 2, 3)] == [500, 0, 500]
        other.commit()
        assert consuming.result(20) == {"batchItemFailures": []}
    assert fns.balance(2) == 500


def test_a_body_that_the_gateway_encoded(fns: Functions, published: Published) -> None:
    """stripe/stripe-node #1768, stripe/stripe-node #356, serverless/serverless #537: what was verified was
    not what Stripe had signed, so every webhook was refused."""
    session = {**session_object(str(uuid4())), "customer_details": {"name": "Zoë  O'Neil"}}
    body = json.dumps(event(session), ensure_ascii=False, indent=2).encode()
    parsed_and_written_again = json.dumps(json.loads(body)).encode()
    assert fns.webhook(parsed_and_written_again, signature(body)).status == 400
    assert base64.b64encode(body) != body
    assert fns.webhook(body, as_base64=True).status == 200
    assert published.balance() == 500
    assert fns.webhook(encoded(event(session)), signature(body, "whsec_another")).status == 400


def test_a_record_that_writes_on_the_operators_terminal(
    fns: Functions, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """marmot-protocol/mdk #993: a command printed what others had written, with its escape sequences, so they
    could forge lines of its output."""
    fns.consume(finished(ESCAPES, user_id=404))
    terminal = Terminal(capsys, monkeypatch)
    assert terminal.run("parked", "list") == 0
    assert "nothing to see" in terminal.out
    assert [line for line in terminal.out.split("\n") if not line.isprintable()] == []
    assert not any(line.startswith("ok ") for line in terminal.out.split("\n"))
