"""SQL of stripe_balance_transactions: Stripe's books beside ours."""

from collections.abc import Sequence
from typing import Any, cast

from psycopg2.extras import execute_values

from checkout.adapters.postgres import Cursor
from checkout.domain.balance_transaction import Movement
from checkout.domain.effects import DIRECTIONS, TOP_UP

SMOKE_PAYMENT = "pi_smoke_"
"""How the payment intent of a payment begins that `make smoke` made up: Stripe's books cannot have it."""

PENDING_DAYS = 14
COMPARED_DAYS = 35
IDS_A_DAY = 10


def store(cursor: Cursor, movements: Sequence[Movement], *, settled_after_seconds: int) -> None:
    """Nothing of what is known."""
    execute_values(
        cursor,
        "INSERT INTO stripe_balance_transactions"
        " (id, movement, payment_intent_id, amount_cents, currency, is_ours, created_at, compared_from)"
        " VALUES %s ON CONFLICT (id) DO NOTHING",
        [
            (
                found.id,
                found.key,
                found.payment_intent_id,
                found.amount_cents,
                found.currency,
                found.is_ours,
                found.created,
                found.created + (PENDING_DAYS * 86_400 if found.is_pending else settled_after_seconds),
            )
            for found in movements
        ],
        template="(%s, %s, %s, %s, %s, %s, to_timestamp(%s), to_timestamp(%s))",
    )


def differing_days(cursor: Cursor, read_until: int, limit: int) -> tuple[int, list[dict[str, Any]]]:
    """How many UTC days of the last 35 differ, and the latest of them: both totals, and the first ids of what
    differs.

    Days are those of Stripe's balance transactions. What Stripe does not have is missed if it happened an
    hour before `read_until` (epoch seconds: so far its books were read), and a day after they begin.
    """
    cursor.execute(
        """
        WITH stripes AS (
            SELECT movement, currency, min(id) AS id, min(created_at) AS at, sum(amount_cents) AS amount_cents
            FROM stripe_balance_transactions b
            WHERE created_at > now() - make_interval(days => %(days)s) AND compared_from < now()
              AND (is_ours
                OR EXISTS (SELECT FROM checkout_transactions t
                           WHERE t.payment_intent_id = b.payment_intent_id AND t.purpose = %(purpose)s)
                OR EXISTS (SELECT FROM stripe_balance_transactions paid
                           WHERE paid.payment_intent_id = b.payment_intent_id AND paid.is_ours))
            GROUP BY movement, currency
        ), ours AS (
            SELECT 'paid:' || payment_intent_id AS movement, payment_intent_id AS source,
                   paid_currency AS currency, paid_cents AS amount_cents, completed_at AS at
            FROM checkout_transactions
            WHERE status = 'payment_succeeded' AND purpose = %(purpose)s AND payment_intent_id IS NOT NULL
              AND completed_at > now() - make_interval(days => %(days)s + 1)
              AND NOT (starts_with(payment_intent_id, %(smoke)s)
                       AND starts_with(stripe_session_id, 'cs_test_')) -- Live money is never made up.
            UNION ALL
            SELECT r.effect_key, r.source_id, r.currency,
                   CASE WHEN r.kind = ANY(%(down)s) THEN -r.amount_cents ELSE r.amount_cents END, r.emitted_at
            FROM reversals r
            WHERE r.state = 'emitted' AND r.emitted_at > now() - make_interval(days => %(days)s + 1)
        ), missed AS (
            -- A refund that was cancelled took and returned nothing, and can be without any entry at Stripe.
            SELECT min(movement) AS movement, min(currency) AS currency, sum(amount_cents) AS amount_cents,
                   min(at) AS at
            FROM ours
            WHERE at > now() - make_interval(days => %(days)s)
              AND at > (SELECT min(created_at) FROM stripe_balance_transactions) + interval '1 day'
              AND at < to_timestamp(%(read_until)s) - interval '1 hour'
              AND NOT EXISTS (SELECT FROM stripe_balance_transactions b WHERE b.movement = ours.movement)
            GROUP BY source HAVING sum(amount_cents) <> 0
        ), both_sides AS (
            SELECT s.at, s.id, s.amount_cents AS stripe_cents, COALESCE(o.amount_cents, 0) AS our_cents,
                   COALESCE(o.amount_cents, 0) <> s.amount_cents AS differs
            FROM stripes s LEFT JOIN ours o ON o.movement = s.movement AND o.currency = s.currency
            UNION ALL
            SELECT at, movement, 0, amount_cents, true FROM missed
        ), days AS (
            SELECT (at AT TIME ZONE 'UTC')::date::text AS day, sum(stripe_cents)::text AS stripe_cents,
                   sum(our_cents)::text AS our_cents,
                   (array_agg(id ORDER BY at, id) FILTER (WHERE differs))[1:%(ids)s] AS differing
            FROM both_sides GROUP BY 1 HAVING bool_or(differs)
        )
        SELECT count(*) OVER () AS in_all, days.* FROM days ORDER BY day DESC LIMIT %(limit)s
        """,
        {
            "days": COMPARED_DAYS,
            "purpose": TOP_UP,
            "smoke": SMOKE_PAYMENT,
            "down": [kind for kind, sign in DIRECTIONS.items() if sign < 0],
            "read_until": read_until,
            "ids": IDS_A_DAY,
            "limit": limit,
        },
    )
    rows = cast(list[dict[str, Any]], cursor.fetchall())
    total = rows[0]["in_all"] if rows else 0
    return total, [{name: value for name, value in row.items() if name != "in_all"} for row in rows]
