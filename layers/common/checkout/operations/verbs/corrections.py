"""`adjust`, `add-user`, `opening-balances` and `rebuild-balance`: what an operator does to a balance.

History is not edited: a correction is a new entry. If the process dies, what was committed is found by its
effect key when the same is asked again.
"""

from argparse import Namespace

from checkout.base import telemetry
from checkout.base.errors import DataRefused, NotFound, Refused
from checkout.base.user_ids import UserId
from checkout.ledger import table as ledger
from checkout.operations.verb import BY_DECISION, Outcome, Verbs, a_text, amount, key, of_user, reasoned
from checkout.system import System

USERS_A_TRANSACTION = 1_000
OPENING_REASON = "balance from before the ledger"

_NO_SUCH_USER = "23503"


def declare(verbs: Verbs) -> None:
    once = verbs.add(
        "adjust",
        "add to a balance, once",
        adjust,
        plan_adjust,
        BY_DECISION,
        at_stake=lambda given: abs(given.amount_cents),
    )
    once.add_argument("--key", type=key, required=True, help="makes it once: the ticket's number")
    of_user(once)
    once.add_argument("--amount-cents", type=amount, required=True, metavar="CENTS", help="negative to take")
    once.add_argument("--allow-overdraft", action="store_true", help="even if the balance falls below 0")
    reasoned(once)

    added = verbs.add(
        "add-user", "add a user with an empty balance, for a first try", add_user, changes=BY_DECISION
    )
    of_user(added)
    added.add_argument("--email", type=a_text, required=True)

    opening = verbs.add(
        "opening-balances",
        "enter the balances from before the ledger into it",
        opening_balances,
        plan_opening_balances,
        BY_DECISION,
    )
    of_user(opening, required=False, what="only this user, who was credited already")

    rebuild = verbs.add(
        "rebuild-balance",
        "make a balance that was edited by hand the sum of its entries again",
        rebuild_balance,
        plan_rebuild_balance,
        BY_DECISION,
    )
    of_user(rebuild)
    reasoned(rebuild)


def plan_adjust(given: Namespace, system: System) -> str:
    balance = system.accounts.balance(given.user)
    cents = given.amount_cents
    moved = f"Add {cents} to" if cents > 0 else f"Take {-cents} from"
    return (
        f"{moved} the balance of user {given.user}, now {balance['balance_cents']}"
        f" {balance['currency']}, once, as adjust:{given.key}"
    )


def adjust(given: Namespace, system: System) -> Outcome:
    limit = system.config.adjust_limit_cents
    if limit is not None and abs(given.amount_cents) > limit:
        raise Refused(f"One adjustment may be at most {limit} (ADJUST_LIMIT_CENTS).")
    moved = Corrections(system).adjust(
        key=given.key,
        user_id=given.user,
        amount_cents=given.amount_cents,
        reason=given.reason,
        operator=given.operator,
        allow_overdraft=given.allow_overdraft,
    )
    balance = system.accounts.balance(given.user)
    return Outcome({"adjusted": moved, "effect_key": f"adjust:{given.key}", **balance})


def add_user(given: Namespace, system: System) -> Outcome:
    added = Corrections(system).add_user(given.user, email=given.email)
    return Outcome({"added": added, **system.accounts.balance(given.user)})


def plan_opening_balances(given: Namespace, system: System) -> str:
    if given.user is None:
        return "Write a first ledger entry for every balance that has none; no balance changes"
    cents, _ = Corrections(system).unexplained(given.user)
    return (
        f"Enter {cents} as what user {given.user} had before the ledger; the balance stays as it is,"
        " unless it was opened before"
    )


def opening_balances(given: Namespace, system: System) -> Outcome:
    corrections = Corrections(system)
    opened = corrections.open_balances() if given.user is None else corrections.open_balance(given.user)
    return Outcome({"opened": opened})


def plan_rebuild_balance(given: Namespace, system: System) -> str:
    balance = system.accounts.balance(given.user)["balance_cents"]
    cents, may_be_older = Corrections(system).unexplained(given.user)
    plan = f"Set the balance of user {given.user}, now {balance}, to the sum of the ledger entries"
    if cents and may_be_older:
        plan += f" (if {cents} are from before the ledger, opening-balances --user {given.user} keeps them)"
    return plan


