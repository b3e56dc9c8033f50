"""`make configure` between a stack on AWS (moto's) and Stripe (the simulator)."""

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import boto3
import pytest
import stripe as stripe_sdk
from moto import mock_aws

from checkout.base import config
from checkout.base.config import Config
from checkout.payments.events import HANDLED
from checkout.payments.stripe_event import API_VERSION
from deployment import configure as configure_module
from deployment.aws_system import AwsSystem, NoSuchStack
from deployment.configure import PREVIOUS_UNTIL, NotConfigured, configure
from tests.support.settings import put, sign_in_to_aws
from tests.support.stripe_simulator import Simulator

URL = "http://127.0.0.1:9/webhooks/stripe"
KEY = "sk_test_in_use"
RESTRICTED_KEY = "rk_test_in_use"
CALLERS = {"JWT_SECRET": "kept"}


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    with Simulator(tmp_path_factory.mktemp("stripe") / "data") as running:
        yield running


@pytest.fixture
def stripe(simulator: Simulator) -> Iterator[Simulator]:
    """Without any endpoint of the stack's address."""
    yield simulator
    simulator.clear_faults()
    for endpoint in endpoints(simulator):
        simulator.client.v1.webhook_endpoints.delete(endpoint.id)


@pytest.fixture
def system(monkeypatch: pytest.MonkeyPatch, stripe: Simulator) -> Iterator[AwsSystem]:
    sign_in_to_aws(monkeypatch)
    put(monkeypatch, STRIPE_SECRET=None)
    with mock_aws(config={"core": {"passthrough": {"urls": [stripe.url]}}}):
        client = boto3.client("secretsmanager")
        made = client.create_secret(Name="callers", SecretString=json.dumps(CALLERS))
        stripe_s = client.create_secret(Name="stripe", SecretString="{}")
        outputs = {"SecretArn": made["ARN"], "StripeSecretArn": stripe_s["ARN"], "WebhookUrl": URL}
        stack = {"Outputs": [{"OutputKey": key, "OutputValue": value} for key, value in outputs.items()]}
        # moto's CloudFormation needs more packages than all the rest of this.
        monkeypatch.setattr(AwsSystem, "_stack", stack)
        found = AwsSystem("checkout")
        found.stripe_api_url = stripe.url
        yield found


def endpoints(stripe: Simulator) -> list[Any]:
    return [one for one in stripe.client.v1.webhook_endpoints.list().data if one.url == URL]


def callers_secrets() -> Any:
    return json.loads(boto3.client("secretsmanager").get_secret_value(SecretId="callers")["SecretString"])


def run(system: AwsSystem, *, rotate: bool = False, leaked: bool = False) -> str:
    said: list[str] = []
    configure(system, lambda _: KEY, said.append, rotate=rotate, leaked=leaked)
    return "\n".join(said)


RECONCILE = "at once: .venv/bin/python -m deployment operations checkout reconcile"


def test_the_first_time(system: AwsSystem, stripe: Simulator) -> None:
    said = run(system)
    assert RECONCILE not in said
    [endpoint] = endpoints(stripe)
    assert sorted(endpoint.enabled_events) == sorted(HANDLED)
    stored = system.stripe_secrets
    assert callers_secrets() == CALLERS
    assert stored["STRIPE_SECRET"] == KEY
    assert stored["STRIPE_WEBHOOK_ENDPOINT"] == endpoint.id
    assert stored["STRIPE_WEBHOOK_SECRET"].startswith("whsec_")
    assert stored["STRIPE_WEBHOOK_SECRET"] not in said
    assert KEY not in said


def test_what_an_earlier_release_kept_with_the_callers_is_taken_out(system: AwsSystem) -> None:
    """`Setup` has copied it. Where the process died in between, the next run does it."""
    client, before = boto3.client("secretsmanager"), {"STRIPE_SECRET": KEY, "STRIPE_WEBHOOK_ENDPOINT": "we_1"}
    for name, values in (("stripe", before), ("callers", CALLERS | before)):
        client.put_secret_value(SecretId=name, SecretString=json.dumps(values))
    put = AwsSystem._put

    def put_and_die(self: AwsSystem, output: str, values: dict[str, str]) -> None:
        put(self, output, values)
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(AwsSystem, "_put", put_and_die)
        with pytest.raises(KeyboardInterrupt):
            run(system)
    assert callers_secrets() == CALLERS | before
    run(system)
    assert callers_secrets() == CALLERS
    assert system.stripe_secrets["STRIPE_SECRET"] == KEY
    assert system.secret("JWT_SECRET") == "kept"
    assert system.secret("STRIPE_SECRET") == KEY


