"""Users' tokens that an identity provider signs: which keys count, when they are read, what is refused."""

import base64
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm, HMACAlgorithm, RSAAlgorithm

from checkout.api import https_get
from checkout.api.identity_provider import IdentityProvider
from checkout.api.key_set import keys_of
from checkout.api.tokens import Rules, Tokens
from checkout.base import timing
from checkout.base.errors import Unavailable
from examples import identity_provider
from examples.identity_provider import CONFIGURATION, KEYS, Provider

SECRET = "a-secret-of-the-tests-with-32-bytes-or-more"
SHOP = {"sub": "7", "aud": "shop"}


class Clock:
    def __init__(self) -> None:
        self.now = time.time()

    def __call__(self) -> float:
        return self.now


@pytest.fixture(scope="module")
def running() -> Iterator[Provider]:
    with identity_provider.serving() as provider:
        for algorithm in ("RS256", "ES256", "EdDSA"):
            provider.add_key(algorithm, algorithm)
        yield provider


@pytest.fixture
def provider(running: Provider) -> Iterator[Provider]:
    jwks, answers, issuer = list(running.jwks), dict(running.answers), running.issuer
    running.asked.clear()
    yield running
    running.jwks[:], running.answers, running.issuer = jwks, answers, issuer


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(time, "time", clock)
    return clock


def tokens(
    provider: Provider, url: str | None = None, *secrets: str, audiences: tuple[str, ...] = ("shop",)
) -> Tokens:
    rules = Rules(frozenset(audiences), provider.issuer)
    return Tokens(
        lambda: secrets, rules, IdentityProvider(url or provider.configuration_url, provider.issuer)
    )


def is_valid(found: Tokens, token: str) -> bool:
    return found.claims(token) is not None


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "EdDSA"])
@pytest.mark.parametrize("address", ["configuration_url", "keys_url"])
def test_a_token_of_each_algorithm_is_valid(provider: Provider, algorithm: str, address: str) -> None:
    claims = tokens(provider, getattr(provider, address)).claims(provider.token(algorithm, SHOP))

    assert claims is not None
    assert claims["sub"] == "7"


def test_nothing_is_fetched_before_the_first_token_and_then_once(provider: Provider) -> None:
    found = tokens(provider)
    assert provider.asked == []
    for _ in range(3):
        assert is_valid(found, provider.token("RS256", SHOP))
    assert provider.asked == [CONFIGURATION, KEYS]


# Claims


@pytest.mark.parametrize(
    ("claims", "expected"),
    [
        ({"aud": "shop"}, True),
        ({"aud": ["other", "shop"]}, True),
        ({"aud": "second"}, True),
        ({"client_id": "shop"}, True),
        ({"azp": "shop"}, True),
        ({"client_id": "shop", "azp": "other"}, True),
        ({"client_id": "other", "azp": "shop"}, False),
        ({"aud": "other", "client_id": "shop", "azp": "shop"}, False),
        ({"aud": []}, False),
        ({"aud": "", "azp": "shop"}, False),
        ({"aud": {"shop": 1}}, False),
        ({"aud": [["shop"]]}, False),
        ({"aud": "shop,second"}, False),
        ({}, False),
    ],
)
def test_one_audience_is_enough(provider: Provider, claims: dict[str, Any], expected: bool) -> None:
    found = tokens(provider, audiences=("shop", "second"))
    assert is_valid(found, provider.token("RS256", {"sub": "7", **claims})) is expected


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "https://other.example.com"},
        {"iss": None},
        {"iss": ["http://127.0.0.1"]},
        {"exp": 1},
        {"exp": None},
        {"exp": 2**63},
        {"nbf": 2**40},
        {"iat": 2**40},
        {"sub": 7},
    ],
)
def test_what_else_a_token_must_say(provider: Provider, claims: dict[str, Any]) -> None:
    assert not is_valid(tokens(provider), provider.token("RS256", {**SHOP, **claims}))


# Which key


def test_a_token_without_a_kid_is_refused_and_nobody_is_asked(provider: Provider) -> None:
    token = provider.token("RS256", SHOP, {"kid": None})
    assert not is_valid(tokens(provider), token)
    assert provider.asked == []


def test_a_kid_of_another_key_is_refused(provider: Provider) -> None:
    assert not is_valid(tokens(provider), provider.token("RS256", SHOP, {"kid": "ES256"}))
    provider.add_key("other pair", is_published=False)
    assert not is_valid(tokens(provider), provider.token("other pair", SHOP, {"kid": "RS256"}))


