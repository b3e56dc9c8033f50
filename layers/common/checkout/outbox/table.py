"""SQL of outbox: what was committed and must still reach Kafka."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from checkout.base.postgres import Transaction


@dataclass(frozen=True, slots=True)
class Message:
    """A row of the outbox, as it goes to Kafka."""

    id: int
    topic: str
    key: str
    value: bytes
    traceparent: str | None = None
    """A header, if there is one."""


def add(
    tx: Transaction,
    effect_key: str,
    topic: str,
    key: str,
    value: bytes,
    traceparent: str | None = None,
) -> Message | None:
    """None if this effect is in the outbox already."""
    tx.execute(
        "INSERT INTO outbox (effect_key, topic, key, value, traceparent) VALUES (%s, %s, %s, %s, %s)"
        " ON CONFLICT (effect_key) DO NOTHING RETURNING id",
        (effect_key, topic, key, value, traceparent),
    )
    row = tx.fetchone()
    return None if row is None else Message(row["id"], topic, key, value, traceparent)


def next_ids(tx: Transaction, count: int) -> list[int]:
    """For messages that are to be queued."""
    tx.execute("SELECT nextval('outbox_id_seq') AS id FROM generate_series(1, %s)", (count,))
    return [row["id"] for row in tx.fetchall()]


def queue(tx: Transaction, effect_key: str, message: Message) -> None:
    """With the next statement. What is in the outbox for this effect already stays as it is."""
    tx.queue(
        "INSERT INTO outbox (id, effect_key, topic, key, value, traceparent) VALUES (%s, %s, %s, %s, %s, %s)"
        " ON CONFLICT (effect_key) DO NOTHING",
        (message.id, effect_key, message.topic, message.key, message.value, message.traceparent),
    )


def take_older_than(tx: Transaction, seconds: float, limit: int) -> Sequence[Message]:
    """Oldest first, held until the transaction ends; what another relay holds is left to it, and what the
    brokers refused to its next attempt."""
    tx.execute(
        "SELECT id, topic, key, value, traceparent FROM outbox"
        " WHERE created_at <= now() - make_interval(secs => %s) AND COALESCE(retry_at, created_at) <= now()"
        " ORDER BY id LIMIT %s FOR UPDATE SKIP LOCKED",
        (seconds, limit),
    )
    return [
        Message(row["id"], row["topic"], row["key"], bytes(row["value"]), row["traceparent"])
        for row in tx.fetchall()
    ]


def remove(tx: Transaction, ids: Sequence[int]) -> None:
    """Rows that a relay holds are left to it: publishing twice is harmless, waiting is not."""
    tx.execute(
        "DELETE FROM outbox WHERE id IN (SELECT id FROM outbox WHERE id = ANY(%s) FOR UPDATE SKIP LOCKED)",
        (list(ids),),
    )


def refused(tx: Transaction, ids: Collection[int], *, at_most_seconds: int) -> None:
    """The brokers refused these very messages: the wait until the next attempt doubles from a minute on."""
    tx.execute(
        "UPDATE outbox SET refusals = refusals + 1,"
        " retry_at = now() + make_interval(secs => least(60 * 2.0 ^ least(refusals, 30), %s))"
        " WHERE id = ANY(%s)",
        (at_most_seconds, list(ids)),
    )
