"""Mistakes that nobody makes through the system: a row is changed by hand, behind all triggers. `verify` must
name each of them, and nothing else."""

from collections.abc import Callable, Collection
from typing import Any, NamedTuple

from simulation.databases import WorldDatabase
from simulation.stored import PAID_BY
from simulation.truth import CREDIT
from simulation.world import World

SETTLED_AFTER = 3600
"""Seconds after which nothing can be on its way any more."""


class Corrupted(NamedTuple):
    """`must` name it, all of them; `may` can, too."""

    what: str
    must: Collection[str]
    may: Collection[str] = ()


def corrupt(world: World) -> Corrupted | None:
    """Change something; None if there is nothing to change."""
    world.clock.pass_(SETTLED_AFTER)
    made = world.tape.pick(_KINDS)(world)
    if made is not None:
        world.say(f"corrupted: {made.what}")
    return made


def _balance(world: World) -> Corrupted | None:
    user_id = world.tape.pick(world.signed_up)
    _move(world, user_id, 1)
    return Corrupted(f"the balance of user {user_id}", ["BalanceDiffersFromLedger"])


def _entry_gone(world: World) -> Corrupted | None:
    """With its part of the balance, so nothing in its database shows it."""
    entry = _some_entry(world)
    if entry is None:
        return None
    _by_hand(world.application, "DELETE FROM ledger_entries WHERE id = %s", entry["id"])
    _move(world, entry["user_id"], -entry["amount_cents"])
    return Corrupted(f"{entry['effect_key']} is gone", ["PaymentNotInLedger"])


def _entry_changed(world: World) -> Corrupted | None:
    entry = _some_entry(world)
    if entry is None:
        return None
    _by_hand(
        world.application,
        "UPDATE ledger_entries SET amount_cents = amount_cents * 2 WHERE id = %s",
        entry["id"],
    )
    _move(world, entry["user_id"], entry["amount_cents"])
    return Corrupted(f"the amount of {entry['effect_key']}", ["EntryDiffersFromPayment"])


def _entry_of_nobody(world: World) -> Corrupted | None:
    user_id = world.tape.pick(world.signed_up)
    _by_hand(
        world.application,
        "INSERT INTO ledger_entries (effect_key, user_id, amount_cents, currency, kind, request_id,"
        " payment_intent_id) VALUES ('success:nobody', %s, 500, 'eur', 'success', 'nobody', 'pi_nobody')",
        user_id,
    )
    _move(world, user_id, 500)
    return Corrupted("an entry of no payment", ["CreditWithoutTransaction"])


def _paid_changed(world: World) -> Corrupted | None:
    entry = _some_entry(world, CREDIT)
    if entry is None or _is_pending_in_the_books(world, entry["payment_intent_id"]):
        return None
    if entry["payment_intent_id"].startswith("cs_"):
        return None  # It was free.
    _by_hand(
        world.checkout,
        "UPDATE checkout_transactions SET paid_cents = paid_cents + 1 WHERE payment_intent_id = %s",
        entry["payment_intent_id"],
    )
    # Without a credit of its own, the payment's is what was paid.
    return Corrupted(
        f"what was paid as {entry['payment_intent_id']}",
        ["TotalsDifferFromStripe"],
        ["EntryDiffersFromPayment"],
    )


def _is_pending_in_the_books(world: World, payment_intent_id: str) -> bool:
    """A bank debit that is not read again yet, which can take hours. `verify` compares it then."""
    return bool(
        world.checkout.rows(
            "SELECT id FROM stripe_balance_transactions WHERE payment_intent_id = %s"
            " AND compared_from = 'infinity'",
            [payment_intent_id],
        )
    )


def _credit_changed(world: World) -> Corrupted | None:
    entry = _some_entry(world, CREDIT)
    if entry is None:
        return None
    _by_hand(
        world.checkout,
        "UPDATE checkout_transactions SET credit_cents = COALESCE(credit_cents, paid_cents) + 1"
        f" WHERE {PAID_BY} = %s",
        entry["payment_intent_id"],
    )
    return Corrupted(f"the credit of {entry['payment_intent_id']}", ["EntryDiffersFromPayment"])


