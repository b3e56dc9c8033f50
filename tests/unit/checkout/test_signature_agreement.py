"""Our verification and Stripe's library say the same of 10,000 headers and bodies; where ours is stricter."""

import hashlib
import hmac
import importlib
import types
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import pytest
import stripe
from hypothesis import given, settings
from hypothesis import strategies as st

from checkout.base.errors import InvalidSignature
from checkout.payments import signature as stripe_signature
from checkout.payments.signature import TOLERANCE_SECONDS

NOW = 1_780_000_000
SECRET = "whsec_ours"
OLD_SECRET = "whsec_rolled_soon"
OTHER_SECRET = "whsec_of_somebody_else"
DELIVERIES_PER_EXAMPLE = 10


@pytest.fixture(autouse=True, scope="module")
def _frozen_clock() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        library_module = importlib.import_module(stripe.WebhookSignature.__module__)
        patch.setattr(library_module, "time", types.SimpleNamespace(time=lambda: float(NOW)))
        yield


def ours(body: bytes, header: str | None, *secrets: str) -> bool:
    """Whether we accept; anything raised but InvalidSignature is a failure of the test."""
    try:
        stripe_signature.verify(body, header, secrets, lambda: float(NOW))
    except InvalidSignature:
        return False
    return True


def library(body: bytes, header: str | None, secret: str) -> bool:
    """Whether the library accepts. A body or a signature that it cannot encode is as good as a mismatch."""
    try:
        return bool(stripe.WebhookSignature.verify_header(body, header, secret, TOLERANCE_SECONDS))
    except (stripe.SignatureVerificationError, ValueError, TypeError):
        return False


def signed(body: bytes, timestamp: object = NOW, secret: str = SECRET) -> str:
    """A v1 signature, made without the library."""
    return hmac.new(secret.encode(), f"{timestamp}.".encode() + body, hashlib.sha256).hexdigest()


def header_of(body: bytes, timestamp: object = NOW, secret: str = SECRET) -> str:
    return f"t={timestamp},v1={signed(body, timestamp, secret)}"


class Delivery(NamedTuple):
    body: bytes
    header: str | None


bodies = st.one_of(
    st.sampled_from([b"", b'{"id": "evt_1", "object": "event"}']),
    st.text(max_size=20).map(str.encode),
    st.binary(max_size=20),
)
edges = [NOW - 302, NOW - 301, NOW - 300, NOW - 299, NOW - 1, NOW, NOW + 1, NOW + 299, NOW + 300]
timestamps = st.sampled_from(edges) | st.integers(NOW - 290, NOW + 290) | st.integers(max_value=NOW)
starts = st.sampled_from(
    [
        *["t={t},v1={right}"] * 4,
        "v1={right},t={t}",
        "t={t},v1={other},v1={right}",
        "t={t},v1={right},v0={v0}",
        "t={t},v1={rolled},v1={right}",
        "t={t},v1={rolled}",
        "t= {t} ,v1={right}",
        "t=+0{t},v1={right}",
        "t={t}=,v1={right}",
        "t={t}=9,v1={right}=9",
        "t={t}=9=9,v1={right}",
        "t={t}.0,v1={right}",
        "t={t}, v1={right}",
        "t={t},v0={v0}",
        "t={t},v0={right}",
        "t={t},v1={later}",
        "t={t},v1={upper}",
        "t={t},v1={short}",
        "t={t}",
        "v1={right}",
    ]
)
JUNK = [
    "",
    "t",
    "t=",
    "t=x",
    "t=1",
    "t=1e9",
    "v1",
    "v1=",
    "v1=é",
    "v0=é",
    "é=é",
    "=",
    "scheme=v1",
    "T=1",
    " ",
]
rest = st.lists(st.sampled_from(JUNK) | st.text("tv01=, +_-9é٣", max_size=6), max_size=1)
garbage = st.text(max_size=12) | st.sampled_from([None, *JUNK])


