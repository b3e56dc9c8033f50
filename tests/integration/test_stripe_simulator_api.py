"""The API's rules: authentication, parameters, idempotency keys, lists."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests
import stripe

from tests.support.stripe_simulator import Simulator, WebhookEndpoint, session_params
from tests.support.waiting import eventually

LIVE_KEY = "sk_live_" + "abcdefghijkl"
FORM = {
    "mode": "payment",
    "success_url": "https://example.com/done",
    "line_items[0][price_data][currency]": "eur",
    "line_items[0][price_data][unit_amount]": "500",
    "line_items[0][price_data][product_data][name]": "500 coins",
}


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    with Simulator(tmp_path_factory.mktemp("stripe")) as running:
        yield running


def post(simulator: Simulator, form: dict[str, str], **headers: str) -> requests.Response:
    """Create a session without Stripe's client."""
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    address = f"{simulator.url}/v1/checkout/sessions"
    return requests.post(
        address, data=form, headers={"Authorization": "Bearer sk_test_x", **names}, timeout=10
    )


def error(response: requests.Response) -> dict[str, Any]:
    body: dict[str, Any] = response.json()["error"]
    assert body["message"]
    assert body["request_log_url"].endswith(response.headers["Request-Id"])
    return body


@pytest.mark.parametrize(
    "authorization",
    [None, "", "Bearer", f"Bearer {LIVE_KEY}", "Bearer pk_test_x", "Basic !", "Bearer sk_test_"],
)
def test_a_request_without_a_test_key_is_refused(simulator: Simulator, authorization: str | None) -> None:
    headers = {} if authorization is None else {"Authorization": authorization}
    response = requests.get(f"{simulator.url}/v1/events", headers=headers, timeout=10)

    assert response.status_code == 401
    assert error(response)["type"] == "invalid_request_error"
    assert LIVE_KEY not in response.text


def test_secret_and_restricted_test_keys_are_accepted_either_way(simulator: Simulator) -> None:
    for key in ("sk_test_a", "rk_test_b"):
        bearer = {"Authorization": f"bearer {key}"}
        assert requests.get(f"{simulator.url}/v1/events", headers=bearer, timeout=10).status_code == 200
        assert requests.get(f"{simulator.url}/v1/events", auth=(key, ""), timeout=10).status_code == 200


@pytest.mark.parametrize(
    ("change", "code", "param"),
    [
        ({"mode": None}, "parameter_missing", "mode"),
        ({"success_url": None}, "parameter_missing", "success_url"),
        ({"success_url": ""}, "parameter_invalid_empty", "success_url"),
        ({"success_url": "example.com"}, "url_invalid", "success_url"),
        ({"success_url": "ftp://example.com"}, "url_invalid", "success_url"),
        ({"colour": "red"}, "parameter_unknown", "colour"),
        ({"payment_intent_data[colour]": "red"}, "parameter_unknown", "payment_intent_data[colour]"),
        ({"mode": "barter"}, None, "mode"),
        ({"payment_intent_data": "x"}, None, "payment_intent_data"),
        ({"payment_method_types": "card"}, None, "payment_method_types"),
        ({"adaptive_pricing[enabled]": "yes"}, None, "adaptive_pricing[enabled]"),
        ({"client_reference_id": "x" * 201}, None, "client_reference_id"),
        ({"line_items[0][price_data][unit_amount]": "5.00"}, "parameter_invalid_integer",
         "line_items[0][price_data][unit_amount]"),
        ({"line_items[0][price_data][unit_amount]": "49"}, "amount_too_small", None),
        ({"line_items[0][price_data][unit_amount]": "100000000"}, "amount_too_large", None),
        ({"line_items[0][price_data][currency]": "xxx"}, None, "line_items[0][price_data][currency]"),
        ({"line_items[0][price_data][currency]": "isk", "line_items[0][price_data][unit_amount]": "550"},
         "invalid_charge_amount", "line_items[0][price_data][unit_amount]"),
        ({"line_items[0][price_data][currency]": "kwd", "line_items[0][price_data][unit_amount]": "5124"},
         "invalid_charge_amount", "line_items[0][price_data][unit_amount]"),
        ({"line_items[0][quantity]": "0"}, "parameter_invalid_integer", "line_items[0][quantity]"),
        ({"expires_at": "1"}, None, "expires_at"),
        ({"expires_at": "99999999999"}, None, "expires_at"),
        ({"metadata[" + "k" * 41 + "]": "v"}, None, "metadata"),
        ({"metadata[k]": "v" * 501}, None, "metadata[k]"),
        ({"metadata[k][l]": "v"}, None, "metadata[k]"),
        ({f"metadata[{n}]": "v" for n in range(51)}, None, "metadata"),
        ({"expand[0]": "customer.nothing.at.all.here.now"}, None, "expand"),
        ({"expand[0]": "amount_total"}, None, "expand[0]"),
        ({"a[b": "c"}, None, "a[b"),
    ],
)  # fmt: skip
def test_parameters_that_stripe_refuses(
    simulator: Simulator, change: dict[str, str | None], code: str | None, param: str | None
) -> None:
    form = {name: value for name, value in {**FORM, **change}.items() if value is not None}
    response = post(simulator, form)

    assert response.status_code == 400, response.text
    refusal = error(response)
    assert (refusal["type"], refusal.get("code"), refusal.get("param")) == (
        "invalid_request_error",
        code,
        param,
    )


