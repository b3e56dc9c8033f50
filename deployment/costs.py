"""The monthly cost of a stack in US dollars: list prices times the use of one top-up.

Without Stripe's fees, support, taxes, free tiers and savings plans.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from deployment import combinations

PRICES = Path(__file__).with_name("prices.json")
VOLUMES = {"idle": 0, "10 thousand": 10_000, "1 million": 1_000_000, "100 million": 100_000_000}
"""Top-ups a month."""

SECONDS_A_MONTH = 730 * 3600
PARTITIONS = 6
ZONES = 3
COPIED_GB = 10
COPY_DAYS = 35
COPY_ALARMS = 4
FLOW_GB = 1  # A month, with little traffic.
AUDIT_MONTHS = 12
WAF_RULES = 4

# The use of one top-up, by the flow of docs/architecture.md.
HTTP_REQUESTS = 12  # Page 2, session 1, webhook 1, status, balance and history 8.
INVOCATIONS = 13  # The same, and its share of a consumer's batch.
GB_SECONDS = (INVOCATIONS * 0.5 + 0.25) * 0.05  # 50 ms at 512 MB, the webhook at 768.
LOG_KB = 10
NAT_KB = 20  # To Stripe and back.
DATABASE_IO = 40
STORED_KB = 8  # Rows, indexes, and Stripe's event until its payload is erased.
KAFKA_KB = 1
ACU_PER_TOP_UP_A_SECOND = 0.2
LEAST_ACUS = 0.5  # While awake.
# Where it may sleep, the relay wakes it every hour: for its run, its connection until Lambda ends the
# environment, and the ten minutes of SecondsToSleep.
AWAKE_WHILE_IDLE = 20 / 60
SCHEDULED_INVOCATIONS = 43_200 + 2_880 + 730  # Relay, reconciler, verification.
SCHEDULED_GB_SECONDS = SCHEDULED_INVOCATIONS * 0.2 * 0.5


@dataclass(frozen=True)
class Shape:
    """The resources of a stack, which do not depend on the volume."""

    kafka: str
    database_acus: float
    proxy_acus: int = 0
    nats: int = 1
    poller_units: int = 0
    alarms: int = 103
    """One over a formula counts as one for each of its metrics."""
    composite_alarms: int = 4
    metrics: int = 29
    schedules: bool = True
    secrets: int = 3
    """With the one that RDS makes for the master password."""
    snapshot_gb: float = 1.75
    """Memory of the functions with SnapStart, of which Lambda keeps one snapshot of one version each."""
    log_months: int = 12


DEV = Shape("t3.small", database_acus=0.0, schedules=False, log_months=1)
PROD = Shape("express", database_acus=2.0, proxy_acus=8, nats=3, poller_units=1, alarms=100)
PROFILES = {"dev": DEV, "prod": PROD}


def shape_of(parameters: Mapping[str, str]) -> Shape:
    """The profile's, with the database that the parameters ask for."""
    shape = PROFILES[parameters.get("Profile", "dev")]
    if not parameters.get("DatabaseMinimumCapacity"):
        return shape
    least, _ = combinations.capacity(parameters)
    # In prod there are two, which the proxy and the relay keep awake.
    return replace(shape, database_acus=2 * max(least, LEAST_ACUS) if shape.proxy_acus else least)


def prices() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(PRICES.read_text())
    return found


def monthly(shape: Shape, top_ups: int) -> dict[str, float]:
    """US dollars by part."""
    known = prices()
    usd, hours = known["usd"], known["hours"]
    gb = 1e6  # KB in a GB.
    invocations = top_ups * INVOCATIONS + (SCHEDULED_INVOCATIONS if shape.schedules else 0)
    gb_seconds = top_ups * GB_SECONDS + (SCHEDULED_GB_SECONDS if shape.schedules else 0)
    awake = AWAKE_WHILE_IDLE if shape.database_acus == 0 and top_ups == 0 else 1.0
    acus = max(shape.database_acus, LEAST_ACUS) * awake
    acus += ACU_PER_TOP_UP_A_SECOND * top_ups / SECONDS_A_MONTH
    brokers = {
        "t3.small": 3 * usd["msk_t3_small_hour"],
        "express": 3 * usd["msk_express_m7g_large_hour"],
        "serverless": usd["msk_serverless_hour"] + PARTITIONS * usd["msk_serverless_partition_hour"],
        "existing": 0.0,
    }
    return {
        "Kafka": brokers[shape.kafka] * hours
        + 3 * top_ups * KAFKA_KB / gb * usd["msk_gb_month"]
        + (top_ups * KAFKA_KB / gb * usd["msk_express_ingress_gb"] if shape.kafka == "express" else 0),
        "pollers": shape.poller_units * usd["poller_unit_hour"] * hours,
        "database": acus * usd["aurora_acu_hour"] * hours
        + top_ups * STORED_KB / gb * usd["aurora_gb_month"]
        + top_ups * DATABASE_IO / 1e6 * usd["aurora_million_io"],
        "RDS Proxy": max(shape.proxy_acus, acus if shape.proxy_acus else 0) * usd["proxy_acu_hour"] * hours,
        "network": shape.nats * (usd["nat_hour"] + usd["public_ipv4_hour"]) * hours
        + top_ups * NAT_KB / gb * (usd["nat_gb"] + _elsewhere(shape.nats) * 2 * usd["zone_to_zone_gb"]),
        "API and functions": top_ups * HTTP_REQUESTS / 1e6 * usd["http_api_million"]
        + invocations / 1e6 * usd["lambda_million"]
        + gb_seconds * usd["lambda_arm64_gb_second"]
        + shape.snapshot_gb * usd["snapstart_gb_second"] * SECONDS_A_MONTH,
        "logs, alarms, secrets": top_ups
        * LOG_KB
        / gb
        * (usd["logs_gb"] + shape.log_months * usd["logs_gb_month"])
        + shape.alarms * usd["alarm_month"]
        + shape.composite_alarms * usd["composite_alarm_month"]
        + shape.metrics * usd["metric_month"]
        + usd["dashboard_month"]
        + shape.secrets * usd["secret_month"],
    }