def rebuild_balance(given: Namespace, system: System) -> Outcome:
    before, after = Corrections(system).rebuild_balance(
        given.user, reason=given.reason, operator=given.operator
    )
    return Outcome({"user_id": given.user, "before_cents": before, "after_cents": after})


class Corrections:
    def __init__(self, system: System) -> None:
        self._application = system.application_database
        self._currency = system.config.currency

    def adjust(
        self,
        *,
        key: str,
        user_id: UserId,
        amount_cents: int,
        reason: str,
        operator: str,
        allow_overdraft: bool = False,
    ) -> bool:
        """Enter `amount_cents` (negative to take) as `adjust:<key>`. Returns False if that was done before.

        Raises NotFound for an unknown user; Refused if the key stands for another adjustment, or
        if the balance is too small.
        """
        try:
            with self._application.transaction() as tx:
                moved = ledger.move(
                    tx,
                    effect_key=f"adjust:{key}",
                    user_id=user_id,
                    amount_cents=amount_cents,
                    currency=self._currency,
                    kind="adjust",
                    allow_overdraft=allow_overdraft,
                    reason=reason,
                    operator=operator,
                )
        except DataRefused as refusal:
            error = NotFound if refusal.sqlstate == _NO_SUCH_USER else Refused
            raise error(f"Not adjusted: {refusal.detail}.") from refusal
        telemetry.logger.warning(
            "adjusted" if moved else "adjusted before",
            extra={"key": key, "user_id": user_id, "amount_cents": amount_cents, "operator": operator},
        )
        return moved

    def add_user(self, user_id: UserId, *, email: str) -> bool:
        """Their balance is 0. Returns False if the id is taken; nothing was changed then. Raises Refused if
        users is the application's own, without email."""
        with self._application.transaction() as tx:
            if not ledger.has_emails(tx):
                raise Refused("users is the application's own, without email: add the user there.")
            return ledger.add_user(tx, user_id, email)

    def open_balances(self) -> int:
        """Give every balance without ledger entries its first one, `opening:<user_id>`; no balance changes.

        For an application that adopts this with balances. Committed 1,000 users at a time; returns how many.
        A user who is credited meanwhile gets an opening of what the credit does not explain; but one whose
        first credit was committed before is left: nobody knows that their balance was not edited by hand.
        """
        opened, after = 0, self._application.user_ids.first
        while True:
            with self._application.transaction() as tx:
                user_ids = ledger.unopened(tx, after_user_id=after, limit=USERS_A_TRANSACTION)
                if not user_ids:
                    return opened
                ledger.lock_users(tx, user_ids)
                opened += ledger.open_balances(tx, user_ids, currency=self._currency, reason=OPENING_REASON)
                after = user_ids[-1]

    def open_balance(self, user_id: UserId) -> int:
        """The same for one user, who may have entries already: what they do not explain is from before the
        ledger. Returns 1, or 0 if there is nothing to open. Raises NotFound."""
        with self._application.transaction() as tx:
            if not ledger.lock_users(tx, {user_id}):
                raise NotFound(f"There is no user {user_id}.")
            return ledger.open_balances(tx, {user_id}, currency=self._currency, reason=OPENING_REASON)

    def unexplained(self, user_id: UserId) -> tuple[int, bool]:
        """What the user's entries do not explain of their balance; and whether it may be from before the
        ledger, since there is no opening entry. Raises NotFound."""
        with self._application.transaction() as tx:
            answer = ledger.unexplained(tx, user_id)
        if answer is None:
            raise NotFound(f"There is no user {user_id}.")
        cents, is_opened = answer
        return cents, not is_opened

    def rebuild_balance(self, user_id: UserId, *, reason: str, operator: str) -> tuple[int, int]:
        """Make a balance that was edited by hand the sum of its entries again; returns (before, after).

        Raises NotFound.
        """
        with self._application.transaction() as tx:
            if not ledger.lock_users(tx, {user_id}):
                raise NotFound(f"There is no user {user_id}.")
            before, after = ledger.rebuild_balance(tx, user_id)
        facts = {"before": before, "after": after, "reason": reason, "operator": operator}
        telemetry.logger.warning("balance rebuilt from the ledger", extra={"user_id": user_id, **facts})
        return before, after
