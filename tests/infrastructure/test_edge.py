"""CloudFront and WAF in front of the API: the only way to it, which spoils nothing that Stripe sends."""

import copy
from fnmatch import fnmatch
from typing import Any
from urllib.parse import unquote

import pytest

from local.lambda_runtime.intrinsics import Resolver
from tests.infrastructure import transformed, whole
from tests.infrastructure.transformed import Resource, Template

SOURCE = whole.source()
DOMAIN = {"Profile": "dev", "PublicOrigin": "https://pay.example", "CertificateArn": "arn:aws:acm:eu:1"}
EDGE = DOMAIN | {
    "EdgeCertificateArn": "arn:aws:acm:us-east-1:1:certificate/1",
    "EdgeWebAclArn": "arn:aws:wafv2:us-east-1:1:global/webacl/a/b",
}
BOTH = EDGE | {"EdgeOnly": "false"}
OWN_NAME = "https://${Api}.execute-api.${AWS::Region}.${AWS::URLSuffix}"

CACHING_DISABLED = "4135ea2d-6df8-44a3-9df3-4b5a84be39ad"
BY_THE_ORIGINS_HEADERS = "83da9c7e-98b4-4e11-a168-04f0df8e2c65"
ALL_OF_THE_VIEWERS = "216adef6-5c7f-47e4-b989-5492eafa07d3"
"""Managed policies. CloudFront Developer Guide, Use managed cache policies, … origin request policies."""

CACHED_ERRORS = {400, 403, 404, 405, 414, 416, 500, 501, 502, 503, 504}
"""Statuses that CloudFront keeps for ten seconds by default. The same guide, How CloudFront processes HTTP
4xx and 5xx status codes from your origin."""


def outputs(parameters: dict[str, str]) -> dict[str, Any]:
    document = transformed.document()
    resolver = Resolver(document, parameters, keep_unknown=True)
    return {
        name: resolver(one["Value"])
        for name, one in document["Outputs"].items()
        if "Condition" not in one or resolver.holds({"Condition": one["Condition"]})
    }


def ways(resources: dict[str, Resource]) -> set[str]:
    """By which the API answers: its own name, or paths of its domain, of which "" is every one."""
    [server] = resources["Api"]["Properties"]["Body"]["servers"]
    is_closed = server["x-amazon-apigateway-endpoint-configuration"]["disableExecuteApiEndpoint"]
    mappings = [one for one in resources.values() if one["Type"] == "AWS::ApiGatewayV2::ApiMapping"]
    paths = {one["Properties"].get("ApiMappingKey", "") for one in mappings}
    return paths | (set() if is_closed else {"own name"})


SECRET_PATH = "{{resolve:secretsmanager:<Edge.OriginPath>:SecretString}}"


def test_without_it_nothing_is_different() -> None:
    plain = whole.resources(SOURCE, DOMAIN)

    assert [path for path in plain if path.startswith("Edge")] == []
    assert ways(plain) == {"own name", ""}
    assert ways(whole.resources(SOURCE, {"Profile": "dev"})) == {"own name"}
    told = outputs(DOMAIN)
    assert told["ApiUrl"] == {"Fn::Sub": OWN_NAME}
    assert told["WebhookUrl"] == {"Fn::Sub": f"{OWN_NAME}/webhooks/stripe"}
    assert told["DomainTarget"] == {"Fn::GetAtt": ["Domain", "RegionalDomainName"]}
    assert "ClosedUrl" not in told


def test_it_is_the_only_way() -> None:
    resources = whole.resources(SOURCE, EDGE)

    assert ways(resources) == {SECRET_PATH}
    generated = resources["Edge.OriginPath"]["Properties"]["GenerateSecretString"]
    assert generated == {"PasswordLength": 48, "ExcludePunctuation": True}
    [origin] = distribution(resources)["Origins"]
    assert origin["OriginPath"] == f"/{SECRET_PATH}"
    assert origin["DomainName"] == "<Domain@RegionalDomainName>"
    assert origin["CustomOriginConfig"]["OriginProtocolPolicy"] == "https-only"


