"""The walk-throughs of docs/adopting.md, each beside a stack that its settings started."""

from pathlib import Path

import pytest

from examples import identity_provider, own_table, sign_in
from local.stack.description import Description
from tests.support.postgres import new_postgres
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


def test_a_user_in_a_table_of_the_application_pays(tmp_path: Path) -> None:
    server, said = new_postgres(tmp_path / "postgres"), list[str]()
    server.start()
    try:
        with RunningStack(tmp_path / "project", **own_table.prepare(server)) as stack:
            own_table.purchase(Description(**stack.description), said.append)
    finally:
        server.stop()
    assert said[-1].endswith("its table has 300")
