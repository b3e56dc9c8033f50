"""What must hold of the ledger after every commit."""

from collections import Counter
from typing import Any

from simulation.broken import Broken
from simulation.openings import OPENING
from simulation.truth import CREDIT, REVERSALS, Fact, Truth
from simulation.world import CURRENCY, World

LISTED = 5

_LEDGER = (
    "SELECT u.id AS owner, u.balance, e.* FROM users u LEFT JOIN ledger_entries e ON e.user_id = u.id"
    " ORDER BY e.id"
)
"""All of it, in one round trip."""


def is_usurped(world: World, fact: Fact) -> bool:
    return fact.kind == CREDIT and (fact.intent, fact.user_id) in world.usurped


class Entries:
    """`keys` are the effect keys that were there at last."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.keys: set[str] = set()

    def forget(self) -> None:
        """A restore has taken some away."""
        self.keys = set()

    def check(self, truth: Truth) -> None:
        found = self._world.application.rows(_LEDGER)
        rows = [row for row in found if row["effect_key"] is not None]
        self._add_up({row["owner"]: row["balance"] for row in found}, rows)
        self._have_happened(rows, truth)
        self._taken_before_given(rows)
        self._nothing_is_overdrawn(rows)
        keys = {row["effect_key"] for row in rows}
        if vanished := self.keys - keys:
            raise Broken("an entry stays", f"{sorted(vanished)[:LISTED]}")
        self.keys = keys

    def _add_up(self, balances: dict[int, int], rows: list[dict[str, Any]]) -> None:
        opened = {row["user_id"] for row in rows if row["kind"] == OPENING}
        sums = Counter({user: cents for user, cents in self._world.older.items() if user not in opened})
        for row in rows:
            sums[row["user_id"]] += row["amount_cents"]
        for user_id, balance in balances.items():
            if balance != sums[user_id]:
                raise Broken("a balance is the sum of its entries", f"user {user_id}: {balance}")

    def _have_happened(self, rows: list[dict[str, Any]], truth: Truth) -> None:
        known = {*self._world.moves, *self._world.attempted}
        moves = {(move.key, move.user_id, move.amount) for move in known}
        moves |= {(f"{OPENING}:{user}", user, cents) for user, cents in self._world.older.items()}
        seen: Counter[tuple[str, str]] = Counter()
        for row in rows:
            fact = truth.fact_of(row)
            own = (row["effect_key"], row["user_id"], row["amount_cents"])
            if fact is None and own not in moves:
                raise Broken("an entry is somebody's movement", f"{own}")
            is_true = fact is None or fact in truth.must | truth.may or is_usurped(self._world, fact)
            if row["currency"] != CURRENCY or not is_true:
                raise Broken("an entry has happened at Stripe", f"{row['effect_key']} {fact}")
            if row["payment_intent_id"] in self._world.former:
                raise Broken("nobody gets what another person has paid", f"{row['effect_key']} {fact}")
            if fact is not None:
                seen[fact.kind, truth.stand_for.get(fact.source, fact.source)] += 1
        if twice := [key for key, count in seen.items() if count > 1]:
            raise Broken("an effect is entered once", f"{twice}")

    def _taken_before_given(self, rows: list[dict[str, Any]]) -> None:
        sums: Counter[str] = Counter()
        disputes = {
            moved["id"]: dispute["id"]
            for dispute in self._world.account.all("dispute")
            for moved in dispute["balance_transactions"]
        }
        for row in rows:
            if row["kind"] in REVERSALS:
                sums[disputes.get(row["source_id"], row["source_id"])] += row["amount_cents"]
        # A share that rounds to nothing is not taken, and can return as one. Events do not say that they are
        # about a share.
        if given := [source for source, total in sums.items() if total > 1]:
            raise Broken("nothing is given back that was not taken", f"{given}")

    def _nothing_is_overdrawn(self, rows: list[dict[str, Any]]) -> None:
        """The application spends what there is. After a restore it enters anew what it has spent."""
        if self._world.restores:
            return
        balances = Counter(self._world.older)
        for row in rows:
            if row["kind"] == OPENING:
                continue
            balances[row["user_id"]] += row["amount_cents"]
            if row["kind"] == "spent" and row["amount_cents"] < 0 > balances[row["user_id"]]:
                raise Broken("the application spends what there is", row["effect_key"])