@pytest.mark.parametrize("name", ["jku", "jwk", "x5u"])
def test_a_token_does_not_bring_its_key(provider: Provider, name: str) -> None:
    provider.add_key("own", is_published=False)
    own = {"jku": "http://127.0.0.1:1/keys", "x5u": "http://127.0.0.1:1/keys"}
    value = own.get(name, {"kty": "oct", "k": "AAAA", "kid": "own"})
    assert not is_valid(tokens(provider), provider.token("own", SHOP, {name: value}))
    assert provider.asked == [CONFIGURATION, KEYS]


def forged(header: dict[str, Any], claims: dict[str, Any], secret: bytes) -> str:
    """PyJWT refuses to sign with what looks like a public key."""

    def encoded(content: bytes) -> bytes:
        return base64.urlsafe_b64encode(content).rstrip(b"=")

    signed = encoded(json.dumps(header).encode()) + b"." + encoded(json.dumps(claims).encode())
    algorithm = HMACAlgorithm(HMACAlgorithm.SHA256)
    return (signed + b"." + encoded(algorithm.sign(signed, secret))).decode()


@pytest.mark.parametrize("secrets", [(), (SECRET,)])
def test_a_published_key_is_no_secret_of_hs256(provider: Provider, secrets: tuple[str, ...]) -> None:
    found = tokens(provider, None, *secrets)
    key = keys_of({"keys": provider.jwks})["RS256"].public_key
    claims = {**SHOP, "iss": provider.issuer, "exp": int(time.time()) + 60}
    for published in (
        key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        json.dumps(provider.jwks[0]).encode(),
    ):
        for header in ({"alg": "HS256", "kid": "RS256"}, {"alg": "HS256"}):
            assert not is_valid(found, forged(header, claims, published))


def test_hs256_is_accepted_only_with_a_secret_and_by_the_same_rules(provider: Provider) -> None:
    def signed(**claims: Any) -> str:
        content = {**SHOP, "iss": provider.issuer, "exp": int(time.time()) + 60, **claims}
        return jwt.encode(content, SECRET, "HS256")

    assert is_valid(tokens(provider, None, SECRET), signed())
    assert not is_valid(tokens(provider), signed())
    assert not is_valid(tokens(provider, None, SECRET), signed(iss="other"))
    assert not is_valid(tokens(provider, None, SECRET), signed(aud="other"))
    assert provider.asked == []


def test_no_algorithm_is_no_signature(provider: Provider) -> None:
    claims = {**SHOP, "iss": provider.issuer, "exp": int(time.time()) + 60}
    for header in ({"kid": "RS256"}, {}):
        assert not is_valid(tokens(provider, None, SECRET), jwt.encode(claims, "", "none", headers=header))


@pytest.mark.parametrize("algorithm", ["RS512", "PS256"])
def test_the_key_decides_the_algorithm(provider: Provider, algorithm: str) -> None:
    private = provider._private["RS256"][1]
    claims = {**SHOP, "iss": provider.issuer, "exp": int(time.time()) + 60}
    assert not is_valid(tokens(provider), jwt.encode(claims, private, algorithm, headers={"kid": "RS256"}))


def jwk_of(key: Any, **members: Any) -> dict[str, Any]:
    of: Any = RSAAlgorithm if isinstance(key, rsa.RSAPrivateKey) else ECAlgorithm
    return {**of.to_jwk(key.public_key(), as_dict=True), "kid": "one", **members}


RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)

