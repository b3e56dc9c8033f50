"""What must hold. It knows what is true at Stripe and what people did, reads the tables, and shares no code
with the system.
"""

from collections import Counter
from typing import Any, NamedTuple

from simulation.kafka import FINISHED, REQUESTS
from simulation.stripe_model.account import Account
from simulation.world import APP_ID, World

CREDIT = "success"
TAKINGS = {"refund_failed": "refunded", "dispute_won": "disputed"}
LISTED = 5


class Broken(AssertionError):
    """A rule does not hold; `rule` names it."""

    def __init__(self, rule: str, text: str) -> None:
        super().__init__(f"{rule}: {text}")
        self.rule = rule


class Fact(NamedTuple):
    """What moves a balance. `source` is the payment intent of a credit, and else the refund, or the balance
    transaction of a dispute."""

    kind: str
    source: str
    user_id: int
    amount: int
    currency: str
    intent: str


def facts(account: Account) -> tuple[set[Fact], set[Fact]]:
    """What must be in the ledger in the end, and what may be there besides: a refund that failed, and its
    failure, which together are nothing."""
    must, may = set(), set()
    owners = {}
    for session in account.all("checkout.session", payment_status="paid"):
        if session["metadata"]["checkout_app"] != APP_ID:
            continue
        intent, user_id = session["payment_intent"], int(session["metadata"]["user_id"])
        owners[intent] = user_id
        must.add(Fact(CREDIT, intent, user_id, session["amount_total"], session["currency"], intent))
    for refund in account.all("refund"):
        intent = refund["payment_intent"]
        if intent not in owners:
            continue
        taken = Fact("refunded", refund["id"], owners[intent], -refund["amount"], refund["currency"], intent)
        if refund["status"] == "succeeded":
            must.add(taken)
        elif refund["status"] in ("failed", "canceled"):
            may |= {taken, taken._replace(kind="refund_failed", amount=refund["amount"])}
    for dispute in account.all("dispute"):
        intent = dispute["payment_intent"]
        for moved in dispute["balance_transactions"] if intent in owners else ():
            kind = "disputed" if moved["amount"] < 0 else "dispute_won"
            must.add(Fact(kind, moved["id"], owners[intent], moved["amount"], moved["currency"], intent))
    return must, may


