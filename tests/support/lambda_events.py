"""Events as API Gateway and the Kafka trigger send them, and the context."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from checkout.outbox.record import Record


@dataclass
class LambdaContext:
    function_name: str = "tests"
    memory_limit_in_mb: int = 512
    invoked_function_arn: str = "arn:aws:lambda:eu-central-1:123456789012:function:tests"
    aws_request_id: str = "00000000-0000-0000-0000-000000000000"
    log_group_name: str = "/aws/lambda/tests"
    log_stream_name: str = "stream"
    remaining_millis: int = 60_000

    def get_remaining_time_in_millis(self) -> int:
        return self.remaining_millis


def http(
    route: str,
    body: bytes | None = None,
    headers: dict[str, str] | None = None,
    *,
    path: dict[str, str] | None = None,
    query: dict[str, str] | None = None,
    as_base64: bool = False,
) -> dict[str, Any]:
    text = None
    if body is not None:
        text = base64.b64encode(body).decode() if as_base64 else body.decode()
    method, _, raw_path = route.partition(" ")
    return {
        "version": "2.0",
        "routeKey": route,
        "rawPath": raw_path,
        "rawQueryString": "",
        "headers": {name.lower(): value for name, value in (headers or {}).items()},
        "pathParameters": path,
        "queryStringParameters": query,
        "requestContext": {
            "domainName": "api.example.com",
            "http": {"method": method, "path": raw_path, "sourceIp": "127.0.0.1"},
            "requestId": "id",
            "routeKey": route,
            "stage": "$default",
        },
        "body": text,
        "isBase64Encoded": as_base64,
    }


def msk(records: Sequence[Record]) -> dict[str, Any]:
    by_partition: dict[str, list[dict[str, Any]]] = {}
    for record in records:
        encoded = {
            "topic": record.topic,
            "partition": record.partition,
            "offset": record.offset,
            "timestamp": 1,
            "timestampType": "CREATE_TIME",
            "value": base64.b64encode(record.value).decode(),
            "headers": [],
        }
        if record.key is not None:
            encoded["key"] = base64.b64encode(record.key).decode()
        by_partition.setdefault(f"{record.topic}-{record.partition}", []).append(encoded)
    return {
        "eventSource": "aws:kafka",
        "eventSourceArn": "arn:aws:kafka:eu-central-1:123456789012:cluster/tests/0",
        "bootstrapServers": "127.0.0.1:9092",
        "records": by_partition,
    }