def test_again_is_harmless_and_mends_the_types(system: AwsSystem, stripe: Simulator) -> None:
    run(system)
    before = system.stripe_secrets
    [endpoint] = endpoints(stripe)
    stripe.client.v1.webhook_endpoints.update(endpoint.id, {"enabled_events": ["refund.created"]})
    run(system)
    [endpoint] = endpoints(stripe)
    assert sorted(endpoint.enabled_events) == sorted(HANDLED)
    assert system.stripe_secrets == before


def test_it_enables_an_endpoint_that_was_disabled_for_a_restore(system: AwsSystem, stripe: Simulator) -> None:
    run(system)
    [endpoint] = endpoints(stripe)
    stripe.client.v1.webhook_endpoints.update(endpoint.id, {"disabled": True})
    run(system)
    [again] = endpoints(stripe)
    assert (again.id, again.status) == (endpoint.id, "enabled")


def test_another_address_moves_the_endpoint(system: AwsSystem, stripe: Simulator) -> None:
    """As when CloudFront comes in front: one endpoint, with the secret of before, which is accepted."""
    run(system)
    before, [endpoint] = system.stripe_secrets, endpoints(stripe)
    update = stripe.client.v1.webhook_endpoints.update
    update(endpoint.id, {"url": "http://127.0.0.1:8/webhooks/stripe"})
    assert endpoints(stripe) == []
    said = run(system)
    [moved] = endpoints(stripe)
    assert moved.id == endpoint.id
    assert system.stripe_secrets == before
    assert f"moved from http://127.0.0.1:8/webhooks/stripe to {URL}" in said


def test_rotation_at_another_address_leaves_no_endpoint_at_the_old_one(
    system: AwsSystem, stripe: Simulator
) -> None:
    run(system)
    [endpoint] = endpoints(stripe)
    stripe.client.v1.webhook_endpoints.update(endpoint.id, {"url": "http://127.0.0.1:8/webhooks/stripe"})
    run(system, rotate=True)
    [replaced] = endpoints(stripe)
    listed = [one.id for one in stripe.client.v1.webhook_endpoints.list().data]
    assert replaced.id in listed
    assert endpoint.id not in listed


def test_rotation_accepts_both_until_the_next_run(system: AwsSystem, stripe: Simulator) -> None:
    run(system)
    old = system.stripe_secrets["STRIPE_WEBHOOK_SECRET"]
    assert RECONCILE in run(system, rotate=True)
    new, kept = system.stripe_secrets["STRIPE_WEBHOOK_SECRET"].split(",")
    assert kept == old
    assert len(endpoints(stripe)) == 1
    assert RECONCILE not in run(system)
    assert system.stripe_secrets["STRIPE_WEBHOOK_SECRET"] == new


def accepted(system: AwsSystem) -> tuple[str, ...]:
    """As the functions have it."""
    return Config(system.stripe_secrets).webhook_secrets()


