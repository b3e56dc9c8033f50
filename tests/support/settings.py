"""The one way in which a test sets a setting, or another variable of the environment."""

import os
from contextlib import ExitStack

import pytest


def put(patch: pytest.MonkeyPatch, **variables: str | None) -> ExitStack:
    """Set them until the test ends, or until the end of a `with`; None takes a variable away."""
    before = {name: os.environ.get(name) for name in variables}
    for name, value in variables.items():
        if value is None:
            patch.delenv(name, raising=False)
        else:
            patch.setenv(name, value)
    taken_back = ExitStack()
    taken_back.callback(lambda: put(patch, **before))
    return taken_back


def sign_in_to_aws(patch: pytest.MonkeyPatch) -> None:
    """As the account of moto or of a stub, in no account's own region."""
    put(
        patch,
        AWS_DEFAULT_REGION="eu-central-1",
        AWS_ACCESS_KEY_ID="testing",
        AWS_SECRET_ACCESS_KEY="testing",
    )
