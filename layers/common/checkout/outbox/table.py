"""SQL of outbox: what was committed and must still reach Kafka."""

from collections.abc import Collection, Sequence
from dataclasses import astuple, dataclass

from checkout.base.backoff import backoff
from checkout.base.postgres import Transaction


@dataclass(frozen=True, slots=True)
class Message:
    """A row of the outbox, as it goes to Kafka. `effect_key` names it; the table has one row of each."""

    effect_key: str
    topic: str
    key: str
    value: bytes
    traceparent: str | None = None
    """A header, if there is one."""


_INSERT = (
    "INSERT INTO outbox (effect_key, topic, key, value, traceparent) VALUES (%s, %s, %s, %s, %s)"
    " ON CONFLICT (effect_key) DO NOTHING"
)


def add(tx: Transaction, message: Message) -> bool:
    """False if this effect is in the outbox already: that row stays as it is."""
    tx.execute(f"{_INSERT} RETURNING id", astuple(message))
    return tx.fetchone() is not None


def queue(tx: Transaction, message: Message) -> None:
    """The same with the next statement."""
    tx.queue(_INSERT, astuple(message))


def take_older_than(tx: Transaction, seconds: float, limit: int) -> Sequence[Message]:
    """Oldest first, held until the transaction ends; what another relay holds is left to it, and what the
    brokers refused to its next attempt."""
    tx.execute(
        "SELECT effect_key, topic, key, value, traceparent FROM outbox"
        " WHERE created_at <= now() - make_interval(secs => %s) AND COALESCE(retry_at, created_at) <= now()"
        " ORDER BY id LIMIT %s FOR UPDATE SKIP LOCKED",
        (seconds, limit),
    )
    return [
        Message(row["effect_key"], row["topic"], row["key"], bytes(row["value"]), row["traceparent"])
        for row in tx.fetchall()
    ]


def remove(tx: Transaction, effect_keys: Collection[str]) -> None:
    """Rows that a relay holds are left to it: publishing twice is harmless, waiting is not."""
    tx.execute(
        # An array, since a join takes PostgreSQL longer to plan than to execute.
        "DELETE FROM outbox WHERE id = ANY(ARRAY"
        "(SELECT id FROM outbox WHERE effect_key = ANY(%s) FOR UPDATE SKIP LOCKED))",
        (list(effect_keys),),
    )


def refused(tx: Transaction, effect_keys: Collection[str], *, at_most_seconds: int) -> None:
    """The brokers refused these very messages: the wait until the next attempt doubles from a minute on."""
    tx.execute(
        f"UPDATE outbox SET refusals = refusals + 1, retry_at = {backoff('60', 'refusals', '%s')}"
        " WHERE effect_key = ANY(%s)",
        (at_most_seconds, list(effect_keys)),
    )
