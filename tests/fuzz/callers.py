"""Callers: valid tokens, and invalid ones."""

import base64
import hashlib
import hmac
import json
import time
from dataclasses import dataclass
from random import Random
from typing import Any

from tests.fuzz.values import odd

Headers = tuple[tuple[str, bytes], ...]

WRONG = 17
"""The number of kinds of invalid callers of `nobody`."""


@dataclass(frozen=True)
class Callers:
    """`user_ids` are existing users."""

    jwt_secret: str
    service_token: str
    user_ids: tuple[int, ...]

    def somebody(self, random: Random) -> Headers:
        """A valid token of a user who may not exist."""
        return bearer(self.token({"sub": str(random.choice((*self.user_ids, 404)))}))

    def service(self) -> Headers:
        return (("x-service-token", self.service_token.encode()),)

    def nobody(self, random: Random) -> Headers:
        """A missing, wrong or expired token, which is answered 401."""
        user_id = str(random.choice(self.user_ids))
        now = int(time.time())
        match random.randrange(WRONG):
            case 0:
                return ()
            case 1:
                return bearer(self.token({"sub": user_id, "exp": now - 3600}))
            case 2:
                return bearer(self.token({"sub": user_id, "nbf": now + 3600}))
            case 3:
                return bearer(self.token({"sub": user_id, "iat": now + 3600}))
            case 4:
                return bearer(self.token({"sub": user_id, "exp": odd_time(random)}))
            case 5:
                return bearer(self.token({"sub": odd_subject(random, user_id)}))
            case 6:
                return bearer(
                    self.token({"sub": user_id}, {"alg": random.choice(("none", "HS512", "RS256", ""))})
                )
            case 7:
                return bearer(self.token({"sub": user_id}, {"alg": odd(random), "kid": odd(random)}))
            case 8:
                return bearer(
                    signed({"alg": "HS256"}, {"sub": user_id, "exp": now + 600}, "another secret" * 3)
                )
            case 9:
                header, payload, _ = self.token({"sub": user_id}).split(".")
                return bearer(f"{header}.{payload}.")
            case 10:
                return bearer(
                    ".".join(base64.urlsafe_b64encode(random.randbytes(9)).decode() for _ in range(3))
                )
            case 11:
                return bearer(random.choice(("", ".", "..", "...", "a.b", "x" * 9_000, "\x7f" * 9)))
            case 12:
                return (("authorization", random.randbytes(30).translate(None, b"\r\n\0")),)
            case 13:
                return (("authorization", b"Basic " + base64.b64encode(f"{user_id}:x".encode())),)
            case 14:
                return bearer(self.token(["not", "an", "object"]))
            case 15:
                return bearer(self.token({"sub": user_id, "exp": None}))
            case _:
                return (
                    ("x-service-token", random.choice((b"", b",", b"x", self.service_token.encode() + b","))),
                )

    def token(self, claims: Any, header: dict[str, Any] | None = None) -> str:
        """A correctly signed token, valid for ten minutes unless the claims have `exp`."""
        if isinstance(claims, dict):
            claims = {"exp": int(time.time()) + 600, **claims}
        return signed({"alg": "HS256", "typ": "JWT", **(header or {})}, claims, self.jwt_secret)


def odd_time(random: Random) -> Any:
    return random.choice((0, -1, "soon", [], {}, 1e400, float("nan"), 2**70, -(2**70), "9" * 30, None, True))


def odd_subject(random: Random, user_id: str) -> Any:
    return random.choice(
        (
            *(f" {user_id}", f"{user_id} ", f"+{user_id}", f"-{user_id}", f"0{user_id}", f"{user_id}.0", ""),
            *(
                int(user_id),
                None,
                [user_id],
                {"id": user_id},
                True,
                "1e3",
                "٣",
                "9" * 20,
                "0",
                "\ud800",
                "admin",
            ),
        )
    )


def bearer(token: str) -> Headers:
    return (("authorization", f"Bearer {token}".encode("latin-1", "replace")),)


def signed(header: Any, claims: Any, secret: str) -> str:
    parts = [json.dumps(part).encode() for part in (header, claims)]
    text = ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts)
    digest = hmac.new(secret.encode(), text.encode(), hashlib.sha256).digest()
    return f"{text}.{base64.urlsafe_b64encode(digest).decode().rstrip('=')}"
