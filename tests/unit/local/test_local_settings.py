"""Given settings, and generated ones."""

import json
import re
import shutil
import stat
from pathlib import Path

import pytest

from local.stack import demo_user, settings, summary
from local.stack.settings import SettingsError

ROOT = Path(__file__).parents[3]


def load(root: Path, **environment: str) -> settings.Settings:
    return settings.load(root, environment)


def test_nothing_has_to_be_set(tmp_path: Path) -> None:
    found = load(tmp_path)

    assert (found.port, found.stripe_port, found.url) == (9996, 9997, "http://127.0.0.1:9996")
    assert found.is_stripe_simulated
    assert found.stripe_url == "http://127.0.0.1:9997"
    assert found.external_databases == (None, None)
    assert found.external_brokers is None


def test_made_up_secrets_are_kept_and_private(tmp_path: Path) -> None:
    first, second = load(tmp_path), load(tmp_path)

    assert first.secrets == second.secrets
    assert stat.S_IMODE((tmp_path / ".local" / "secrets.json").stat().st_mode) == 0o600
    assert first.secret("STRIPE_SECRET").startswith("sk_test_")
    assert len(first.secret("JWT_SECRET")) >= 32
    assert load(tmp_path / "other").secrets != first.secrets


def test_each_clone_has_an_id_of_its_own_which_it_keeps_as_long_as_its_data(tmp_path: Path) -> None:
    """With the same id, two clones with one Stripe account would credit each other's payments."""

    def app_id(root: Path) -> str:
        return load(root).variables("", "", "")["CHECKOUT_APP_ID"]

    first = app_id(tmp_path)
    assert first.startswith("checkout-")
    assert app_id(tmp_path) == first
    assert app_id(tmp_path / "other") != first
    assert first not in load(tmp_path).secrets.values(), "what is secret is hidden in the log"
    shutil.rmtree(tmp_path / ".local")
    assert app_id(tmp_path) != first, "make clean forgets the data that the id belongs to"


def test_the_id_belongs_to_a_database_that_is_given(tmp_path: Path) -> None:
    """With the id of another database, the payments that the simulator keeps would be credited here."""

    def app_id(url: str, **more: str) -> str:
        return load(tmp_path, CHECKOUT_DATABASE_URL=url, **more).variables("", "", "")["CHECKOUT_APP_ID"]

    own = load(tmp_path).app_id
    first = app_id("postgresql://ada:old@db.example.com:5432/checkout")
    assert re.fullmatch(rf"{own}-[0-9a-f]{{8}}", first)
    assert app_id("postgresql://ada:new@db.example.com/checkout?sslmode=require") == first
    assert app_id("postgresql://ada:old@db.example.com/other") != first
    assert app_id("postgresql://ada:old@db.example.com:5433/checkout") != first
    assert app_id("postgresql://ada:old@db2.example.com/checkout") != first
    assert app_id("postgresql://ada:old@db.example.com/checkout", CHECKOUT_APP_ID="mine") == "mine"
    assert load(tmp_path).app_id == own
    with pytest.raises(SettingsError, match="CHECKOUT_DATABASE_URL cannot be read"):
        app_id("postgresql://[::1/checkout")


def test_data_of_an_earlier_release_keeps_the_id_that_it_was_made_with(tmp_path: Path) -> None:
    load(tmp_path)
    path = tmp_path / ".local" / "secrets.json"
    written = json.loads(path.read_text())
    del written["CHECKOUT_APP_ID"]
    path.write_text(json.dumps(written))

    for _ in range(2):
        found = load(tmp_path)
        assert found.app_id == "checkout"
        assert found.secrets == written