def test_metadata_at_stripe_s_limits_is_kept(simulator: Simulator) -> None:
    metadata = {f"{n:040}": "ü" * 500 for n in range(50)}
    session = simulator.create_session(metadata=metadata)
    assert session.metadata
    assert session.metadata.to_dict() == metadata


def test_line_items_in_a_currency_without_decimals(simulator: Simulator) -> None:
    price = {"currency": "JPY", "unit_amount": 250, "product_data": {"name": "コイン"}}
    session = simulator.create_session(
        line_items=[{"price_data": price, "quantity": 2}], expand=["line_items"]
    )

    assert (session.currency, session.amount_total) == ("jpy", 500)
    assert session.line_items
    assert session.line_items.data[0].description == "コイン"
    assert "Pay ¥500<" in requests.get(str(session.url), timeout=10).text


def test_what_is_not_there_is_404(simulator: Simulator) -> None:
    missing = requests.get(
        f"{simulator.url}/v1/checkout/sessions/cs_none", auth=("sk_test_x", ""), timeout=10
    )
    assert missing.status_code == 404
    assert error(missing)["code"] == "resource_missing"
    for method, path in (("GET", "/v1/unicorns"), ("DELETE", "/v1/checkout/sessions")):
        response = requests.request(method, simulator.url + path, timeout=10)
        assert response.status_code == 404
        assert "Unrecognized request URL" in error(response)["message"]


def test_the_same_key_with_the_same_parameters_replays_the_answer(simulator: Simulator) -> None:
    first = post(simulator, FORM, Idempotency_Key="replayed")
    again = post(simulator, dict(reversed(FORM.items())), Idempotency_Key="replayed")

    assert (again.status_code, again.content) == (200, first.content)
    assert "Idempotent-Replayed" not in first.headers
    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.headers["Original-Request"] == first.headers["Request-Id"]
    assert again.headers["Request-Id"] != first.headers["Request-Id"]


def test_a_key_belongs_to_one_request(simulator: Simulator) -> None:
    session_id = post(simulator, FORM, Idempotency_Key="taken").json()["id"]

    for response in (
        post(simulator, {**FORM, "metadata[a]": "b"}, Idempotency_Key="taken"),
        requests.post(
            f"{simulator.url}/v1/checkout/sessions/{session_id}/expire",
            headers={"Authorization": "Bearer sk_test_x", "Idempotency-Key": "taken"},
            timeout=10,
        ),
    ):
        assert response.status_code == 400
        assert error(response)["type"] == "idempotency_error"
    with pytest.raises(stripe.IdempotencyError):
        simulator.client.v1.checkout.sessions.create(session_params(), {"idempotency_key": "taken"})