def test_both_ways_are_open_while_dns_and_stripe_change() -> None:
    assert ways(whole.resources(SOURCE, BOTH)) == {"own name", "", SECRET_PATH}
    assert "ClosedUrl" not in outputs(BOTH)


@pytest.mark.parametrize("parameters", [EDGE, BOTH])
def test_what_configure_and_smoke_use_is_the_public_name(parameters: dict[str, str]) -> None:
    told = outputs(parameters)

    assert told["ApiUrl"] == "https://pay.example"
    assert told["WebhookUrl"] == {"Fn::Sub": "${PublicOrigin}/webhooks/stripe"}
    assert told["DomainTarget"] == {"Fn::GetAtt": ["Edge", "Outputs.DomainName"]}


# What CloudFront passes on, and what it keeps


def distribution(resources: dict[str, Resource]) -> dict[str, Any]:
    found: dict[str, Any] = resources["Edge.Distribution"]["Properties"]["DistributionConfig"]
    return found


def test_it_has_the_public_name_its_certificate_and_waf() -> None:
    resources = whole.resources(SOURCE, EDGE)
    config = distribution(resources)

    assert config["Aliases"] == ["<Domain>"]
    assert resources["Domain"]["Properties"]["DomainName"] == "pay.example"
    assert config["ViewerCertificate"]["AcmCertificateArn"] == EDGE["EdgeCertificateArn"]
    assert config["ViewerCertificate"]["MinimumProtocolVersion"] == "TLSv1.2_2021"
    assert config["WebACLId"] == EDGE["EdgeWebAclArn"]


def behavior(config: dict[str, Any], path: str) -> dict[str, Any]:
    """What CloudFront does with a path."""
    for one in config["CacheBehaviors"]:
        if fnmatch(path, one["PathPattern"]):
            found: dict[str, Any] = one
            return found
    default: dict[str, Any] = config["DefaultCacheBehavior"]
    return default


def routes() -> set[tuple[str, str]]:
    """(method, path) of the API."""
    return {
        (event["Properties"]["Method"], event["Properties"]["Path"])
        for function in transformed.of_type(transformed.source(), "AWS::Serverless::Function").values()
        for event in function.get("Events", {}).values()
        if event["Type"] == "HttpApi"
    }


def kept(config: dict[str, Any]) -> set[str]:
    """Paths whose answers CloudFront may keep."""
    return {path for _, path in routes() if behavior(config, path)["CachePolicyId"] != CACHING_DISABLED}


def test_nothing_is_kept_but_the_page_s_files() -> None:
    config = distribution(whole.resources(SOURCE, EDGE))

    assert kept(config) == {"/balance/{asset}"}
    assert behavior(config, "/balance/x")["CachePolicyId"] == BY_THE_ORIGINS_HEADERS
    assert {one["ErrorCode"] for one in config["CustomErrorResponses"]} == CACHED_ERRORS
    assert {one["ErrorCachingMinTTL"] for one in config["CustomErrorResponses"]} == {0}


def test_every_route_gets_all_that_was_sent() -> None:
    """Host, Authorization, Stripe-Signature; CloudFront does not change a body."""
    config = distribution(whole.resources(SOURCE, EDGE))

    for method, path in routes():
        chosen = behavior(config, path)
        assert chosen["OriginRequestPolicyId"] == ALL_OF_THE_VIEWERS
        assert method in chosen["AllowedMethods"]
        assert chosen["ViewerProtocolPolicy"] == "https-only"
        assert not chosen.keys() & {"FunctionAssociations", "LambdaFunctionAssociations"}


def test_an_answer_of_the_api_that_is_kept_is_noticed() -> None:
    config = copy.deepcopy(distribution(whole.resources(SOURCE, EDGE)))
    config["CacheBehaviors"][0]["PathPattern"] = "/*balance*"

    assert kept(config) == {"/balance", "/balance/{asset}", "/checkout/balance"}


# What WAF lets through

