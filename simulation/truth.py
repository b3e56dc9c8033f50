"""What is true: which movements of balances follow from what happened at Stripe, and what an entry is."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from fractions import Fraction
from typing import Any, NamedTuple

from simulation.server import APP_ID
from simulation.settled import counted
from simulation.stripe_model.account import Account, paid_by
from simulation.terms import PLAIN, Terms
from simulation.world import TOP_UP

CREDIT = "success"
TAKINGS = {"refund_failed": "refunded", "dispute_won": "disputed"}
"""What is given back, and what was taken before."""
REVERSALS = {*TAKINGS, *TAKINGS.values()}


class Fact(NamedTuple):
    """What moves a balance. `source` is the payment intent of a credit, and else the refund, or the balance
    transaction of a dispute. `amount` is what is credited, or the money that was taken or given back."""

    kind: str
    source: str
    user_id: int
    amount: int
    currency: str
    intent: str


class Paid(NamedTuple):
    """What a payment credits, and the money that was paid for it."""

    credit: int
    money: int

    def share(self, money: int) -> int:
        """What goes with so much of the money: to the nearest, and half up."""
        return int(Fraction(self.credit * money, self.money) + Fraction(1, 2))


class Truth:
    """`must` are to be in the ledger in the end, and `may` are there besides: a refund that failed, and its
    failure, which together are nothing; or what a person must decide about. `priced` are the payments that
    credit something else than the money, and `small` what moves of them may round to nothing."""

    def __init__(self, account: Account, terms: Terms = PLAIN, misleading: Collection[str] = ()) -> None:
        """`misleading` are sessions that are no payment to us."""
        self.must: set[Fact] = set()
        self.may: set[Fact] = set()
        self.free: set[str] = set()
        """What was free credits something, and Stripe keeps no money of it."""
        self.small: set[Fact] = set()
        self.priced: dict[str, Paid] = {}
        self.stand_for: dict[str, str] = {}
        """By balance transaction the direction of the dispute whose amount it may stand for."""
        self.unclear: set[str] = set()
        """Payments of which a person must decide what a dispute has moved."""
        owners = self._credits(account, terms, misleading)
        self._refunds(account, owners)
        self._disputes(account, owners)
        moved = [fact for fact in self.must | self.may if fact.intent in self.priced and fact.kind != CREDIT]
        self._money = {(fact.kind, fact.source): fact.amount for fact in moved}
        self.small = {fact for fact in moved if self.priced[fact.intent].share(abs(fact.amount)) <= 1}

    def fact_of(self, row: Mapping[str, Any]) -> Fact | None:
        """What a ledger entry is; None if it is no payment's."""
        kind, intent, amount = row["kind"], row["payment_intent_id"], row["amount_cents"]
        if kind == CREDIT:
            source = intent
        elif kind in REVERSALS:
            source = row["source_id"]
            money = self._money.get((kind, source))
            if money is not None and intent in self.priced:
                # Which rounding it has depends on what came before it; their sum is what counts.
                share = self.priced[intent].share(abs(money)) * (1 if money > 0 else -1)
                amount = money if abs(amount - share) <= 1 else amount
        else:
            return None
        return Fact(kind, source, row["user_id"], amount, row["currency"], intent)

    def wrong_shares(self, rows: Iterable[Mapping[str, Any]]) -> dict[str, str]:
        """Of priced payments what their reversals have moved in all, if that is not the money's share."""
        moved: Counter[str] = Counter()
        for row in rows:
            if row["kind"] in REVERSALS:
                moved[row["payment_intent_id"]] += row["amount_cents"]
        money: Counter[str] = Counter()
        for fact in self.must:
            if fact.kind != CREDIT:
                money[fact.intent] -= fact.amount
        return {
            intent: f"{-moved[intent]} for {money[intent]} of {paid}"
            for intent, paid in self.priced.items()
            if -moved[intent] != paid.share(money[intent])
        }

    def _credits(self, account: Account, terms: Terms, misleading: Collection[str]) -> dict[str, int]:
        """Returns whose payment each is."""
        owners = {}
        for session in account.paid():
            # One that was begun here stays ours, whatever its metadata becomes.
            metadata = account.made_with(session["id"])
            is_ours = (metadata["checkout_app"], metadata["purpose"]) == (APP_ID, TOP_UP)
            if not is_ours or session["id"] in misleading:
                continue
            intent, money = paid_by(session), session["amount_total"]
            user_id = owners[intent] = int(session["metadata"]["user_id"])
            asked = account.states[session["id"]][0]["amount_subtotal"]
            credit = terms.credit(asked, session["amount_subtotal"])
            self.must.add(Fact(CREDIT, intent, user_id, credit, session["currency"], intent))
            if money == 0:
                self.free.add(intent)
            elif credit != money:
                self.priced[intent] = Paid(credit, money)
        return owners

    def _refunds(self, account: Account, owners: Mapping[str, int]) -> None:
        for refund in account.all("refund"):
            intent, amount = refund["payment_intent"], refund["amount"]
            if intent not in owners:
                continue
            taken = Fact("refunded", refund["id"], owners[intent], -amount, refund["currency"], intent)
            if refund["status"] == "succeeded":
                self.must.add(taken)
            elif refund["status"] in ("failed", "canceled"):
                self.may |= {taken, taken._replace(kind="refund_failed", amount=amount)}

    def _disputes(self, account: Account, owners: Mapping[str, int]) -> None:
        for dispute in account.all("dispute"):
            intent, currency = dispute["payment_intent"], dispute["currency"]
            if intent not in owners:
                continue
            found = counted(account, dispute)
            self.stand_for |= found.stand_for
            self.unclear |= {intent} if found.is_unclear else set()
            for amounts, facts in ((found.must, self.must), (found.may, self.may)):
                for source, amount in amounts.items():
                    kind = "disputed" if amount < 0 else "dispute_won"
                    facts.add(Fact(kind, source, owners[intent], amount, currency, intent))
