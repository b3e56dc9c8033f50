"""When a database was last restored to a point in time, as `operations restored` has noted it."""

from checkout.base.postgres import Transaction

NOTE = "restored"
"""The row of reconciler_state, whose time says when."""


def noted_at(tx: Transaction) -> float:
    """In epoch seconds, by the checkout database's clock; 0 if none was."""
    tx.execute(
        "SELECT extract(epoch FROM updated_at)::float AS at FROM reconciler_state WHERE name = %s", (NOTE,)
    )
    row = tx.fetchone()
    return 0.0 if row is None else float(row["at"])