def _payment_gone(world: World) -> Corrupted | None:
    entry = _some_entry(world, CREDIT)
    if entry is None:
        return None
    _by_hand(
        world.checkout,
        f"DELETE FROM checkout_transactions WHERE {PAID_BY} = %s",
        entry["payment_intent_id"],
    )
    # Another payment can have the row of its request.
    row = "SELECT id FROM checkout_transactions WHERE 'success:' || request_id = %s"
    has_another = world.checkout.rows(row, [entry["effect_key"]])
    return Corrupted(
        f"the payment {entry['payment_intent_id']} is gone",
        ["EntryDiffersFromPayment" if has_another else "CreditWithoutTransaction"],
        # Its reversals are still known, but to be of nobody.
        ["EntryDiffersFromPayment", "TotalsDifferFromStripe", "UnknownMovementAtStripe"],
    )


def _reversal_gone(world: World) -> Corrupted | None:
    entry = _some_entry(world, "refunded", "disputed")
    if entry is None:
        return None
    _by_hand(world.checkout, "DELETE FROM reversals WHERE effect_key = %s", entry["effect_key"])
    return Corrupted(
        f"the reversal {entry['effect_key']} is gone",
        ["EntryDiffersFromPayment"],
        ["TotalsDifferFromStripe"],
    )


def _share_changed(world: World) -> Corrupted | None:
    """As after a restore: both databases say that a coin too many was taken."""
    entry = _some_entry(world, "refunded", "disputed")
    if entry is None:
        return None
    _by_hand(
        world.checkout,
        "UPDATE reversals SET credit_cents = COALESCE(credit_cents, amount_cents) + 1 WHERE effect_key = %s",
        entry["effect_key"],
    )
    _by_hand(
        world.application,
        "UPDATE ledger_entries SET amount_cents = amount_cents - 1 WHERE id = %s",
        entry["id"],
    )
    _move(world, entry["user_id"], -1)
    return Corrupted(f"the share of {entry['effect_key']}", ["EntryDiffersFromPayment"])


_ENTER_AGAIN = """
    UPDATE pg_index SET indisready = false
        WHERE indrelid = 'ledger_entries'::regclass AND indisunique AND NOT indisprimary;
    INSERT INTO ledger_entries
            (effect_key, user_id, amount_cents, currency, kind, request_id, source_id, payment_intent_id)
        SELECT effect_key, user_id, amount_cents, currency, kind, request_id, source_id, payment_intent_id
        FROM ledger_entries WHERE id = %s;
    UPDATE pg_index SET indisready = true
        WHERE indrelid = 'ledger_entries'::regclass AND indisunique AND NOT indisprimary
"""


def _entered_twice(world: World) -> Corrupted | None:
    """Through unique indexes that miss entries, as those do whose order a new collation has changed. The
    release before does not see that."""
    entry = _some_entry(world)
    if entry is None or world.has_release_before:
        return None
    _by_hand(world.application, _ENTER_AGAIN, entry["id"])
    _move(world, entry["user_id"], entry["amount_cents"])
    return Corrupted(f"{entry['effect_key']} is entered twice", ["EffectTwiceInLedger"])


_KINDS: list[Callable[[World], Corrupted | None]] = [
    *(_balance, _entry_gone, _entry_changed, _entry_of_nobody),
    *(_paid_changed, _credit_changed, _payment_gone, _reversal_gone, _share_changed, _entered_twice),
]


def _some_entry(world: World, *kinds: str) -> dict[str, Any] | None:
    found = world.application.rows(
        "SELECT id, effect_key, user_id, amount_cents, payment_intent_id FROM ledger_entries"
        " WHERE payment_intent_id IS NOT NULL AND (kind = ANY(%s) OR %s = 0) ORDER BY id",
        [list(kinds), len(kinds)],
    )
    return world.tape.pick(found) if found else None


def _move(world: World, user_id: int, cents: int) -> None:
    _by_hand(world.application, "UPDATE users SET balance = balance + %s WHERE id = %s", cents, user_id)


def _by_hand(database: WorldDatabase, sql: str, *parameters: object) -> None:
    """As a replica: no trigger is asked."""
    database.as_application(f"SET LOCAL session_replication_role = replica; {sql}", parameters)