def test_a_file_that_begins_with_a_byte_order_mark_is_read_from_its_first_line(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("STRIPE_SECRET=sk_test_file\n", "utf-8-sig")
    assert not settings.load(tmp_path, {}).is_stripe_simulated


@pytest.mark.parametrize(("encoding", "line"), [("utf-16", 1), ("latin-1", 2)])
def test_a_line_in_another_encoding_is_named(tmp_path: Path, encoding: str, line: int) -> None:
    (tmp_path / ".env").write_text("# für Stripe\nKAFKA_PASSWORD=größer\n", encoding)
    with pytest.raises(SettingsError, match=f"line {line} of .env cannot be read"):
        settings.load(tmp_path, {})


def test_the_environment_wins_over_the_file_and_the_file_over_defaults(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("PORT=1001\nSTRIPE_PORT=1002\nJWT_SECRET=from-the-file\n")

    found = load(tmp_path, PORT="2001")

    assert (found.port, found.stripe_port, found.secret("JWT_SECRET")) == (2001, 1002, "from-the-file")


def test_an_empty_variable_hides_the_file(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("STRIPE_SECRET=sk_test_file")

    assert not load(tmp_path).is_stripe_simulated
    assert load(tmp_path, STRIPE_SECRET="").is_stripe_simulated


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("A=1", "1"),
        ("export A=1", "1"),
        ("  A = 1  ", "1"),
        ("A=", ""),
        ("A=      # a comment", ""),
        ("A=1 # a comment", "1"),
        ("A=a b  # a comment", "a b"),
        ("A=a#b", "a#b"),
        ('A="a # b"', "a # b"),
        ("A='a \" b' # c", 'a " b'),
        ("A=postgresql://u:p@h:1/d?x=y", "postgresql://u:p@h:1/d?x=y"),
    ],
)
def test_lines_of_the_file(line: str, value: str) -> None:
    assert settings.parse(f"# first\n\n{line}\nB=2") == {"A": value, "B": "2"}


@pytest.mark.parametrize(
    "line", ["STRIPE_SECRET: sk_test_ours", "STRIPE_SECRET sk_test_ours", "1A=sk_test_ours"]
)
def test_a_line_of_the_file_that_cannot_be_read_is_named_without_being_shown(
    tmp_path: Path, line: str
) -> None:
    """It was skipped, and the simulator used instead of Stripe."""
    (tmp_path / ".env").write_text(f"# ours\n\n{line}\n")

    with pytest.raises(SettingsError, match=r"line 3 of \.env .* NAME=value") as caught:
        load(tmp_path)

    assert "ours" not in str(caught.value)


@pytest.mark.parametrize(
    "environment",
    [{"STRIPE_KEY": "pk_test_x"}, {"STRIPE_KEY": "sk_test_ours", "STRIPE_SECRET": "sk_test_ours"}],
)
def test_a_publishable_key_alone_or_a_secret_one_in_its_place_is_refused(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    with pytest.raises(
        SettingsError, match=r"STRIPE_KEY must be pk_test_…, and needs STRIPE_SECRET"
    ) as caught:
        load(tmp_path, **environment)

    assert "ours" not in str(caught.value)


@pytest.mark.parametrize("given", [{}, {"STRIPE_WEBHOOK_SECRET": "whsec_of_stripe_listen"}])
def test_with_stripe_itself_the_summary_says_what_is_missing_for_its_webhooks(
    tmp_path: Path, given: dict[str, str]
) -> None:
    found = load(tmp_path, STRIPE_SECRET="sk_test_x", **given)
    variables = found.variables("postgresql://a/b", "postgresql://a/b", "c:1")

    shown = summary.of(demo_user.describe(found, variables, "http://console"), found)

    assert "stripe listen --forward-to http://127.0.0.1:9996/webhooks/stripe" in shown
    assert ("stripe listen --print-secret" in shown) == (not given)


def test_the_example_sets_nothing(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text((ROOT / ".env.example").read_text())

    assert load(tmp_path).given == {}


@pytest.mark.parametrize("name", ["STRIPE_SECRET", "STRIPE_KEY"])
@pytest.mark.parametrize("prefix", ["sk_live_", "rk_live_", "pk_live_"])
def test_live_keys_are_refused_without_being_shown(tmp_path: Path, name: str, prefix: str) -> None:
    with pytest.raises(SettingsError, match="live key") as caught:
        load(tmp_path, **{name: f"{prefix}abc"})

    assert "abc" not in str(caught.value)


@pytest.mark.parametrize(
    "environment",
    [
        {"STRIPE_SECRET": "secret"},
        {"PORT": "0"},
        {"PORT": "65536"},
        {"PORT": "x"},
        {"STRIPE_PORT": "-1"},
        {"FUNCTION_ENVIRONMENTS": "0"},
        {"KAFKA": "rabbit"},
    ],
)
def test_what_cannot_be_used_is_named(tmp_path: Path, environment: dict[str, str]) -> None:
    with pytest.raises(SettingsError, match=next(iter(environment))):
        load(tmp_path, **environment)


def test_a_test_key_switches_to_stripe_itself(tmp_path: Path) -> None:
    found = load(tmp_path, STRIPE_SECRET="sk_test_x")

    assert found.stripe_url == "https://api.stripe.com"
    assert found.variables("a", "b", "c")["STRIPE_API_BASE"] == ""
    assert found.secret("STRIPE_SECRET") == "sk_test_x"


def test_another_stripe_can_be_named(tmp_path: Path) -> None:
    found = load(tmp_path, STRIPE_API_BASE="http://127.0.0.1:1")

    assert (found.is_stripe_simulated, found.stripe_url) == (False, "http://127.0.0.1:1")


def test_the_application_s_database_is_the_checkout_database_unless_it_is_named(tmp_path: Path) -> None:
    assert load(tmp_path, CHECKOUT_DATABASE_URL="a").external_databases == ("a", "a")
    assert load(tmp_path, CHECKOUT_DATABASE_URL="a", DATABASE_URL="b").external_databases == ("a", "b")
    assert load(tmp_path, DATABASE_URL="b").external_databases == (None, "b")


def test_functions_get_what_is_given_before_what_is_made_up(tmp_path: Path) -> None:
    variables = load(tmp_path, CHECKOUT_APP_ID="mine", MAX_AMOUNT_CENTS="7", PORT="1234").variables(
        "a", "b", "c"
    )

    assert variables["CHECKOUT_APP_ID"] == "mine"
    assert variables["MAX_AMOUNT_CENTS"] == "7"
    assert variables["PUBLIC_ORIGIN"] == "http://127.0.0.1:1234"
    assert (variables["CHECKOUT_DATABASE_URL"], variables["DATABASE_URL"], variables["KAFKA_BROKERS"]) == (
        "a",
        "b",
        "c",
    )
    assert (variables["KAFKA_API_VERSION"], variables["REEMIT_AFTER_SECONDS"]) == ("2.3", "5")


def test_an_external_broker_needs_no_version(tmp_path: Path) -> None:
    found = load(tmp_path, KAFKA_BROKERS="a:1,b:2", KAFKA="apache")

    assert found.external_brokers == "a:1,b:2"
    assert found.kafka == "external"
    assert found.variables("", "", "a:1,b:2")["KAFKA_API_VERSION"] == ""


def test_the_broker_is_the_embedded_one_unless_apache_is_asked_for(tmp_path: Path) -> None:
    usual, apache = load(tmp_path), load(tmp_path, KAFKA="apache")

    assert (usual.kafka, apache.kafka) == ("embedded", "apache")
    assert apache.variables("", "", "a:1")["KAFKA_API_VERSION"] == ""


def test_an_unknown_broker_is_refused_with_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="embedded or apache"):
        load(tmp_path, KAFKA="rabbit")


def test_of_several_secrets_the_first_is_current(tmp_path: Path) -> None:
    found = load(tmp_path, STRIPE_WEBHOOK_SECRET=" whsec_new , whsec_old", CHECKOUT_SERVICE_TOKEN="only")

    assert found.current("STRIPE_WEBHOOK_SECRET") == "whsec_new"
    assert found.current("CHECKOUT_SERVICE_TOKEN") == "only"
    assert found.variables("", "", "")["STRIPE_WEBHOOK_SECRET"] == " whsec_new , whsec_old"


def test_with_an_identity_provider_no_secret_signs_tokens(tmp_path: Path) -> None:
    found = load(tmp_path, JWT_JWKS_URL="https://id.example.com/keys")
    assert "JWT_SECRET" not in found.variables("a", "b", "c")
    assert found.variables("a", "b", "c")["CHECKOUT_SERVICE_TOKEN"]
    both = load(tmp_path, JWT_JWKS_URL="https://id.example.com/keys", JWT_SECRET="x" * 32)
    assert both.variables("a", "b", "c")["JWT_SECRET"] == "x" * 32


def test_tokens_of_named_services_are_hidden(tmp_path: Path) -> None:
    token = "a-token-of-20-characters"
    found = load(tmp_path, SERVICES=f'{{"shop": {{"tokens": ["{token}"], "scopes": []}}}}')
    assert token in found.hidden
    assert load(tmp_path, SERVICES="nonsense").hidden
