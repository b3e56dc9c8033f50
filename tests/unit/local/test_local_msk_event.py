"""The event of Lambda's Kafka trigger, and partial responses."""

import json
from dataclasses import replace
from typing import Any

import pytest

from local.kafka.msk_event import Record, event_of, to_repeat

FIRST = Record("checkout.finished", 0, 42, 1700000000000, 1, b"7", b"{}", (("trace", b"a\xff"),))


def test_the_event_is_lambda_s() -> None:
    assert event_of([FIRST], "arn:aws:kafka:x", "a:9098,b:9098") == {
        "eventSource": "aws:kafka",
        "eventSourceArn": "arn:aws:kafka:x",
        "bootstrapServers": "a:9098,b:9098",
        "records": {
            "checkout.finished-0": [
                {
                    "topic": "checkout.finished",
                    "partition": 0,
                    "offset": 42,
                    "timestamp": 1700000000000,
                    "timestampType": "CREATE_TIME",
                    "key": "Nw==",
                    "value": "e30=",
                    "headers": [{"trace": [97, -1]}],
                }
            ]
        },
    }


def test_partitions_are_mixed_and_each_keeps_its_order() -> None:
    records = [FIRST, replace(FIRST, partition=2, offset=5), replace(FIRST, offset=43)]

    grouped = event_of(records, "", "")["records"]

    assert {name: [entry["offset"] for entry in entries] for name, entries in grouped.items()} == {
        "checkout.finished-0": [42, 43],
        "checkout.finished-2": [5],
    }


def test_what_is_null_is_absent() -> None:
    (entry,) = event_of([replace(FIRST, key=None, value=None, headers=())], "", "")["records"].popitem()[1]

    assert not {"key", "value"} & entry.keys()
    assert entry["headers"] == []


def test_an_empty_key_and_value_are_present() -> None:
    (entry,) = event_of([replace(FIRST, key=b"", value=b"")], "", "")["records"].popitem()[1]

    assert (entry["key"], entry["value"]) == ("", "")


BATCH = [
    replace(FIRST, partition=partition, offset=offset) for partition in (0, 1) for offset in (42, 43, 44)
]


def failure(partition: object, offset: object) -> dict[str, Any]:
    return {"itemIdentifier": {"partition": partition, "offset": offset}}


@pytest.mark.parametrize("answer", [None, {}, {"batchItemFailures": []}, {"batchItemFailures": None}])
def test_success(answer: object) -> None:
    assert to_repeat(BATCH, answer) == []


def test_a_partition_comes_again_from_its_lowest_failure_on() -> None:
    answer = {"batchItemFailures": [failure("checkout.finished-1", 44), failure("checkout.finished-1", 43)]}

    assert [(one.partition, one.offset) for one in to_repeat(BATCH, answer)] == [(1, 43), (1, 44)]


@pytest.mark.parametrize(
    "answer",
    [
        "ok",
        ["x"],
        5,
        {"batchItemFailures": "x"},
        {"batchItemFailures": [None]},
        {"batchItemFailures": [{}]},
        {"batchItemFailures": [{"itemIdentifier": ""}]},
        {"batchItemFailures": [{"itemIdentifier": {"partition": "checkout.finished-0"}}]},
        {"batchItemFailures": [failure("checkout.finished-0", 45)]},
        {"batchItemFailures": [failure("checkout.finished-0", "42")]},
        {"batchItemFailures": [failure("checkout.finished-2", 42)]},
        {"batchItemFailures": [failure(0, 42)]},
        {"batchItemFailures": [failure([], 42)]},
        {"batchItemFailures": [failure("checkout.finished-0", 42), failure("nonsense", 1)]},
    ],
)
def test_what_cannot_be_understood_repeats_everything(answer: object) -> None:
    assert to_repeat(BATCH, answer) == BATCH


def test_sizes_are_never_underestimated() -> None:
    for record in (FIRST, replace(FIRST, value=b"\xff" * 10_000, headers=(("é", b"\xff" * 1000),) * 5)):
        assert record.size >= len(json.dumps(event_of([record], "", "")["records"])) - len("{}[]")
