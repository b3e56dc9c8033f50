"""SQL of stripe_balance_transactions: a copy of Stripe's books, to compare with ours."""

from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

from checkout.base.postgres import Transaction
from checkout.outbox.effects import TAKINGS, TOP_UP
from checkout.payments.payment import SMOKE_PAYMENT
from checkout.reconciliation.balance_transaction import UNKNOWN, BookedMovement

RANGE = 20_000
"""The most rows of ours, and of Stripe's, in a range."""

FIRST_PAYMENT = ""
IDS_LISTED = 10

Row = dict[str, Any]


class Payments(NamedTuple):
    """A range of payment intents: those behind `after`, up to and including `upto` (None: all)."""

    after: str
    upto: str | None


class BooksRead(NamedTuple):
    """How far Stripe's books were read, in epoch seconds; what they do not have by then is missing."""

    since: float
    until: int


def store(tx: Transaction, movements: Sequence[BookedMovement], *, settled_after_seconds: int) -> None:
    """Insert; rows that exist already are left as they are, except that pending ones are settled."""
    tx.execute_values(
        "INSERT INTO stripe_balance_transactions"
        " (id, movement, category, payment_intent_id, amount_cents, currency, is_ours, created_at,"
        "  compared_from)"
        " VALUES %s ON CONFLICT (id) DO UPDATE SET compared_from = EXCLUDED.compared_from,"
        "   amount_cents = EXCLUDED.amount_cents, currency = EXCLUDED.currency"
        " WHERE stripe_balance_transactions.compared_from = 'infinity'"
        "   AND EXCLUDED.compared_from < 'infinity'",
        [
            (
                found.id,
                found.key,
                found.category,
                found.payment_intent_id,
                found.amount_cents,
                found.currency,
                found.is_ours,
                found.created,
                float("inf") if found.is_pending else found.created + settled_after_seconds,
            )
            for found in movements
        ],
        template="(%s, %s, %s, %s, %s, %s, %s, to_timestamp(%s), to_timestamp(%s))",
    )


def claim_pending(tx: Transaction, *, after_seconds: int, limit: int) -> list[str]:
    """Ids of those that were pending when they were last read, and whose payment is not being processed here;
    nobody else gets them for `after_seconds`."""
    tx.execute(
        "UPDATE stripe_balance_transactions SET reread_at = now() WHERE id IN ("
        " SELECT id FROM stripe_balance_transactions b"
        " WHERE compared_from = 'infinity'"
        "   AND (reread_at IS NULL OR reread_at < now() - make_interval(secs => %s))"
        "   AND NOT EXISTS (SELECT FROM checkout_transactions t"
        "     WHERE t.payment_intent_id = b.payment_intent_id AND t.status = 'payment_processing')"
        " ORDER BY reread_at NULLS FIRST, id LIMIT %s FOR UPDATE SKIP LOCKED)"
        " RETURNING id",
        (after_seconds, limit),
    )
    return [row["id"] for row in tx.fetchall()]


def begin(tx: Transaction) -> float | None:
    """The time of the first movement in the books, in epoch seconds; None if there is none."""
    tx.execute("SELECT EXTRACT(EPOCH FROM min(created_at))::float AS begin FROM stripe_balance_transactions")
    begin: float | None = tx.fetchall()[0]["begin"]
    return begin


def end_of_range(tx: Transaction, after: str) -> str | None:
    """The last payment intent of the range behind `after`; None if it goes to the end."""
    ends = []
    for table in ("stripe_balance_transactions", "checkout_transactions", "reversals"):
        tx.execute(
            f"SELECT payment_intent_id FROM {table} WHERE payment_intent_id > %s"
            " ORDER BY payment_intent_id OFFSET %s LIMIT 1",
            (after, RANGE - 1),
        )
        ends += [row["payment_intent_id"] for row in tx.fetchall()]
    if not ends:
        return None
    # The database compares texts as its index does; Python may not.
    tx.execute("SELECT min(one) AS first FROM unnest(%s) AS one", (ends,))
    first: str = tx.fetchall()[0]["first"]
    return first


_IN_RANGE = "payment_intent_id > %(after)s AND (%(upto)s IS NULL OR payment_intent_id <= %(upto)s)"
_OF_THEM = "payment_intent_id = ANY(%(payments)s)"
_IS_OURS = (
    "(EXISTS (SELECT FROM checkout_transactions t"
    "   WHERE t.payment_intent_id = one.payment_intent_id AND t.purpose = %(purpose)s)"
    " OR EXISTS (SELECT FROM stripe_balance_transactions b"
    "   WHERE b.payment_intent_id = one.payment_intent_id AND b.is_ours))"
)
_UNKNOWN = f"starts_with(movement, '{UNKNOWN}:')"
_SIGNED = "CASE WHEN kind = ANY(%(down)s) THEN -amount_cents ELSE amount_cents END"