def _elsewhere(nats: int) -> float:
    """The share of the traffic that goes to a NAT gateway of another zone, and is paid for in both."""
    return (ZONES - nats) / ZONES


def table() -> str:
    """The costs in Markdown: each profile by volume, then each option."""
    return "\n\n".join(["\n".join(_profiles()), "\n".join(_options())])


def _profiles() -> Iterator[str]:
    yield from _heading("USD a month", [f"{profile}, {volume}" for profile in PROFILES for volume in VOLUMES])
    columns = [monthly(shape, count) for shape in PROFILES.values() for count in VOLUMES.values()]
    for part in columns[0]:
        yield _row(part, [column[part] for column in columns])
    yield _row("**together**", [sum(column.values()) for column in columns])
    counts = [count for _ in PROFILES for count in VOLUMES.values()]
    cents = [
        f"{100 * sum(column.values()) / count:.2f}" if count else "–"
        for column, count in zip(columns, counts, strict=True)
    ]
    yield f"| cents a top-up | {' | '.join(cents)} |"


def _options() -> Iterator[str]:
    usd, hours = prices()["usd"], prices()["hours"]
    serverless = usd["msk_serverless_hour"] + PARTITIONS * usd["msk_serverless_partition_hour"]
    copies = COPIED_GB * (COPY_DAYS * usd["backup_gb_month"] + 30 * usd["region_to_region_gb"])
    copies += COPY_ALARMS * usd["alarm_month"]
    options = {
        "Kafka: three standard t3.small brokers": 3 * usd["msk_t3_small_hour"] * hours,
        "Kafka: three Express m7g.large brokers": 3 * usd["msk_express_m7g_large_hour"] * hours,
        "Kafka: MSK Serverless": serverless * hours,
        "Kafka: a cluster that you have": 0.0,
        "pollers, on demand": 0.0,
        "pollers, provisioned, one unit for both triggers": usd["poller_unit_hour"] * hours,
        "Aurora, woken by the hourly relay": AWAKE_WHILE_IDLE * LEAST_ACUS * usd["aurora_acu_hour"] * hours,
        "Aurora, awake at its least (0.5 ACU)": LEAST_ACUS * usd["aurora_acu_hour"] * hours,
        "Aurora, two instances of 1 ACU": PROD.database_acus * usd["aurora_acu_hour"] * hours,
        "RDS Proxy (at least 8 ACUs are charged)": 8 * usd["proxy_acu_hour"] * hours,
        "a NAT gateway with its address": (usd["nat_hour"] + usd["public_ipv4_hour"]) * hours,
        "`InterfaceEndpoints`, in three zones": ZONES * usd["interface_endpoint_hour"] * hours,
        "`DataKeyArn`: a KMS key": usd["key_month"],
        f"`DatabaseCopyVaultArn`: {COPIED_GB} GB copied each night, kept for {COPY_DAYS} days": copies,
        f"`EdgeCertificateArn`: CloudFront, and WAF with {WAF_RULES} rules": usd["waf_acl_month"]
        + WAF_RULES * usd["waf_rule_month"]
        + usd["secret_month"],
        "`EdgeCertificateArn`, each million requests": usd["waf_million"] + usd["cloudfront_million"],
        f"`FlowLogs`: {FLOW_GB} GB a month, kept for a year": FLOW_GB
        * (usd["flow_logs_gb"] + AUDIT_MONTHS * usd["s3_gb_month"]),
        "`AuditTrail`, each 100 thousand invocations of the operations": usd["trail_data_100k"],
        "`AuditTrail=account`, the first trail of the account": 0.0,
        "`AuditTrail=account` next to another trail, each 100 thousand events": usd["trail_events_100k"],
        "`MonthlyBudgetUsd`, tags, roles, protection": 0.0,
    }
    yield from _heading("option, idle", ["USD a month"])
    for option, monthly_cost in options.items():
        yield _row(option, [monthly_cost])


def _heading(first: str, columns: Sequence[str]) -> Iterator[str]:
    yield f"| {first} | {' | '.join(columns)} |"
    yield "|---|" + "---:|" * len(columns)


def _row(name: str, amounts: Sequence[float]) -> str:
    return f"| {name} | {' | '.join(f'{amount:,.0f}' for amount in amounts)} |"
