"""Prices as they are set: what a session is asked for, and when migrate refuses them."""

import json
import time
from collections.abc import Iterator
from uuid import uuid4

import pytest

from checkout.base.errors import ConfigurationError
from checkout.base.postgres import Database
from checkout.base.user_ids import BIGINT
from checkout.release.migrate import MIGRATIONS, Migrate, for_ids
from tests.support.functions import Functions, another_database, query
from tests.support.stripe_simulator import Simulator

LIST = json.dumps([{"amount_cents": 1000, "credit_cents": 1100, "label": "+10 %"}])
BRINGS_PRICES = "checkout/0014_price.sql"


def test_the_list_and_the_rate_decide_what_is_credited(fns: Functions, stripe: Simulator) -> None:
    with fns.set(PRICES=LIST, CREDIT_PER_CENT="1/10"):
        for amount, credit in ((1000, 1100), (999, 99)):
            created = fns.create({"amount_cents": amount}).json
            row = fns.row(created["request_id"])
            assert created["credit_cents"] == row["credit_cents"] == credit
            assert (row["amount_cents"], row["metadata"]["credit_cents"]) == (amount, str(credit))
            session = stripe.get(f"/v1/checkout/sessions/{created['session_id']}")
            assert (session["amount_subtotal"], session["metadata"]["credit_cents"]) == (amount, str(credit))


def test_once_it_was_asked_for_settings_do_not_matter(fns: Functions, stripe: Simulator) -> None:
    with fns.set(PRICES=LIST):
        created = fns.create({"amount_cents": 1000, "request_id": str(uuid4())}).json
    again = fns.create({"amount_cents": 1000, "request_id": created["request_id"]}).json
    assert again == created


def test_other_amounts_are_refused_with_the_list(fns: Functions, stripe: Simulator) -> None:
    with fns.set(PRICES=LIST, PRICES_ONLY="true"):
        answer = fns.create({"amount_cents": 500})
    assert answer.status == 400
    assert answer.json["detail"] == "amount_cents must be one of 1000."
    assert answer.json["prices"] == json.loads(LIST)
    assert fns.checkout("SELECT 1 FROM checkout_transactions") == []


def test_what_cannot_be_used_is_a_503_that_names_it(fns: Functions, stripe: Simulator) -> None:
    with fns.set(PRICES="[]"):
        answer = fns.create({"amount_cents": 500})
    assert answer.status == 503
    assert "PRICES" in answer.json["detail"]


def test_stripe_s_own_switches_are_stored_and_sent(fns: Functions, stripe: Simulator) -> None:
    options = {"locale": "de", "submit_type": "pay"}
    with fns.set(STRIPE_SESSION_OPTIONS=json.dumps(options)):
        created = fns.create({"amount_cents": 500}).json
    assert options.items() <= fns.row(created["request_id"])["stripe_parameters"].items()
    session = stripe.get(f"/v1/checkout/sessions/{created['session_id']}")
    assert options.items() <= session.items()


def test_when_a_session_expires_is_computed_anew_for_a_new_idempotency_key(
    fns: Functions, stripe: Simulator
) -> None:
    request_id = str(uuid4())
    asked = {"amount_cents": 500, "request_id": request_id}

    def expires_at() -> int | None:
        parameters = fns.row(request_id)["stripe_parameters"]
        assert "expires_at" in parameters
        moment: int | None = parameters["expires_at"]
        return moment

    with fns.set(SESSION_EXPIRES_IN_MINUTES="31"):
        stripe.fault(path_prefix="/v1/checkout/sessions", status=500, times=20)
        assert fns.create(asked).status == 502
        assert expires_at() is None
        stripe.clear_faults()
        began = int(time.time())
        created = fns.create(asked)
    assert created.status == 201
    first = expires_at()
    assert first is not None
    assert 0 <= first - began - 31 * 60 < 60
    session = stripe.get(f"/v1/checkout/sessions/{created.json['session_id']}")
    assert session["expires_at"] == first


def test_a_retry_with_the_same_key_sends_what_is_stored_and_one_that_is_too_old_gets_a_new_one(
    fns: Functions, stripe: Simulator
) -> None:
    """Stripe was away, so the key was not used up; by then the time is less than half an hour away."""
    request_id = str(uuid4())
    asked = {"amount_cents": 500, "request_id": request_id}
    with fns.set(SESSION_EXPIRES_IN_MINUTES="31"):
        stripe.fault(path_prefix="/v1/checkout/sessions", status=429, times=20)
        assert fns.create(asked).status == 502
        stripe.clear_faults()
        soon = int(time.time()) + 600
        fns.checkout(
            "UPDATE checkout_transactions"
            " SET stripe_parameters = stripe_parameters || jsonb_build_object('expires_at', %s::int)",
            (soon,),
        )
        assert fns.create(asked).status == 502
        assert fns.row(request_id)["stripe_attempt"] == 2
        assert fns.create(asked).status == 201
    assert fns.row(request_id)["stripe_parameters"]["expires_at"] > soon + 600


@pytest.fixture
def older(databases: tuple[str, str]) -> Iterator[str]:
    """The URL of a database of the release before."""
    with another_database(databases[0], "older") as url:
        query(
            url,
            "CREATE TABLE schema_migrations (name TEXT PRIMARY KEY, applied_at TIMESTAMPTZ DEFAULT now())",
        )
        for path in sorted((MIGRATIONS / "checkout").glob("*.sql")):
            migration = f"checkout/{path.name}"
            if migration < BRINGS_PRICES:
                query(url, for_ids(BIGINT, path.read_text()).replace("%", "%%"))
                query(url, "INSERT INTO schema_migrations VALUES (%s)", (migration,))
        yield url


def migrate(url: str, *prices: str) -> list[str]:
    database = Database(lambda: url)
    try:
        return Migrate(database, database, "tests", prices)()
    finally:
        database.close()


def test_prices_are_refused_in_the_run_that_adds_their_columns_to_payments(older: str) -> None:
    query(
        older,
        "INSERT INTO checkout_transactions (request_id, user_id, amount_cents, currency, purpose, status)"
        " VALUES ('r1', 1, 500, 'eur', 'balance_topup', 'session_pending')",
    )
    with pytest.raises(
        ConfigurationError, match="PRICES, CREDIT_PER_CENT can be set with the next deployment"
    ):
        migrate(older, "PRICES", "CREDIT_PER_CENT")
    assert query(older, "SELECT 1 FROM schema_migrations WHERE name = %s", (BRINGS_PRICES,)) == []
    assert BRINGS_PRICES in migrate(older)
    assert migrate(older, "PRICES") == []


def test_without_payments_prices_can_be_set_at_once(older: str) -> None:
    assert BRINGS_PRICES in migrate(older, "PRICES")