def test_the_secret_of_before_ends_after_a_day(system: AwsSystem, monkeypatch: pytest.MonkeyPatch) -> None:
    run(system)
    [old] = accepted(system)
    run(system, rotate=True)
    new, kept = accepted(system)
    assert kept == old

    class Tomorrow(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return datetime.now(tz) + timedelta(days=1)

    monkeypatch.setattr(config, "datetime", Tomorrow)
    assert accepted(system) == (new,)


def test_a_leaked_secret_is_accepted_no_more(system: AwsSystem, stripe: Simulator) -> None:
    run(system)
    [old], [endpoint] = accepted(system), endpoints(stripe)
    said = run(system, leaked=True)
    [new], [replaced] = accepted(system), endpoints(stripe)
    assert old != new
    assert old not in system.stripe_secrets["STRIPE_WEBHOOK_SECRET"]
    assert replaced.id == system.stripe_secrets["STRIPE_WEBHOOK_ENDPOINT"] != endpoint.id
    assert old not in said
    assert said.splitlines()[-2].endswith(RECONCILE)


def test_another_version_replaces_the_endpoint_and_whatever_was_made_by_hand(
    system: AwsSystem, stripe: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """docs/stripe.md says so: nobody knows the signing secret of an endpoint that was made by hand."""
    with monkeypatch.context() as patch:
        patch.setattr(configure_module, "API_VERSION", "2025-01-27.acacia")
        run(system)
    [old], [replaced] = accepted(system), endpoints(stripe)
    create: Any = stripe.client.v1.webhook_endpoints.create
    by_hand = create({"url": URL, "enabled_events": ["refund.created"], "api_version": API_VERSION})
    said = run(system)
    [endpoint] = endpoints(stripe)
    assert endpoint.id not in (replaced.id, by_hand.id)
    assert endpoint.api_version == API_VERSION
    assert old in accepted(system)[1:]
    assert RECONCILE in said


def test_a_leak_while_it_is_rotated_leaves_neither(system: AwsSystem) -> None:
    run(system)
    run(system, rotate=True)
    both = accepted(system)
    run(system, leaked=True)
    [new] = accepted(system)
    assert new not in both
    assert system.stripe_secrets[PREVIOUS_UNTIL] == ""


def test_dead_before_it_was_stored(
    system: AwsSystem, stripe: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(AwsSystem, "store_stripe_secrets", _die)
        with pytest.raises(KeyboardInterrupt):
            run(system)
    [lost] = endpoints(stripe)
    run(system)
    [endpoint] = endpoints(stripe)
    assert endpoint.id == system.stripe_secrets["STRIPE_WEBHOOK_ENDPOINT"] != lost.id


def test_dead_before_the_old_one_was_deleted(
    system: AwsSystem, stripe: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(system)
    store = AwsSystem.store_stripe_secrets

    def store_and_die(self: AwsSystem, changed: dict[str, str]) -> None:
        store(self, changed)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(AwsSystem, "store_stripe_secrets", store_and_die)
        with pytest.raises(KeyboardInterrupt):
            run(system, rotate=True)
    assert len(endpoints(stripe)) == 2
    run(system)
    [endpoint] = endpoints(stripe)
    assert endpoint.id == system.stripe_secrets["STRIPE_WEBHOOK_ENDPOINT"]


def _die(*_: object) -> None:
    raise KeyboardInterrupt


def test_what_is_no_key_is_refused(system: AwsSystem, stripe: Simulator) -> None:
    with pytest.raises(NotConfigured, match="STRIPE_SECRET is not a secret key"):
        configure(system, lambda _: "pk_test_publishable", print)
    assert endpoints(stripe) == []
    assert "STRIPE_SECRET" not in system.stripe_secrets


def test_a_stack_keeps_its_mode(system: AwsSystem, monkeypatch: pytest.MonkeyPatch) -> None:
    run(system)
    put(monkeypatch, STRIPE_SECRET="sk_live_1")
    with pytest.raises(NotConfigured, match="not of the stack's mode"):
        run(system)
    assert system.stripe_secrets["STRIPE_SECRET"] == KEY


@pytest.fixture
def used(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The keys of the clients that are made."""
    found: list[str] = []
    client = stripe_sdk.StripeClient

    def made(key: str, **given: Any) -> Any:
        found.append(key)
        return client(key, **given)

    monkeypatch.setattr(stripe_sdk, "StripeClient", made)
    return found


def test_another_key_makes_the_endpoint_and_is_not_stored(
    system: AwsSystem, stripe: Simulator, monkeypatch: pytest.MonkeyPatch, used: list[str]
) -> None:
    """Then the stack's own needs no right to redirect webhooks."""
    put(monkeypatch, STRIPE_CONFIGURE_KEY="rk_test_endpoints")
    run(system)
    assert used == ["rk_test_endpoints"]
    assert len(endpoints(stripe)) == 1
    assert system.stripe_secrets["STRIPE_SECRET"] == KEY
    assert "rk_test_endpoints" not in json.dumps(system.stripe_secrets)
    put(monkeypatch, STRIPE_CONFIGURE_KEY="rk_live_endpoints")
    with pytest.raises(NotConfigured, match="STRIPE_CONFIGURE_KEY must be a secret key of the same mode"):
        run(system)


def test_a_restricted_key_that_may_read_everything(
    system: AwsSystem, stripe: Simulator, monkeypatch: pytest.MonkeyPatch, used: list[str]
) -> None:
    stripe.pay(stripe.create_session())
    used.clear()
    put(monkeypatch, STRIPE_SECRET=RESTRICTED_KEY, STRIPE_CONFIGURE_KEY="sk_test_endpoints")
    run(system)
    assert used == ["sk_test_endpoints", RESTRICTED_KEY]
    assert len(endpoints(stripe)) == 1
    assert system.stripe_secrets["STRIPE_SECRET"] == RESTRICTED_KEY


@pytest.mark.parametrize(
    ("path", "resource"),
    [
        ("checkout/sessions", "Checkout Sessions"),
        ("payment_intents", "PaymentIntents"),
        ("refunds", "Charges and Refunds"),
        ("disputes", "Disputes"),
        ("events", "Events"),
        ("balance_transactions", "Balance transaction sources"),
    ],
)
def test_a_restricted_key_that_may_not_read_is_refused_by_the_right_that_is_missing(
    system: AwsSystem, stripe: Simulator, monkeypatch: pytest.MonkeyPatch, path: str, resource: str
) -> None:
    put(monkeypatch, STRIPE_SECRET=RESTRICTED_KEY)
    stripe.fault(path_prefix=f"/v1/{path}", method="GET", status=403)
    with pytest.raises(NotConfigured, match=f"^STRIPE_SECRET may not read {resource}: give "):
        run(system)
    assert endpoints(stripe) == []
    assert "STRIPE_SECRET" not in system.stripe_secrets
    run(system)
    assert system.stripe_secrets["STRIPE_SECRET"] == RESTRICTED_KEY


def test_all_missing_rights_are_named(
    system: AwsSystem, stripe: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(monkeypatch, STRIPE_SECRET=RESTRICTED_KEY)
    for path in ("refunds", "events"):
        stripe.fault(path_prefix=f"/v1/{path}", method="GET", status=403)
    with pytest.raises(NotConfigured, match="may not read Charges and Refunds, Events: give "):
        run(system)


def test_a_leak_is_ended_whatever_the_key_may_read(
    system: AwsSystem, stripe: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(monkeypatch, STRIPE_SECRET=RESTRICTED_KEY)
    run(system)
    [old] = accepted(system)
    stripe.fault(path_prefix="/v1/disputes", method="GET", status=403)
    run(system, leaked=True)
    assert old not in accepted(system)


def test_a_restricted_key_that_stripe_takes_only_from_the_functions(
    system: AwsSystem, stripe: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bound to their addresses, so what it may read cannot be tried here."""

    def refuse(*_: object) -> None:
        raise stripe_sdk.AuthenticationError(
            "The API key provided does not allow requests from your IP address."
        )

    put(monkeypatch, STRIPE_SECRET=RESTRICTED_KEY, STRIPE_CONFIGURE_KEY="rk_test_endpoints")
    monkeypatch.setattr(type(stripe.client.v1.checkout.sessions), "list", refuse)
    assert "could not be tried" in run(system)
    assert system.stripe_secrets["STRIPE_SECRET"] == RESTRICTED_KEY


def test_a_key_that_stripe_refuses(system: AwsSystem) -> None:
    with pytest.raises(NotConfigured, match="Stripe refused"):
        configure(system, lambda _: "sk_live_nobody", print)
    assert "STRIPE_SECRET" not in system.stripe_secrets


def test_an_output_that_is_not_there_is_named(system: AwsSystem) -> None:
    with pytest.raises(NoSuchStack, match="the stack checkout has no output ApiUrl"):
        system.output("ApiUrl")
