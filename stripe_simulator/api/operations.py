"""The API's operations, each with its path, its parameters and its function."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from stripe_simulator.api import lists
from stripe_simulator.api.errors import NotFound
from stripe_simulator.api.params import Declaration, fields, list_of, text
from stripe_simulator.storage.transaction import Json, Transaction

EXPAND: dict[str, Declaration] = {"expand": list_of(text())}


@dataclass(frozen=True)
class Call:
    """One request: its validated parameters, and the values from its path."""

    params: Mapping[str, Any]
    path: Mapping[str, str]
    url: str


@dataclass(frozen=True)
class Operation:
    """`path` is below /v1, with `{id}` in the place of an id."""

    method: str
    path: str
    run: Callable[[Transaction, Call], Json]
    params: Declaration = field(default_factory=lambda: fields(EXPAND))


def named(transaction: Transaction, kind: str, call: Call) -> Json:
    """The object that the path names. Raises `NotFound`."""
    found = transaction.find(kind, call.path["id"])
    if found is None:
        raise NotFound(kind, call.path["id"], param="id")
    return found


def retrieval(kind: str, path: str) -> Operation:
    """`GET path/{id}`"""
    return Operation("GET", f"{path}/{{id}}", lambda transaction, call: named(transaction, kind, call))


def listing(kind: str, path: str, **filters: Declaration) -> Operation:
    """`GET path`, with filters that are top-level fields of the kind."""

    def run(transaction: Transaction, call: Call) -> Json:
        conditions = [lists.equals(name, call.params[name]) for name in filters if name in call.params]
        return lists.page(transaction, kind, call.url, dict(call.params), conditions)

    return Operation("GET", path, run, fields({**filters, **lists.CREATED, **lists.PAGE}))