class Checker:
    def __init__(self, world: World) -> None:
        self._world = world
        self._commits = (-1, -1)
        self._restores = 0
        self._entries: set[str] = set()
        self._outbox: dict[str, bytes] = {}

    def after_step(self) -> None:
        """Safety, if anything was committed since."""
        world = self._world
        commits = (world.checkout.commits, world.application.commits)
        if world.restores != self._restores:
            self._restores, self._entries, self._outbox = world.restores, set(), {}
        elif commits == self._commits:
            return
        self._commits = commits
        self._ledger()
        self._kafka()

    def at_end(self) -> None:
        """All is settled."""
        must, may = facts(self._world.account)
        entered = self._entered()
        decided = self._world.decided | self._claimed_twice()
        if missing := {fact for fact in must - entered if fact.intent not in decided}:
            raise Broken("every effect is entered", f"missing {_listed(missing)}")
        if surplus := entered - must - may:
            raise Broken("nothing else is entered", _listed(surplus))
        sources = Counter(fact.source for fact in entered & may)
        if alone := [source for source, entries in sources.items() if entries != 2]:
            raise Broken("a failed refund is nothing, or both its entries", f"{alone}")
        credited = {fact.intent for fact in entered if fact.kind == CREDIT}
        if uncredited := {fact for fact in entered if fact.intent not in credited}:
            raise Broken("nothing is taken of what was not credited", _listed(uncredited))
        keys = {row["effect_key"] for row in self._rows()}
        if kept := keys & self._world.discarded:
            raise Broken("what an operator discarded is not entered", _listed(kept))
        if lost := {move.key for move in self._world.moves} - keys:
            raise Broken("the application's own movements are there", _listed(lost))
        self._nothing_is_left()

    def _claimed_twice(self) -> set[str]:
        """Payments that are held since two users claim their request: a restore let the other one have it."""
        owners: dict[str, set[int]] = {}
        for request in self._world.requests:
            owners.setdefault(request.request_id, set()).add(request.user_id)
        held = self._world.checkout.rows("SELECT payment_intent_id FROM stripe_events WHERE outcome = 'held'")
        loud = {row["payment_intent_id"] for row in held}
        return {
            session["payment_intent"]
            for session in self._world.account.all("checkout.session")
            if session["payment_intent"] in loud
            and len(owners.get(session["metadata"]["request_id"], ())) > 1
        }

    def verified(self, offences: dict[str, int]) -> None:
        """What `verify` found, with its count, once all is right: nothing, but for the money of what was
        discarded."""
        if offences and not self._world.decided and not self._claimed_twice():
            raise Broken("verify reports nothing where all is right", f"{offences}")

    def _ledger(self) -> None:
        rows = self._rows()
        balances = {row["id"]: row["balance"] for row in self._world.application.rows("SELECT * FROM users")}
        sums: Counter[int] = Counter()
        for row in rows:
            sums[row["user_id"]] += row["amount_cents"]
        for user_id, balance in balances.items():
            if balance != sums[user_id]:
                raise Broken("a balance is the sum of its entries", f"user {user_id}: {balance}")
        must, may = facts(self._world.account)
        moves = {(move.key, move.user_id, move.amount) for move in self._world.moves}
        seen: Counter[tuple[str, str]] = Counter()
        for row in rows:
            fact = _fact(row)
            own = (row["effect_key"], row["user_id"], row["amount_cents"])
            if fact is None and own not in moves:
                raise Broken("an entry is somebody's movement", f"{own}")
            if fact is not None and fact not in must | may:
                raise Broken("an entry has happened at Stripe", f"{row['effect_key']} {fact}")
            if fact is not None:
                seen[fact.kind, fact.source] += 1
        if twice := [key for key, count in seen.items() if count > 1]:
            raise Broken("an effect is entered once", f"{twice}")
        self._taken_before_given(rows)
        keys = {row["effect_key"] for row in rows}
        if vanished := self._entries - keys:
            raise Broken("an entry stays", _listed(vanished))
        self._entries = keys

    def _taken_before_given(self, rows: list[dict[str, Any]]) -> None:
        sums: Counter[str] = Counter()
        disputes = {
            moved["id"]: dispute["id"]
            for dispute in self._world.account.all("dispute")
            for moved in dispute["balance_transactions"]
        }
        for row in rows:
            if row["kind"] in {*TAKINGS, *TAKINGS.values()}:
                sums[disputes.get(row["source_id"], row["source_id"])] += row["amount_cents"]
        if given := [source for source, total in sums.items() if total > 0]:
            raise Broken("nothing is given back that was not taken", f"{given}")

    def _kafka(self) -> None:
        world = self._world
        rows = {
            row["effect_key"]: bytes(row["value"])
            for row in world.checkout.rows("SELECT effect_key, value FROM outbox")
        }
        ever = world.topics[FINISHED].ever
        for key, value in self._outbox.items():
            if key not in rows and value not in ever:
                raise Broken("an outbox row goes when Kafka has its record", key)
        self._outbox = rows

    def _nothing_is_left(self) -> None:
        world = self._world
        for what, found in (
            ("outbox", world.checkout.rows("SELECT effect_key FROM outbox")),
            (
                "events",
                world.checkout.rows(
                    "SELECT event_id, outcome, reason FROM stripe_events WHERE outcome IN ('waiting', 'held')"
                    " AND NOT payment_intent_id = ANY(%s)",
                    [list(self._claimed_twice())],
                ),
            ),
            (
                "parked",
                world.application.rows(
                    "SELECT effect_key, reason FROM parked_events WHERE resolution IS NULL AND topic = %s"
                    " AND NOT value = ANY(%s)",
                    [FINISHED, list(world.poison)],
                ),
            ),
            (
                "uncredited",
                world.checkout.rows(
                    "SELECT request_id FROM checkout_transactions"
                    " WHERE status = 'payment_succeeded' AND credited_at IS NULL"
                ),
            ),
        ):
            if found:
                raise Broken(f"nothing is left in {what}", f"{found[:LISTED]}")
        lags = {name: world.topics[name].lag() for name in (FINISHED, REQUESTS)}
        if any(lags.values()):
            raise Broken("nothing is left on Kafka", f"{lags}")

    def _entered(self) -> set[Fact]:
        return {fact for row in self._rows() if (fact := _fact(row)) is not None}

    def _rows(self) -> list[dict[str, Any]]:
        return self._world.application.rows("SELECT * FROM ledger_entries ORDER BY id")


def _fact(row: dict[str, Any]) -> Fact | None:
    """None if it is no payment's."""
    if row["kind"] == CREDIT:
        source = row["payment_intent_id"]
    elif row["kind"] in {*TAKINGS, *TAKINGS.values()}:
        source = row["source_id"]
    else:
        return None
    return Fact(
        *(row["kind"], source, row["user_id"], row["amount_cents"]),
        *(row["currency"], row["payment_intent_id"]),
    )


def _listed(things: set[Any]) -> str:
    return ", ".join(sorted(map(str, things))[:LISTED])
