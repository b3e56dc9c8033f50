"""What a webhook costs at the least: the signature, one insert, one record produced. Nothing is promised.

FLOOR_SECRET=whsec_… FLOOR_DATABASE=postgresql://… FLOOR_BROKERS=host:port python -m benchmarks.floor 8000
"""

import hashlib
import hmac
import json
import os
import socket
import sys
from collections.abc import Awaitable, Callable
from functools import cache
from multiprocessing import get_context
from typing import Any

import psycopg2
import uvicorn
from confluent_kafka import Producer

from local.gateway.server import claim

TOPIC = "floor"
PROCESSES = 2

Message = dict[str, Any]


@cache
def connection() -> psycopg2.extensions.connection:
    return psycopg2.connect(os.environ["FLOOR_DATABASE"])


@cache
def producer() -> Producer:
    return Producer({"bootstrap.servers": os.environ["FLOOR_BROKERS"], "linger.ms": 0})


async def app(
    scope: Message,
    receive: Callable[[], Awaitable[Message]],
    send: Callable[[Message], Awaitable[None]],
) -> None:
    if scope["type"] != "http":
        return
    body, more = b"", True
    while more:
        part = await receive()
        body, more = body + part["body"], part["more_body"]
    signature = dict(scope["headers"])[b"stripe-signature"].decode()
    stated = dict(one.split("=", 1) for one in signature.split(","))
    secret = os.environ["FLOOR_SECRET"].encode()
    digest = hmac.new(secret, f"{stated['t']}.".encode() + body, hashlib.sha256).hexdigest()
    status = 200 if hmac.compare_digest(digest, stated["v1"]) else 400
    if status == 200:
        with connection() as transaction, transaction.cursor() as cursor:
            cursor.execute(
                "INSERT INTO floor_events VALUES (%s, %s) ON CONFLICT DO NOTHING",
                (json.loads(body)["id"], body.decode()),
            )
        producer().produce(TOPIC, body)
        producer().flush(2)
    await send({"type": "http.response.start", "status": status, "headers": []})
    await send({"type": "http.response.body", "body": b""})


def serve(listener: socket.socket) -> None:
    uvicorn.Server(uvicorn.Config(app, log_level="warning")).run(sockets=[listener])


if __name__ == "__main__":
    forked = get_context("fork")
    listener = claim(int(sys.argv[1]))
    processes = [forked.Process(target=serve, args=(listener,), daemon=True) for _ in range(PROCESSES)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
