"""A small FastAPI application that runs beside checkout. It has its own users, orders and prices.

It signs its users in with a JWT that checkout accepts, too. It spends their balance by `ledger_move`, in the
transaction that stores the order. `examples/own_table.py` runs it.
"""

import time
from collections.abc import Iterator
from contextlib import closing
from typing import Annotated
from uuid import UUID, uuid4

import jwt
import psycopg2
from fastapi import APIRouter, Depends, FastAPI, HTTPException, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from psycopg2.extensions import cursor
from pydantic import BaseModel, Field

TABLES = """
    CREATE TABLE accounts (uuid UUID PRIMARY KEY, name TEXT NOT NULL, coins BIGINT NOT NULL DEFAULT 0);
    CREATE TABLE orders (id UUID PRIMARY KEY, account UUID NOT NULL REFERENCES accounts, item TEXT NOT NULL);
    -- What checkout sees of it.
    CREATE VIEW users AS SELECT uuid AS id, coins AS balance FROM accounts;
"""
PRICES = {"sticker": 200, "poster": 900}
TOKEN_SECONDS = 3_600


class NewAccount(BaseModel):
    name: str = Field(min_length=1, max_length=100)


class Order(BaseModel):
    """The client makes the id, so a repeated request is the same order."""

    id: UUID
    item: str


def transaction(request: Request) -> Iterator[cursor]:
    """Rolled back if the route raises."""
    with closing(psycopg2.connect(request.app.state.database_url)) as connection:
        with connection, connection.cursor() as sql:
            yield sql


def user(request: Request, sent: Annotated[HTTPAuthorizationCredentials, Depends(HTTPBearer())]) -> str:
    try:
        claims = jwt.decode(
            sent.credentials, request.app.state.key, ["HS256"], options={"require": ["exp", "sub"]}
        )
    except jwt.InvalidTokenError:
        raise HTTPException(401, "Sign in again.") from None
    return str(claims["sub"])


# The scope commits before the answer is sent.
Transaction = Annotated[cursor, Depends(transaction, scope="function")]
User = Annotated[str, Depends(user)]
routes = APIRouter()


@routes.post("/accounts", status_code=201)
def sign_up(body: NewAccount, sql: Transaction, request: Request) -> dict[str, str]:
    user_id, state = str(uuid4()), request.app.state
    sql.execute("INSERT INTO accounts (uuid, name) VALUES (%s, %s)", (user_id, body.name))
    token = jwt.encode({"sub": user_id, "exp": int(time.time()) + TOKEN_SECONDS}, state.key, "HS256")
    return {"user_id": user_id, "token": token, "balance_page": f"{state.checkout_url}/balance#token={token}"}


@routes.get("/account")
def account(user_id: User, sql: Transaction) -> dict[str, str | int]:
    sql.execute("SELECT name, coins FROM accounts WHERE uuid = %s", (user_id,))
    if (found := sql.fetchone()) is None:
        raise HTTPException(404, "There is no such account.")
    return {"name": found[0], "coins": found[1]}


@routes.post("/orders")
def order(body: Order, user_id: User, sql: Transaction) -> dict[str, str]:
    """Store the order and take what it costs, both or neither."""
    if (price := PRICES.get(body.item)) is None:
        raise HTTPException(404, "There is no such item.")
    sql.execute(
        "INSERT INTO orders (id, account, item) VALUES (%s, %s, %s) ON CONFLICT (id) DO NOTHING",
        (str(body.id), user_id, body.item),
    )
    try:
        sql.execute("SELECT ledger_move(%s, %s, %s, 'eur', 'order')", (f"order:{body.id}", user_id, -price))
    except psycopg2.errors.CheckViolation:
        raise HTTPException(402, "The balance is too small.") from None
    except psycopg2.errors.UniqueViolation:
        raise HTTPException(409, "This id is another order's.") from None
    return {"order": str(body.id), "item": body.item}


def shop(database_url: str, checkout_url: str, key: str) -> FastAPI:
    """`key` signs the users' tokens: checkout's JWT_SECRET."""
    app = FastAPI(title="Shop")
    app.state.database_url, app.state.checkout_url, app.state.key = database_url, checkout_url, key
    app.include_router(routes)
    return app