def unequal(tx: Transaction, payments: Payments) -> list[str]:
    """Payment intents for which Stripe moved something else than we know of, whatever the reason."""
    tx.execute(
        f"""
        SELECT DISTINCT payment_intent_id FROM (
            SELECT payment_intent_id FROM (
                SELECT payment_intent_id, split_part(movement, ':', 2) AS source, currency,
                       amount_cents AS stripe_cents, 0 AS our_cents
                FROM stripe_balance_transactions WHERE {_IN_RANGE}
                UNION ALL
                SELECT payment_intent_id, payment_intent_id, paid_currency, 0, paid_cents
                FROM checkout_transactions
                WHERE {_IN_RANGE} AND status = 'payment_succeeded' AND purpose = %(purpose)s
                UNION ALL
                SELECT payment_intent_id, source_id, currency, 0, {_SIGNED} FROM reversals WHERE {_IN_RANGE}
            ) AS both_sides
            GROUP BY payment_intent_id, source, currency HAVING sum(stripe_cents) <> sum(our_cents)
        ) AS unequal
        """,
        _parameters(after=payments.after, upto=payments.upto),
    )
    return [row["payment_intent_id"] for row in tx.fetchall()]


def differing(tx: Transaction, payments: Collection[str], read: BooksRead, *, livemode: bool) -> list[Row]:
    """What Stripe moved for these payment intents and what we know of, by charge, refund or movement of a
    dispute, and by currency, if the two differ.

    Stripe's movement counts once it is settled. Ours, if Stripe does not have it, counts if it is older than
    an hour before Stripe's books were read, and younger than a day after they begin. With a test key,
    payments that were made up are left out.
    """
    tx.execute(
        f"""
        WITH stripes AS (
            SELECT payment_intent_id, movement, currency, sum(amount_cents) AS cents, min(created_at) AS at,
                   array_agg(id ORDER BY created_at, id) AS ids, bool_and(compared_from < now()) AS is_settled
            FROM stripe_balance_transactions WHERE {_OF_THEM} AND NOT {_UNKNOWN}
            GROUP BY 1, 2, 3
        ), ours AS (
            SELECT payment_intent_id, 'paid:' || payment_intent_id AS movement, paid_currency AS currency,
                   paid_cents AS cents, completed_at AS at,
                   NOT %(livemode)s AND starts_with(payment_intent_id, %(smoke)s)
                     AND COALESCE(starts_with(stripe_session_id, 'cs_test_'), false) AS is_made_up
            FROM checkout_transactions
            WHERE {_OF_THEM} AND status = 'payment_succeeded' AND purpose = %(purpose)s
            UNION ALL
            -- Whatever became of it here: that is compared with the ledger.
            SELECT payment_intent_id, effect_key, currency,
                   {_SIGNED},
                   COALESCE(emitted_at, created_at), false
            FROM reversals WHERE {_OF_THEM}
        ), movements AS (
            SELECT payment_intent_id, split_part(movement, ':', 2) AS source, currency,
                   COALESCE(s.at, o.at) AS at, s.cents AS stripe_cents, o.cents AS our_cents, s.ids,
                   NOT COALESCE(o.is_made_up, false)
                   AND COALESCE(s.is_settled, o.at > to_timestamp(%(since)s) + interval '1 day'
                                          AND o.at < to_timestamp(%(until)s) - interval '1 hour')
                     AS is_comparable
            FROM stripes s FULL JOIN ours o USING (payment_intent_id, movement, currency)
        ), one AS (
            -- A refund and its failure are one: Stripe can be without both if it was cancelled.
            SELECT payment_intent_id, source, currency, min(at) AS at,
                   COALESCE(sum(stripe_cents), 0)::bigint AS stripe_cents,
                   COALESCE(sum(our_cents), 0)::bigint AS our_cents,
                   string_to_array(string_agg(array_to_string(ids, ','), ',' ORDER BY at), ',') AS ids
            FROM movements GROUP BY 1, 2, 3
            HAVING COALESCE(sum(stripe_cents), 0) <> COALESCE(sum(our_cents), 0) AND bool_and(is_comparable)
        )
        SELECT (at AT TIME ZONE 'UTC')::date::text AS day, payment_intent_id, source, currency, stripe_cents,
               our_cents, COALESCE(ids[1:%(ids)s], '{{}}') AS balance_transactions
        FROM one WHERE {_IS_OURS} ORDER BY one.at, source, currency
        """,
        _parameters(payments=list(payments), livemode=livemode, since=read.since, until=read.until),
    )
    return tx.fetchall()


def unknown(tx: Transaction, payments: Collection[str]) -> list[Row]:
    """Movements under a category that we do not know, of those payment intents that are ours."""
    tx.execute(
        "SELECT (created_at AT TIME ZONE 'UTC')::date::text AS day, payment_intent_id,"
        "       id AS balance_transaction, category, amount_cents, currency"
        f" FROM stripe_balance_transactions one WHERE {_OF_THEM} AND {_UNKNOWN} AND {_IS_OURS}"
        " ORDER BY created_at, id",
        _parameters(payments=list(payments)),
    )
    return tx.fetchall()


def _parameters(**more: object) -> dict[str, object]:
    return {
        "purpose": TOP_UP,
        "smoke": SMOKE_PAYMENT,
        "down": list(TAKINGS),
        "ids": IDS_LISTED,
        **more,
    }
