"""When a database was last restored to a point in time, as `operations restored` has noted it."""

from psycopg2.extras import Json

from checkout.base.postgres import Transaction

_NAME = "restored"


def note(tx: Transaction) -> None:
    tx.execute(
        "INSERT INTO reconciler_state (name, value) VALUES (%s, %s)"
        " ON CONFLICT (name) DO UPDATE SET updated_at = clock_timestamp()",
        (_NAME, Json({})),
    )


def noted_at(tx: Transaction) -> float:
    """In epoch seconds, by the checkout database's clock; 0 if none was."""
    tx.execute(
        "SELECT extract(epoch FROM updated_at)::float AS at FROM reconciler_state WHERE name = %s", (_NAME,)
    )
    row = tx.fetchone()
    return 0.0 if row is None else float(row["at"])


def is_recent(tx: Transaction) -> bool:
    """True if events from before it may still come: Stripe lists them for 30 days."""
    tx.execute(
        "SELECT FROM reconciler_state WHERE name = %s AND updated_at > now() - interval '30 days'", (_NAME,)
    )
    return tx.fetchone() is not None
