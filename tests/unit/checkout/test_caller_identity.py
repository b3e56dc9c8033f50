"""Who calls, proved by a signature that only STS can judge; here by a stand-in that judges it, too."""

import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import ClassVar
from urllib.parse import parse_qs, urlsplit

import pytest
from botocore.auth import SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from checkout.base.errors import InvalidRequest, Unavailable
from checkout.operations import caller_identity
from tests.support.settings import put

KEY, SECRET = "AKIATESTS", "of the tests"
ACCOUNT = "123456789012"
ARN = f"arn:aws:iam::{ACCOUNT}:user/ada"
WORDS = ["adjust", "--key", "T-1"]


class Sts(BaseHTTPRequestHandler):
    """Judges the signature of a query as AWS does."""

    status: ClassVar[int] = 200
    address: ClassVar[str] = ""

    def do_GET(self) -> None:
        is_signed = self._signature() == self._of("X-Amz-Signature")
        signed_at = datetime.strptime(self._of("X-Amz-Date"), "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        is_fresh = time.time() < signed_at.timestamp() + int(self._of("X-Amz-Expires"))
        status = self.status if is_signed and is_fresh else 403
        self.send_response(status)
        self.end_headers()
        if status == 200:
            self.wfile.write(
                f"<GetCallerIdentityResponse><Arn>{ARN}</Arn></GetCallerIdentityResponse>".encode()
            )

    def _of(self, name: str) -> str:
        return parse_qs(urlsplit(self.path).query)[name][0]

    def _signature(self) -> str:
        url = (self.address + self.path).partition("&X-Amz-Signature=")[0]
        names = [name for name in self._of("X-Amz-SignedHeaders").split(";") if name != "host"]
        asked = AWSRequest("GET", url, headers={name: self.headers[name] for name in names})
        asked.context["timestamp"] = self._of("X-Amz-Date")
        auth = SigV4QueryAuth(Credentials(KEY, SECRET), "sts", "eu-central-1")
        found: str = auth.signature(auth.string_to_sign(asked, auth.canonical_request(asked)), asked)
        return found

    def log_message(self, *_: object) -> None: ...


@pytest.fixture(autouse=True)
def sts(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Sts]]:
    class Fresh(Sts): ...

    with HTTPServer(("127.0.0.1", 0), Fresh) as server:
        Fresh.address = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        for name, value in {
            "AWS_ENDPOINT_URL_STS": Fresh.address,
            "AWS_DEFAULT_REGION": "eu-central-1",
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET,
        }.items():
            put(monkeypatch, **{name: value})
        yield Fresh
        server.shutdown()


def test_who_has_signed_is_known() -> None:
    assert caller_identity.proved(caller_identity.proof("prod", WORDS), "prod", WORDS, ACCOUNT) == ARN


@pytest.mark.parametrize(
    ("function", "words"), [("staging", WORDS), ("prod", ["adjust", "--key", "T-2"]), ("prod", WORDS[:-1])]
)
def test_a_proof_is_for_one_act_of_one_function(function: str, words: list[str]) -> None:
    with pytest.raises(InvalidRequest, match="not proved"):
        caller_identity.proved(caller_identity.proof(function, words), "prod", WORDS, ACCOUNT)


def test_it_is_good_for_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    proof = caller_identity.proof("prod", WORDS)
    later = time.time() + caller_identity.PROOF_SECONDS
    monkeypatch.setattr(time, "time", lambda: later)

    with pytest.raises(InvalidRequest, match="minute"):
        caller_identity.proved(proof, "prod", WORDS, ACCOUNT)


def test_only_that_question_to_that_address_is_asked() -> None:
    proof = caller_identity.proof("prod", WORDS)
    host = urlsplit(proof).netloc

    for wrong in (
        proof.replace(host, "sts.example.com"),
        proof.replace(host, f"{host}@sts.example.com"),
        proof.replace("GetCallerIdentity", "AssumeRole"),
        f"{proof}&Action=AssumeRole",
        proof.replace("x-checkout-act", "x-other"),
        f"{proof}&X-Amz-SignedHeaders=host",
        "",
    ):
        with pytest.raises(InvalidRequest, match="not proved"):
            caller_identity.proved(wrong, "prod", WORDS, ACCOUNT)


def test_a_signature_of_somebody_else_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    put(monkeypatch, AWS_SECRET_ACCESS_KEY="of nobody")

    with pytest.raises(InvalidRequest, match="not proved"):
        caller_identity.proved(caller_identity.proof("prod", WORDS), "prod", WORDS, ACCOUNT)


def test_who_is_of_another_account_is_refused() -> None:
    """In an account of their own, anybody can call themselves as they like."""
    with pytest.raises(InvalidRequest, match="another AWS account"):
        caller_identity.proved(caller_identity.proof("prod", WORDS), "prod", WORDS, "111122223333")


def test_sts_may_be_away(sts: type[Sts], monkeypatch: pytest.MonkeyPatch) -> None:
    proof = caller_identity.proof("prod", WORDS)
    sts.status = 503
    with pytest.raises(Unavailable):
        caller_identity.proved(proof, "prod", WORDS, ACCOUNT)

    put(monkeypatch, AWS_ENDPOINT_URL_STS="http://127.0.0.1:1")
    with pytest.raises(Unavailable):
        caller_identity.proved(caller_identity.proof("prod", WORDS), "prod", WORDS, ACCOUNT)