IGNORED: dict[str, Callable[[], Any]] = {
    "a symmetric key": lambda: {"kty": "oct", "kid": "one", "k": "A" * 43},
    "a symmetric key of HS256": lambda: {"kty": "oct", "kid": "one", "k": "A" * 43, "alg": "HS256"},
    "a symmetric key that says it is not": lambda: {"kty": "oct", "kid": "one", "k": "AAAA", "alg": "RS256"},
    "RSA of 1024 bits": lambda: jwk_of(rsa.generate_private_key(public_exponent=65537, key_size=1024)),  # noqa: S505
    "P-384": lambda: jwk_of(ec.generate_private_key(ec.SECP384R1())),
    "an alg of another key type": lambda: jwk_of(RSA, alg="ES256"),
    "another alg": lambda: jwk_of(RSA, alg="RS512"),
    "for encryption": lambda: jwk_of(RSA, use="enc"),
    "a use that is none": lambda: jwk_of(RSA, use=["sig"]),
    "with its private half": lambda: {**RSAAlgorithm.to_jwk(RSA, as_dict=True), "kid": "one"},
    "no kid": lambda: {name: value for name, value in jwk_of(RSA).items() if name != "kid"},
    "a kid that is no text": lambda: jwk_of(RSA, kid=1),
    "no modulus": lambda: {"kty": "RSA", "kid": "one", "e": "AQAB"},
    "a modulus that is a number": lambda: jwk_of(RSA, n=5),
    "an exponent of 1": lambda: jwk_of(RSA, e="AQ"),
    "a point that is not on the curve": lambda: {
        "kty": "EC",
        "crv": "P-256",
        "kid": "one",
        "x": "AA",
        "y": "AA",
    },
    "coordinates that are lists": lambda: {"kty": "EC", "crv": "P-256", "kid": "one", "x": [], "y": {}},
    "a curve that is a list": lambda: {"kty": "EC", "crv": ["P-256"], "kid": "one", "x": "AA", "y": "AA"},
    "a short Ed25519 key": lambda: {"kty": "OKP", "crv": "Ed25519", "kid": "one", "x": "AAAA"},
    "X25519": lambda: {"kty": "OKP", "crv": "X25519", "kid": "one", "x": "A" * 43},
    "a type that is a list": lambda: {"kty": [], "kid": "one"},
    "no object": lambda: "one",
    "nothing": lambda: None,
}


@pytest.mark.parametrize("name", IGNORED)
def test_a_key_that_cannot_sign_a_users_token_is_ignored(name: str) -> None:
    good = jwk_of(RSA, kid="good")
    assert keys_of({"keys": [IGNORED[name](), good]}).keys() == {"good"}


def test_a_key_needs_neither_alg_nor_use() -> None:
    assert keys_of({"keys": [jwk_of(RSA)]})["one"].algorithm == "RS256"


def test_of_two_keys_with_one_id_the_first_counts() -> None:
    second = ec.generate_private_key(ec.SECP256R1())
    assert keys_of({"keys": [jwk_of(RSA), jwk_of(second)]})["one"].algorithm == "RS256"


# When they are read


def now(provider: Provider, kid: str) -> str:
    """A token of the real time: the clock of PyJWT is not the one that stands still."""
    moment = int(datetime.now(UTC).timestamp())
    return provider.token(kid, {**SHOP, "iat": moment, "exp": moment + 60})


def test_keys_are_read_again_after_fifteen_minutes(provider: Provider, clock: Clock) -> None:
    found = tokens(provider, provider.keys_url)
    assert is_valid(found, now(provider, "RS256"))
    provider.jwks.clear()
    clock.now += timing.PROVIDER_KEEP - 1
    assert is_valid(found, now(provider, "RS256"))
    clock.now += 1
    assert not is_valid(found, now(provider, "RS256")), "the key is gone"
    assert provider.asked == [KEYS, KEYS]


def test_an_unknown_key_is_looked_for_at_once_but_once_a_minute(provider: Provider, clock: Clock) -> None:
    found = tokens(provider, provider.keys_url)
    provider.add_key("new", is_published=False)
    assert not is_valid(found, now(provider, "new")), "read now, and not there"
    provider.add_key("newer")
    clock.now += timing.PROVIDER_PAUSE - 1
    assert not is_valid(found, now(provider, "newer"))
    assert provider.asked == [KEYS]
    clock.now += 1
    assert is_valid(found, now(provider, "newer"))
    assert provider.asked == [KEYS, KEYS]


def test_failures_count_among_the_attempts_of_a_minute(provider: Provider, clock: Clock) -> None:
    found = tokens(provider, provider.keys_url)
    answer, provider.answers[KEYS] = provider.answers[KEYS], lambda: (500, {}, b"")
    for _ in range(3):
        with pytest.raises(Unavailable, match="identity provider"):
            found.claims(now(provider, "RS256"))
    assert provider.asked == [KEYS]
    clock.now += timing.PROVIDER_PAUSE
    provider.answers[KEYS] = answer
    assert is_valid(found, now(provider, "RS256"))
    assert provider.asked == [KEYS, KEYS]


def test_while_the_provider_is_away_known_keys_serve_for_a_day(provider: Provider, clock: Clock) -> None:
    found = tokens(provider, provider.keys_url)
    began = clock.now
    assert is_valid(found, now(provider, "RS256"))
    provider.answers[KEYS] = lambda: (503, {}, b"")
    clock.now = began + timing.PROVIDER_KEEP_AT_MOST - 1
    assert is_valid(found, now(provider, "RS256"))
    provider.add_key("unknown", is_published=False)
    with pytest.raises(Unavailable):
        found.claims(now(provider, "unknown"))
    clock.now = began + timing.PROVIDER_KEEP_AT_MOST
    with pytest.raises(Unavailable):
        found.claims(now(provider, "RS256"))