def test_a_refusal_for_its_parameters_does_not_use_a_key_up(simulator: Simulator) -> None:
    assert post(simulator, {**FORM, "colour": "red"}, Idempotency_Key="typo").status_code == 400
    assert post(simulator, FORM, Idempotency_Key="typo").status_code == 200


def test_an_error_after_execution_is_replayed(simulator: Simulator) -> None:
    session = simulator.create_session()
    simulator.client.v1.checkout.sessions.expire(session.id)
    for replayed in (None, "true"):
        response = requests.post(
            f"{simulator.url}/v1/checkout/sessions/{session.id}/expire",
            headers={"Authorization": "Bearer sk_test_x", "Idempotency-Key": "expire-again"},
            timeout=10,
        )
        assert (response.status_code, response.headers.get("Idempotent-Replayed")) == (400, replayed)


def test_keys_have_at_most_255_characters(simulator: Simulator) -> None:
    assert post(simulator, FORM, Idempotency_Key="k" * 255).status_code == 200
    assert post(simulator, FORM, Idempotency_Key="k" * 256).status_code == 400


def test_twenty_parallel_creations_with_one_key_make_one_session(simulator: Simulator) -> None:
    with ThreadPoolExecutor(20) as pool:
        responses = list(pool.map(lambda _: post(simulator, FORM, Idempotency_Key="parallel"), range(20)))

    assert {response.status_code for response in responses} <= {200, 409}
    assert len({response.json()["id"] for response in responses if response.status_code == 200}) == 1
    for response in responses:
        if response.status_code == 409:
            assert error(response)["code"] == "idempotency_key_in_use"


def test_the_official_client_gets_one_session_out_of_twenty_parallel_creations(simulator: Simulator) -> None:
    client = stripe.StripeClient(
        "sk_test_x", base_addresses={"api": simulator.url}, max_network_retries=5
    ).v1.checkout.sessions
    params = session_params()
    with ThreadPoolExecutor(20) as pool:
        made = pool.map(lambda _: client.create(params, {"idempotency_key": "official"}), range(20))
        assert len({session.id for session in made}) == 1


def test_a_server_error_is_replayed_until_the_key_changes(simulator: Simulator) -> None:
    simulator.control("faults", {"path_prefix": "/v1/checkout/sessions", "method": "POST", "status": 500})

    answers = [post(simulator, FORM, Idempotency_Key="broken") for _ in range(2)]

    assert [answer.status_code for answer in answers] == [500, 500]
    assert error(answers[0])["type"] == "api_error"
    assert answers[1].headers["Idempotent-Replayed"] == "true"
    assert post(simulator, FORM, Idempotency_Key="broken:2").status_code == 200


def test_a_rate_limit_is_not_remembered(simulator: Simulator) -> None:
    simulator.control("faults", {"path_prefix": "/v1/checkout", "status": 429, "times": 2})
    statuses = [post(simulator, FORM, Idempotency_Key="limited").status_code for _ in range(3)]
    assert statuses == [429, 429, 200]


def test_a_key_is_in_use_while_its_first_request_is_slow(simulator: Simulator) -> None:
    simulator.control("faults", {"path_prefix": "/v1/checkout/sessions", "timeout_seconds": 3})
    before = len(simulator.lines)
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(post, simulator, FORM, Idempotency_Key="slow")
        eventually(lambda: len(simulator.lines) > before, 20, lambda: simulator.lines)
        assert post(simulator, FORM, Idempotency_Key="slow").status_code == 409
        first = slow.result()
    again = post(simulator, FORM, Idempotency_Key="slow")
    assert (first.status_code, again.status_code, again.json()) == (200, 200, first.json())


def test_a_dropped_answer_leaves_its_effect_for_the_retry(simulator: Simulator) -> None:
    sessions = simulator.client.v1.checkout.sessions
    before = len(sessions.list({"limit": 100}).data)
    simulator.control("faults", {"path_prefix": "/v1/checkout/sessions", "drop_after_effect": True})

    with pytest.raises(requests.ConnectionError):
        post(simulator, FORM, Idempotency_Key="dropped")

    assert post(simulator, FORM, Idempotency_Key="dropped").headers["Idempotent-Replayed"] == "true"
    assert len(sessions.list({"limit": 100}).data) == before + 1


