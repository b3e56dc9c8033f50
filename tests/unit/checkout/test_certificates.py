"""The roots that the functions trust when they connect to PostgreSQL and Kafka on AWS."""

import ssl
import time
from pathlib import Path
from typing import Any

import certifi
import pytest

import checkout
from checkout.base.config import Config
from checkout.base.errors import ConfigurationError
from checkout.outbox import administration, sign_in

BUNDLE = Path(checkout.__file__).parent / "certificates" / "aws-roots.pem"
YEAR = 365 * 24 * 3600


def roots(path: Path) -> dict[str, tuple[dict[str, Any], bytes]]:
    """What OpenSSL takes from a file: content and bytes by common name."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(path)
    pairs = zip(context.get_ca_certs(), context.get_ca_certs(binary_form=True), strict=True)
    return {common_name(content): (dict(content), encoded) for content, encoded in pairs}


def common_name(content: Any) -> str:
    return next((value for part in content["subject"] for name, value in part if name == "commonName"), "")


ROOTS = roots(BUNDLE)
AMAZON = [
    *(f"Amazon Root CA {number}" for number in range(1, 5)),
    "Starfield Services Root Certificate Authority - G2",
]


def test_every_one_in_the_file_is_taken() -> None:
    assert len(ROOTS) == BUNDLE.read_text().count("BEGIN CERTIFICATE")


@pytest.mark.parametrize("name", ROOTS)
def test_a_root_issued_itself_and_holds_for_years(name: str) -> None:
    content, _ = ROOTS[name]

    assert content["issuer"] == content["subject"]
    assert ssl.cert_time_to_seconds(content["notAfter"]) > time.time() + 5 * YEAR


@pytest.mark.parametrize("region", ["eu-central-1", "eu-west-1", "us-east-1", "us-west-2", "ap-southeast-2"])
def test_rds_has_three_roots_in_a_region(region: str) -> None:
    for kind in ("RSA2048", "RSA4096", "ECC384"):
        assert f"Amazon RDS {region} Root CA {kind} G1" in ROOTS


@pytest.mark.parametrize("name", AMAZON)
def test_the_proxy_s_roots_are_those_of_the_public_web(name: str) -> None:
    assert ROOTS[name] == roots(Path(certifi.where()))[name]


def test_kafka_s_roots_are_amazon_s_alone() -> None:
    assert roots(BUNDLE.with_name("amazon-roots.pem")) == {name: ROOTS[name] for name in AMAZON}


def test_nobody_else_is_trusted() -> None:
    assert [name for name in ROOTS if not name.startswith("Amazon RDS ") and name not in AMAZON] == []


def test_comments_may_be_in_any_language(tmp_path: Path) -> None:
    """Bundles name their authorities: NetLock Arany (Class Gold) Főtanúsítvány."""
    bundle = tmp_path / "roots.pem"
    bundle.write_bytes("# Főtanúsítvány\n".encode() + b"# K\xf6k\n" + sign_in.AMAZON_ROOTS.read_bytes())

    def settings(file: str) -> dict[str, Any]:
        account = {"KAFKA_USERNAME": "a", "KAFKA_PASSWORD": "b"}
        return sign_in.settings(Config({"KAFKA_SECURITY": "SCRAM", "KAFKA_CA_FILE": file, **account}))

    [trusted, usual] = [
        administration.translated(settings(file))["ssl_context"].get_ca_certs()
        for file in (str(bundle), str(sign_in.AMAZON_ROOTS))
    ]
    assert trusted == usual
    assert trusted


@pytest.mark.parametrize("content", ["", "ü", "# nothing but a comment", "-----BEGIN"])
def test_a_file_without_a_certificate_is_refused_by_its_setting(tmp_path: Path, content: str) -> None:
    """Whoever publishes takes this error for brokers that are away, and any other for a mistake of ours."""
    bundle = tmp_path / "roots.pem"
    bundle.write_text(content, "utf-8")
    with pytest.raises(ConfigurationError, match="KAFKA_CA_FILE must be a file of certificates in PEM"):
        sign_in.roots(str(bundle))
