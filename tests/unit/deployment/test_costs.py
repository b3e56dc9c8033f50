"""The costs of a month, and the same figures in the docs."""

import re
from pathlib import Path

import pytest

import deployment  # noqa: F401 - puts the functions' package on the path
from deployment import costs
from tests.infrastructure import transformed

PAGE = Path(__file__).parents[3] / "docs" / "cost.md"


def test_the_page_has_the_table_that_the_program_prints() -> None:
    assert costs.table() in PAGE.read_text(), "run python -m deployment cost and put it into docs/cost.md"


def test_the_page_names_the_prices_region_and_date() -> None:
    told = costs.prices()
    assert told["region"] in PAGE.read_text()
    assert told["date"] in PAGE.read_text()


def test_idle_is_what_the_facts_say() -> None:
    """Within 15 % of the list prices."""
    prod = costs.monthly(costs.PROD, 0)
    assert prod["Kafka"] == pytest.approx(895, rel=0.15)
    assert prod["RDS Proxy"] == pytest.approx(88, rel=0.15)
    assert prod["pollers"] == pytest.approx(135, rel=0.15)
    assert costs.monthly(costs.DEV, 0)["network"] == pytest.approx(37, rel=0.15)
    assert costs.monthly(costs.DEV, 0)["database"] == pytest.approx(44 / 3, rel=0.15), "woken every hour"


@pytest.mark.parametrize("shape", costs.PROFILES.values())
def test_more_costs_more_and_less_each(shape: costs.Shape) -> None:
    months = [sum(costs.monthly(shape, count).values()) for count in costs.VOLUMES.values()]
    assert months == sorted(months)
    each = [month / count for month, count in zip(months, costs.VOLUMES.values(), strict=True) if count]
    assert each == sorted(each, reverse=True)


@pytest.mark.parametrize(("profile", "shape"), costs.PROFILES.items())
def test_the_database_is_charged_for_what_the_template_keeps_awake(profile: str, shape: costs.Shape) -> None:
    decided = transformed.source()["Mappings"]["Profiles"][profile]
    instances = 2 if decided["Standby"] == "true" else 1
    assert shape.database_acus == instances * float(decided["MinimumCapacity"])


@pytest.mark.parametrize(
    ("parameters", "acus"),
    [
        ({}, 0),
        ({"DatabaseMinimumCapacity": "1.5"}, 1.5),
        ({"Profile": "prod"}, 2),
        ({"Profile": "prod", "DatabaseMinimumCapacity": "8"}, 16),
        ({"Profile": "prod", "DatabaseMinimumCapacity": "0"}, 1),
    ],
)
def test_the_price_before_a_deployment_is_of_the_chosen_database(
    parameters: dict[str, str], acus: float
) -> None:
    assert costs.shape_of(parameters).database_acus == acus


def test_every_price_is_used() -> None:
    program = Path(costs.__file__).read_text()
    assert [name for name in costs.prices()["usd"] if f'usd["{name}"]' not in program] == []


def test_every_option_that_costs_something_is_a_parameter() -> None:
    named = set(re.findall(r"`([A-Z]\w+)", costs.table()))
    assert {"AuditTrail", "DataKeyArn", "DatabaseCopyVaultArn", "EdgeCertificateArn"} <= named
    assert {"FlowLogs", "InterfaceEndpoints"} <= named
    assert named <= transformed.source()["Parameters"].keys()


def test_waf_s_rules_are_counted() -> None:
    rules = transformed.nested("firewall")["Resources"]["WebAcl"]["Properties"]["Rules"]
    assert len([rule for rule in rules if "Name" in rule]) == costs.WAF_RULES


def test_what_lambda_and_rds_keep_is_counted_as_the_templates_have_it() -> None:
    source = transformed.source()
    usual = source["Globals"]["Function"]["MemorySize"]
    kept = [
        function.get("MemorySize", usual)
        for function in transformed.of_type(source, "AWS::Serverless::Function").values()
        if "SnapStart" in function
    ]
    secrets = transformed.of_type(source, "AWS::SecretsManager::Secret")
    cluster = transformed.of_type(transformed.nested("database"), "AWS::RDS::DBCluster")["Cluster"]
    for shape in costs.PROFILES.values():
        assert shape.snapshot_gb == sum(kept) / 1024
        assert shape.secrets == len(secrets) + cluster["ManageMasterUserPassword"]
    days = source["Mappings"]["Profiles"]
    assert {name: round(one["LogDays"] / 30) for name, one in days.items()} == {
        name: shape.log_months for name, shape in costs.PROFILES.items()
    }


def test_what_was_left_out_once_is_in_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each price changes some month; a price of nothing would not be missed."""
    before = {profile: costs.monthly(shape, 1_000_000) for profile, shape in costs.PROFILES.items()}
    known = costs.prices()
    for name in (
        "snapstart_gb_second",
        "secret_month",
        "logs_gb_month",
        "msk_express_ingress_gb",
        "zone_to_zone_gb",
    ):
        dearer = {**known, "usd": {**known["usd"], name: 2 * known["usd"][name]}}
        monkeypatch.setattr(costs, "prices", lambda dearer=dearer: dearer)
        after = {profile: costs.monthly(shape, 1_000_000) for profile, shape in costs.PROFILES.items()}
        assert after != before, name