@pytest.mark.parametrize(
    "fault",
    [{}, {"path_prefix": "/v1"}, {"path_prefix": "/v1", "status": 200}, {"path_prefix": "/", "colour": 1},
     {"path_prefix": "/v1", "status": 500, "drop_after_effect": True}],
)  # fmt: skip
def test_what_is_no_fault_is_refused(simulator: Simulator, fault: dict[str, Any]) -> None:
    assert requests.post(f"{simulator.url}/_simulator/faults", json=fault, timeout=10).status_code == 400
    assert requests.get(f"{simulator.url}/_simulator/faults", timeout=10).json() == {"faults": []}


def test_faults_can_be_taken_back(simulator: Simulator) -> None:
    simulator.control("faults", {"path_prefix": "/v1", "status": 503, "times": 9})
    assert requests.delete(f"{simulator.url}/_simulator/faults", timeout=10).json() == {"faults": []}
    simulator.client.v1.events.list()


def test_expand_reaches_through_lists_and_objects(simulator: Simulator) -> None:
    session = simulator.create_session()
    simulator.pay(session)

    found = simulator.client.v1.checkout.sessions.list(
        {"limit": 1, "expand": ["data.payment_intent.latest_charge.balance_transaction", "data.line_items"]}
    ).to_dict()

    assert found["data"][0]["payment_intent"]["latest_charge"]["balance_transaction"]["net"] == 467
    assert found["data"][0]["line_items"]["data"][0]["amount_total"] == 500


def test_lists_are_read_in_pages_in_both_directions(simulator: Simulator) -> None:
    made = [simulator.create_session(client_reference_id=str(n)).id for n in range(25)]
    sessions = simulator.client.v1.checkout.sessions

    first = sessions.list({"limit": 10})
    assert ([one.id for one in first.data], first.has_more) == (made[:-11:-1], True)
    older = sessions.list({"limit": 10, "starting_after": made[15]})
    assert [one.id for one in older.data] == made[14:4:-1]
    newer = sessions.list({"limit": 3, "ending_before": made[20]})
    assert ([one.id for one in newer.data], newer.has_more) == ([made[23], made[22], made[21]], True)
    last = sessions.list({"limit": 10, "ending_before": made[20]})
    assert ([one.id for one in last.data], last.has_more) == (made[:20:-1], False)
    everything = [one.id for one in sessions.list({"limit": 7}).auto_paging_iter()]
    assert everything[:25] == made[::-1]
    assert len(set(everything)) == len(everything)


@pytest.mark.parametrize("query", ["limit=0", "limit=101", "limit=x", "starting_after=cs_none", "status=done",
                                   "created[after]=1", "starting_after=a&ending_before=b"])  # fmt: skip
def test_lists_that_stripe_refuses(simulator: Simulator, query: str) -> None:
    response = requests.get(
        f"{simulator.url}/v1/checkout/sessions?{query}", auth=("sk_test_x", ""), timeout=10
    )
    assert response.status_code in (400, 404)
    error(response)


def test_lists_are_filtered(simulator: Simulator) -> None:
    paid, expired = simulator.create_session(), simulator.create_session()
    simulator.pay(paid)
    simulator.client.v1.checkout.sessions.expire(expired.id)
    sessions = simulator.client.v1.checkout.sessions

    intent = str(sessions.retrieve(paid.id).payment_intent)
    assert [one.id for one in sessions.list({"payment_intent": intent}).data] == [paid.id]
    assert sessions.list({"status": "expired"}).data[0].id == expired.id
    assert sessions.list({"created": {"gt": paid.created + 1000}}).data == []
    assert paid.id in [one.id for one in sessions.list({"created": {"gte": paid.created}, "limit": 100}).data]
    assert sessions.list({"created": paid.created - 1000}).data == []
    events = simulator.client.v1.events
    assert events.list({"type": "checkout.session.expired"}).data[0].data.object["id"] == expired.id
    kinds = {event.type for event in events.list({"type": "payment_intent.*", "limit": 100}).data}
    assert kinds == {"payment_intent.created", "payment_intent.succeeded"}
    kinds = {event.type for event in events.list({"types": ["charge.succeeded"], "limit": 100}).data}
    assert kinds == {"charge.succeeded"}
    with pytest.raises(stripe.InvalidRequestError):
        events.list({"type": "charge.succeeded", "types": ["charge.failed"]})
    event = events.list({"limit": 1}).data[0]
    assert events.retrieve(event.id).to_dict() == event.to_dict()


