"""The walk-throughs of docs/adopting.md, each beside a stack that its settings started."""

from pathlib import Path

import pytest

from examples import identity_provider, sign_in
from local.stack.description import Description
from tests.support.running_stack import RunningStack


@pytest.mark.parametrize("name", sign_in.SHAPES)
def test_a_user_of_a_provider_pays(tmp_path: Path, name: str) -> None:
    shape, said = sign_in.SHAPES[name], list[str]()
    with identity_provider.serving() as provider:
        provider.add_key("one")
        with RunningStack(tmp_path / "project", **sign_in.settings(provider, shape)) as stack:
            found = Description(**stack.description)
            assert (found.jwt_secret, found.demo_token) == (None, None)
            sign_in.purchase(found, provider, shape, said.append)
    assert "balance  0 + 500 = 500 cents" in said[-1]
