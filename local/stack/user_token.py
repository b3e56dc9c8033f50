"""A user's token as an application signs it, of which the functions' settings say what must be in it."""

import time
from collections.abc import Mapping
from typing import Any

import jwt

from checkout.base import setting
from checkout.base.setting import text_of
from checkout.base.user_ids import UserId


def signed(variables: Mapping[str, str], secret: str, user_id: UserId, seconds: int) -> str:
    """`variables` are the functions' environment, and the token lives for `seconds`."""
    now = int(time.time())
    claims: dict[str, Any] = {"iat": now, "exp": now + seconds}
    for name, variable in (("aud", "JWT_AUDIENCE"), ("iss", "JWT_ISSUER")):
        if (wanted := text_of(variables, variable)) is not None:
            # Of several audiences one is enough.
            claims[name] = wanted.split(",")[0].strip() if name == "aud" else wanted
    *objects, name = setting.claim(text_of(variables, "JWT_USER_CLAIM") or "sub")
    place = claims
    for one in objects:
        place = place.setdefault(one, {})
    place[name] = str(user_id)
    return jwt.encode(claims, secret, algorithm="HS256")
