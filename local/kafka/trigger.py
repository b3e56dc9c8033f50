"""Lambda's event source mapping for Kafka: polls a topic and invokes a function with batches.

Offsets are committed only after the function has succeeded, so unfinished batches are repeated.
"""

import json
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, wait
from typing import Any

from confluent_kafka import KafkaException

from local.kafka.msk_event import Record, event_of, to_repeat
from local.kafka.reader import BrokerLost, Reader
from local.lambda_runtime.environment import MAX_PAYLOAD
from local.lambda_runtime.environments import Result
from local.lambda_runtime.template import KafkaTrigger

Invoke = Callable[[dict[str, Any]], "Future[Result]"]
Log = Callable[[str], None]

_ANEW_SECONDS = 0.1
_UNPOLLED_SECONDS = 1.0
"""The longest part of an invocation without a poll; later polls keep us in the group."""
_FIRST_BACKOFF = 0.1
_EVENT_BYTES = MAX_PAYLOAD - 1024


class Poller:
    """One trigger, which polls in its own thread between `start` and `stop`."""

    def __init__(
        self,
        trigger: KafkaTrigger,
        brokers: str,
        invoke: Invoke,
        log: Log,
        *,
        forgetful: bool = False,
        maximum_backoff: float = 2.0,
    ) -> None:
        """`invoke` is called in the poller's thread; `forgetful` means that the broker restarts empty."""
        self.trigger = trigger
        self.brokers = brokers
        self.invoke = invoke
        self.log = log
        self.maximum_backoff = maximum_backoff
        self._forgetful = forgetful
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"kafka-{trigger.function}", daemon=True)

    def start(self) -> None:
        """Start to poll."""
        self._thread.start()

    def stop(self, seconds: float = 10.0) -> None:
        """Leave the group without waiting for a running invocation, whose records are repeated."""
        self._stopping.set()
        self._thread.join(seconds)

    def _run(self) -> None:
        while not self._stopping.is_set():
            reader = Reader(
                self.brokers,
                self.trigger.group,
                self.trigger.topic,
                from_beginning=self.trigger.from_beginning,
                forgetful=self._forgetful,
                stopping=self._stopping,
            )
            delivery = _Delivery(self, reader)
            try:
                reader.join()
                while not self._stopping.is_set():
                    delivery.step()
            except (BrokerLost, KafkaException) as error:
                self.log(f"[WARNING] reads {self.trigger.topic} from the committed offsets again: {error}")
                self._stopping.wait(_ANEW_SECONDS)
            finally:
                reader.close()


class _Delivery:
    """Makes batches of a reader's records, invokes the function, and decides which are repeated."""

    def __init__(self, poller: Poller, reader: Reader) -> None:
        self._poller = poller
        self._trigger = poller.trigger
        self._reader = reader
        self._limit = self._trigger.batch_size
        """Records in a batch: fewer than the template says while a failing record is being isolated."""
        self._attempts = 0
        """How often the current batch has failed in a row."""
        self._repeated = 0
        """Its number of records: after a function error the same batch is repeated. Otherwise 0."""

    def step(self) -> None:
        """Invoke the function at most once, and wait after a failure."""
        batch = self._next_batch()
        if not batch:
            return
        assignment = self._reader.assignment
        result = self._await(self._begin(event_of(batch, self._trigger.source_arn, self._poller.brokers)))
        if result is None or self._reader.assignment != assignment:
            self._attempts = self._repeated = 0
            return  # Not committed: the next owner of the partitions gets the records.
        again, reason = self._judge(batch, result)
        self._finish(_without(batch, again))
        if again:
            self._repeated = len(batch) if result.is_error else 0
            self._retry(again, progress=len(again) < len(batch), reason=reason)
        else:
            self._limit = min(self._trigger.batch_size, self._limit * 2)

    def _next_batch(self) -> list[Record]:
        if self._repeated == 0 or not self._reader.pending:
            self._repeated = 0
            self._reader.read(self._limit, _EVENT_BYTES, self._trigger.window_seconds)
        batch: list[Record] = []
        size = 0
        for record in self._reader.pending:
            size += record.size
            if len(batch) == (self._repeated or self._limit) or (batch and size > _EVENT_BYTES):
                break
            batch.append(record)
        return batch

    def _judge(self, batch: Sequence[Record], result: Result) -> tuple[list[Record], str]:
        """The records that must be repeated, and the reason."""
        if result.is_error:
            return list(batch), str(result.value.get("errorMessage", ""))
        if self._trigger.partial_responses:
            return to_repeat(batch, result.value), "the function asked for them"
        return [], ""

    def _retry(self, again: Sequence[Record], *, progress: bool, reason: str) -> None:
        self._attempts = 1 if progress else self._attempts + 1
        if self._trigger.bisect and self._repeated > 1:
            # Halving is no attempt: only those with a single record count.
            self._limit = self._repeated = self._repeated // 2
            self._attempts = 0
        elif 0 <= self._trigger.maximum_retries < self._attempts:
            self._poller.log(
                f"[ERROR] gives up {len(again)} records after {self._attempts} attempts: {reason}"
            )
            self._finish(again)
            return
        pause = min(self._poller.maximum_backoff, _FIRST_BACKOFF * 2 ** min(max(0, self._attempts - 1), 20))
        self._poller.log(f"[WARNING] repeats {len(again)} records in {pause:.1f} s: {reason}")
        until = time.monotonic() + pause
        self._reader.stay_alive(lambda: time.monotonic() >= until)

    def _finish(self, records: Sequence[Record]) -> None:
        """Commit the records, so they are never repeated."""
        if records:
            self._reader.commit(records)
            self._reader.pending = deque(_without(self._reader.pending, records))
            self._attempts = self._repeated = 0

    def _begin(self, event: dict[str, Any]) -> "Future[Result]":
        try:
            return self._poller.invoke(event)
        except Exception as error:  # noqa: BLE001 - the records are repeated
            failed: Future[Result] = Future()
            failed.set_exception(error)
            return failed

    def _await(self, future: "Future[Result]") -> Result | None:
        """The result of the invocation, or None if we were stopped meanwhile."""
        wait([future], _UNPOLLED_SECONDS)
        if not future.done():
            self._reader.stay_alive(future.done)
        if not future.done():
            return None
        try:
            return future.result()
        except Exception as error:  # noqa: BLE001 - too large, throttled, cancelled, unreachable
            return Result(json.dumps({"errorMessage": repr(error)}).encode(), is_error=True)


def _without(records: Iterable[Record], others: Iterable[Record]) -> list[Record]:
    excluded = {(record.partition, record.offset) for record in others}
    return [record for record in records if (record.partition, record.offset) not in excluded]