def filled(start: str, body: bytes, timestamp: int) -> str:
    right = signed(body, timestamp)
    return start.format(
        t=timestamp,
        right=right,
        upper=right.upper(),
        short=right[:-1],
        later=signed(body, timestamp + 1),
        other=signed(body, timestamp, OTHER_SECRET),
        rolled=signed(body, timestamp, OLD_SECRET),
        v0=signed(body, timestamp, OTHER_SECRET),
    )


def changed(draw: st.DrawFn, body: bytes) -> bytes:
    """By at most one byte: another one, one less, or one more."""
    position = draw(st.integers(0, len(body)))
    new = draw(st.binary(max_size=1))
    return body[:position] + new + body[position + draw(st.integers(0, 1)) :]


@st.composite
def deliveries(draw: st.DrawFn) -> Sequence[Delivery]:
    """Of one body: signatures right and wrong in many spellings; one is garbage, one of a changed body."""
    body = draw(bodies)
    headers = [
        ",".join([filled(draw(starts), body, draw(timestamps)), *draw(rest)])
        for _ in range(DELIVERIES_PER_EXAMPLE - 2)
    ]
    return [
        *(Delivery(body, header) for header in headers),
        Delivery(body, draw(garbage)),
        Delivery(changed(draw, body), headers[0]),
    ]


def generated(count: int) -> settings:
    """So many deliveries, the same in every run."""
    return settings(
        max_examples=count // DELIVERIES_PER_EXAMPLE,
        derandomize=True,
        database=None,
        deadline=None,
    )


def test_one_secret_accepts_what_the_library_accepts() -> None:
    answers: Counter[bool] = Counter()

    @generated(7_000)
    @given(deliveries())
    def agree(batch: Sequence[Delivery]) -> None:
        for body, header in batch:
            expected = library(body, header, SECRET)
            assert ours(body, header, SECRET) is expected, (body, header)
            answers[expected] += 1

    agree()
    assert answers.total() >= 7_000
    assert min(answers.values()) > 1_000, answers


def test_several_secrets_accept_what_the_library_accepts_with_any_of_them() -> None:
    answers: Counter[bool] = Counter()

    @generated(3_000)
    @given(deliveries())
    def agree(batch: Sequence[Delivery]) -> None:
        for body, header in batch:
            expected = any(library(body, header, secret) for secret in (SECRET, OLD_SECRET))
            assert ours(body, header, OLD_SECRET, SECRET) is expected, (body, header)
            answers[expected] += 1

    agree()
    assert answers.total() >= 3_000
    assert min(answers.values()) > 500, answers


@pytest.mark.parametrize("secret", [SECRET, OLD_SECRET])
def test_while_a_secret_is_rolled_either_is_enough(secret: str) -> None:
    header = header_of(b"{}", secret=secret)
    assert ours(b"{}", header, SECRET, OLD_SECRET)
    assert not ours(b"{}", header, OTHER_SECRET)


def test_the_window_is_five_minutes_to_both_sides() -> None:
    """The library has no end of it in the future."""
    for age, accepted in ((300, True), (301, False), (-300, True), (-301, False), (-10_000_000, False)):
        header = header_of(b"{}", NOW - age)
        assert ours(b"{}", header, SECRET) is accepted
        assert library(b"{}", header, SECRET) is (age <= 300)


@pytest.mark.parametrize("written", ["{}=", "{}=9", " {} ", "+{}", "0{}"])
def test_a_timestamp_from_the_future_is_refused_however_it_is_written(written: str) -> None:
    future = NOW + TOLERANCE_SECONDS + 1
    header = f"t={written.format(future)},v1={signed(b'{}', future)},t={NOW}"
    assert library(b"{}", header, SECRET)
    assert not ours(b"{}", header, SECRET)


@pytest.mark.parametrize("secrets", [(), ("",), (" \t\r\n",), ("", " ")])
def test_an_empty_secret_signs_nothing(secrets: tuple[str, ...]) -> None:
    for secret in ("", *secrets):
        assert not ours(b"{}", header_of(b"{}", secret=secret), *secrets)


def test_an_empty_secret_beside_a_real_one_opens_nothing() -> None:
    assert not ours(b"{}", header_of(b"{}", secret=""), SECRET, "")
    assert ours(b"{}", header_of(b"{}"), "", SECRET)