OTHERS = {"too-many-requests", "known-bad-inputs", "common"}


def firewall(sources: str = "") -> Template:
    given: dict[str, Any] = {"StripeWebhookSources": [one for one in sources.split(",") if one]}
    return transformed.resolved(transformed.nested("firewall"), **given)


def verdict(template: Template, path: str, *, is_stripe: bool) -> tuple[str, set[str]]:
    """What the first rule about the path alone says of it, and the rules that judge it before."""
    judges: set[str] = set()
    rules = template["Resources"]["WebAcl"]["Properties"]["Rules"]
    for rule in sorted(rules, key=lambda one: int(one["Priority"])):
        found = _matches(rule["Statement"], path, is_stripe)
        if found is None:
            judges.add(rule["Name"])
        elif found:
            return next(iter(rule["Action"])), judges
    return "judged", judges


def _matches(statement: dict[str, Any], path: str, is_stripe: bool) -> bool | None:
    """None if it depends on more than the path and the address."""
    match statement:
        case {"ByteMatchStatement": {"SearchString": searched, "TextTransformations": ways} as match}:
            is_decoded = any(way["Type"] == "URL_DECODE" for way in ways)
            seen = unquote(path) if is_decoded else path
            is_whole = match["PositionalConstraint"] == "EXACTLY"
            return bool(seen == searched) if is_whole else seen.startswith(searched)
        case {"NotStatement": {"Statement": {"IPSetReferenceStatement": _}}}:
            return not is_stripe
        case {"AndStatement": {"Statements": parts}}:
            return all(_matches(part, path, is_stripe) for part in parts)
    return None


@pytest.mark.parametrize("sources", ["", "192.0.2.1/32,198.51.100.0/24"])
def test_no_rule_spoils_stripe_s_events(sources: str) -> None:
    """They are larger than the 8 KB that the common rules allow, and come in bursts."""
    [webhook] = [path for _, path in routes() if "webhooks" in path]

    assert verdict(firewall(sources), webhook, is_stripe=True) == ("Allow", set())


def test_webhooks_from_elsewhere_are_refused_if_stripe_s_addresses_are_given() -> None:
    with_addresses = firewall("192.0.2.1/32")

    # API Gateway decodes a path before it looks for the route.
    for path in ("stripe", "%73tripe", "stripe%3Fa=1", "stripe%23"):
        assert verdict(with_addresses, f"/webhooks/{path}", is_stripe=False) == ("Block", set()), path
    assert verdict(with_addresses, "/%77ebhooks/stripe", is_stripe=False) == ("Block", set())
    addresses = with_addresses["Resources"]["StripeAddresses"]["Properties"]
    assert (addresses["Scope"], addresses["Addresses"]) == ("CLOUDFRONT", ["192.0.2.1/32"])
    assert verdict(firewall(), "/webhooks/stripe", is_stripe=False) == ("Allow", set())


def test_everything_else_is_judged_by_every_rule() -> None:
    for _, path in routes() | {("POST", "/webhooks/stripe/"), ("POST", "/webhooks/stripe%2f")}:
        if path != "/webhooks/stripe":
            assert verdict(firewall("192.0.2.1/32"), path, is_stripe=True) == ("judged", OTHERS), path


def test_a_rule_before_stripe_s_is_noticed() -> None:
    template = firewall()
    for rule in template["Resources"]["WebAcl"]["Properties"]["Rules"]:
        rule["Priority"] = 0 if rule["Name"] == "common" else rule["Priority"]

    assert verdict(template, "/webhooks/stripe", is_stripe=True) == ("Allow", {"common"})


def test_too_many_requests_are_told_as_such() -> None:
    [rule] = [
        one
        for one in firewall()["Resources"]["WebAcl"]["Properties"]["Rules"]
        if one["Name"] == "too-many-requests"
    ]

    assert rule["Statement"]["RateBasedStatement"]["AggregateKeyType"] == "IP"
    assert rule["Action"]["Block"]["CustomResponse"]["ResponseCode"] == 429