ANSWERS: dict[str, Callable[[], identity_provider.Answer]] = {
    "nothing": lambda: (200, {}, b""),
    "no JSON": lambda: (200, {}, b"<html>"),
    "no object": lambda: (200, {}, b"[]"),
    "no keys": lambda: (200, {}, b"{}"),
    "keys that are no list": lambda: (200, {}, b'{"keys": {}}'),
    "too much": lambda: (200, {}, b'{"keys": []}' + b" " * https_get.MAX_BYTES),
    "an error": lambda: (500, {}, b'{"keys": []}'),
    "no 200": lambda: (204, {}, b""),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_nonsense_is_a_provider_that_is_away(provider: Provider, name: str) -> None:
    provider.answers[KEYS] = ANSWERS[name]
    with pytest.raises(Unavailable, match=r"^The identity provider does not answer\.$"):
        tokens(provider).claims(provider.token("RS256", SHOP))
    with pytest.raises(Unavailable, match=r"^JWT_JWKS_URL "):
        IdentityProvider(provider.keys_url, provider.issuer).require()


@pytest.mark.parametrize("lacking", [{"kid": None}, {"alg": "RS512"}], ids=["no kid", "another algorithm"])
def test_a_provider_without_a_key_that_counts_is_no_provider(
    provider: Provider, lacking: dict[str, Any]
) -> None:
    """A deployment would log everybody out, and say nothing."""
    provider.jwks[:] = [{**jwk, **lacking} for jwk in provider.jwks]
    with pytest.raises(Unavailable, match=r"^JWT_JWKS_URL has no usable key: one of RS256"):
        IdentityProvider(provider.keys_url, provider.issuer).require()


def test_a_redirect_is_not_followed(provider: Provider) -> None:
    provider.answers["/elsewhere"] = provider.answers[KEYS]
    provider.answers[KEYS] = lambda: (302, {"Location": "/elsewhere"}, b"")
    with pytest.raises(Unavailable):
        tokens(provider).claims(provider.token("RS256", SHOP))
    assert "/elsewhere" not in provider.asked


def test_a_firewall_that_refuses_whoever_has_no_name_lets_us_through() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(30)

        def answer() -> None:
            connection, _ = listening.accept()
            with connection:
                is_named = b"\r\nuser-agent: checkout" in connection.recv(65_536).lower()
                status = b"200 OK" if is_named else b"403 Forbidden"
                connection.sendall(b"HTTP/1.1 %s\r\nContent-Length: 2\r\n\r\n{}" % status)

        thread = threading.Thread(target=answer)
        thread.start()
        assert https_get.body_of(f"http://127.0.0.1:{listening.getsockname()[1]}/keys", 30) == b"{}"
        thread.join()


@pytest.mark.parametrize(
    "changed",
    [
        {"issuer": "https://other.example.com"},
        {"issuer": None},
        {"jwks_uri": "http://keys.example.com/"},
        {"jwks_uri": "file:///etc/passwd"},
        {"jwks_uri": 7},
        {"jwks_uri": None},
    ],
)
def test_a_configuration_is_of_our_issuer_and_names_protected_keys(
    provider: Provider, changed: dict[str, Any]
) -> None:
    content = {"issuer": provider.issuer, "jwks_uri": provider.keys_url, **changed}
    provider.answers[CONFIGURATION] = lambda: (200, {}, json.dumps(content).encode())
    with pytest.raises(Unavailable):
        tokens(provider).claims(provider.token("RS256", SHOP))
    assert provider.asked == [CONFIGURATION]


def test_a_provider_that_is_not_there_is_away(provider: Provider) -> None:
    with pytest.raises(Unavailable):
        tokens(provider, "http://127.0.0.1:1/keys").claims(provider.token("RS256", SHOP))


def test_a_slow_provider_is_given_up_in_time(provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both of its answers together, although each packet comes in time."""
    released = threading.Event()

    def slow() -> identity_provider.Answer:
        released.wait(30)
        return 200, {}, b"{}"

    monkeypatch.setattr(timing, "PROVIDER_READ", 0.2)
    provider.answers[KEYS] = slow
    began = time.monotonic()
    try:
        with pytest.raises(Unavailable):
            tokens(provider).claims(provider.token("RS256", SHOP))
        assert time.monotonic() - began < 10
    finally:
        released.set()
