"""A first payment by users of an identity provider: Cognito's and Clerk's tokens, an organisation's wallet.

    .venv/bin/python -m examples.sign_in cognito        # or clerk, or organisation

starts a provider on this machine, and prints the settings for `make run` in another terminal. When that stack
is there, a user is added, signs in with a token of the provider's shape, and pays.
"""

import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import psycopg2

from checkout.base import terminal
from examples import identity_provider
from examples.identity_provider import Provider
from examples.stack import awaited
from local import demo
from local.stack.description import Description

PORT = 9990
APPLICATION = "shop"


@dataclass(frozen=True)
class Shape:
    """What a provider's tokens say of a user, and the settings that are due to it."""

    user_id: str
    claims: Mapping[str, Any]
    settings: Mapping[str, str]


SHAPES = {
    "cognito": Shape(
        "0e9cbb2a-7f4d-4c6f-9a51-2f0f4ab1f5d7",
        {"sub": "0e9cbb2a-7f4d-4c6f-9a51-2f0f4ab1f5d7", "client_id": APPLICATION, "token_use": "access"},
        {"USER_ID_TYPE": "uuid"},
    ),
    "clerk": Shape(
        "user_2bXq",
        {"sub": "user_2bXq", "azp": APPLICATION, "sid": "sess_1", "v": 2},
        {"USER_ID_TYPE": "text"},
    ),
    "organisation": Shape(
        "org_2bYr",
        {"sub": "user_2bXq", "azp": APPLICATION, "v": 2, "o": {"id": "org_2bYr", "rol": "admin"}},
        {"USER_ID_TYPE": "text", "JWT_USER_CLAIM": "/o/id"},
    ),
}


def settings(provider: Provider, shape: Shape) -> dict[str, str]:
    """What the stack must be told."""
    return {
        "JWT_JWKS_URL": provider.configuration_url,
        "JWT_ISSUER": provider.issuer,
        "JWT_AUDIENCE": APPLICATION,
        **shape.settings,
    }


def purchase(stack: Description, provider: Provider, shape: Shape, say: Callable[[str], None]) -> None:
    """Add the user as an application does, and make one whole purchase. Raises demo.DemoError."""
    connection = psycopg2.connect(stack.database_url)
    with connection, connection.cursor() as cursor:
        cursor.execute("INSERT INTO users (id) VALUES (%s) ON CONFLICT DO NOTHING", (shape.user_id,))
    connection.close()
    token = provider.token("one", shape.claims)
    demo.purchase(replace(stack, demo_user_id=shape.user_id, demo_token=token), say)


def main(arguments: list[str]) -> int:
    if len(arguments) != 1 or arguments[0] not in SHAPES:
        terminal.complain(f"usage: python -m examples.sign_in {'|'.join(SHAPES)}")
        return 2
    shape = SHAPES[arguments[0]]

    # Ctrl-C ends it, whatever it waits for.
    with suppress(KeyboardInterrupt), identity_provider.serving(PORT) as provider:
        provider.add_key("one")
        given = settings(provider, shape)
        line = " ".join(f"{name}={value}" for name, value in given.items())
        terminal.say(
            f"The provider is there. In another terminal, after `make clean`:\n\n  {line} make run\n"
        )
        purchase(awaited(given, terminal.say), provider, shape, terminal.say)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
