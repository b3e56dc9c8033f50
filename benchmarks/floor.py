"""What a webhook costs at the least: the signature, one insert, one record produced. Nothing is promised.

FLOOR_DATABASE=postgresql://… FLOOR_BROKERS=host:port python -m uvicorn benchmarks.floor:app --workers 2
"""

import hashlib
import hmac
import json
import os
from collections.abc import Awaitable, Callable
from typing import Any

import psycopg2
from kafka import KafkaProducer

SECRET = os.environ["FLOOR_SECRET"].encode()
CONNECTION = psycopg2.connect(os.environ["FLOOR_DATABASE"])
PRODUCER = KafkaProducer(bootstrap_servers=os.environ["FLOOR_BROKERS"], api_version=(2, 3))
TOPIC = "floor"

Message = dict[str, Any]


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
    digest = hmac.new(SECRET, f"{stated['t']}.".encode() + body, hashlib.sha256).hexdigest()
    status = 200 if hmac.compare_digest(digest, stated["v1"]) else 400
    if status == 200:
        with CONNECTION, CONNECTION.cursor() as cursor:
            cursor.execute(
                "INSERT INTO floor_events VALUES (%s, %s) ON CONFLICT DO NOTHING",
                (json.loads(body)["id"], body.decode()),
            )
        PRODUCER.send(TOPIC, body).get(2)
    await send({"type": "http.response.start", "status": status, "headers": []})
    await send({"type": "http.response.body", "body": b""})