def test_events_say_which_request_and_which_version_made_them(simulator: Simulator) -> None:
    session = simulator.create_session()
    older = stripe.StripeClient(
        "sk_test_x", base_addresses={"api": simulator.url}, stripe_version="2025-03-31.basil"
    )
    older.v1.checkout.sessions.expire(session.id, options={"idempotency_key": "expire-1"})

    event = simulator.client.v1.events.list({"type": "checkout.session.expired", "limit": 1}).data[0]

    assert event.api_version == "2025-03-31.basil"
    assert event.request
    assert str(event.request.id).startswith("req_")
    assert event.request.idempotency_key == "expire-1"


def test_a_version_that_is_none_is_refused(simulator: Simulator) -> None:
    assert post(simulator, FORM, Stripe_Version="one").status_code == 400


def test_webhook_endpoints_are_managed_and_their_secret_is_told_once(simulator: Simulator) -> None:
    endpoints = simulator.client.v1.webhook_endpoints
    with WebhookEndpoint() as listening:
        made = endpoints.create({"url": listening.url, "enabled_events": ["checkout.session.completed"]})
        assert str(made.secret).startswith("whsec_")
        assert "secret" not in endpoints.retrieve(made.id).to_dict()

        simulator.pay(simulator.create_session())
        (delivered,) = listening.received
        stripe.Webhook.construct_event(delivered.body, delivered.headers["Stripe-Signature"], made.secret)

        disabled = endpoints.update(made.id, {"disabled": True, "metadata": {"a": "b"}})
        assert (disabled.status, endpoints.list().data[0].id) == ("disabled", made.id)
        simulator.pay(simulator.create_session())
        endpoints.update(made.id, {"disabled": False, "enabled_events": ["*"]})
        simulator.pay(simulator.create_session())
        listening.wait_for("charge.succeeded")
        assert len(listening.wait_for("checkout.session.completed", 2)) == 2
        assert endpoints.delete(made.id).deleted
    with pytest.raises(stripe.InvalidRequestError):
        endpoints.retrieve(made.id)


def test_an_endpoint_is_told_in_its_own_version(simulator: Simulator) -> None:
    with WebhookEndpoint() as listening:
        made = simulator.client.v1.webhook_endpoints.create(
            {"url": listening.url, "enabled_events": ["*"], "api_version": "2025-03-31.basil"}
        )
        simulator.pay(simulator.create_session())
        simulator.client.v1.webhook_endpoints.delete(made.id)
        assert {one.event["api_version"] for one in listening.received} == {"2025-03-31.basil"}


@pytest.mark.parametrize("body", [b"\xff", b"mode=%ff"])
def test_a_body_that_is_not_utf_8_is_refused(simulator: Simulator, body: bytes) -> None:
    response = requests.post(
        f"{simulator.url}/v1/checkout/sessions",
        data=body,
        headers={"Authorization": "Bearer sk_test_x", "Content-Type": "application/x-www-form-urlencoded"},
        timeout=10,
    )
    assert response.status_code == 400


def test_a_json_body_is_refused(simulator: Simulator) -> None:
    response = requests.post(
        f"{simulator.url}/v1/checkout/sessions", json=FORM, auth=("sk_test_x", ""), timeout=10
    )
    assert (response.status_code, error(response)["type"]) == (400, "invalid_request_error")
