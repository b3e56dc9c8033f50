"""What an operator does to a balance. History is not edited: a correction is a new entry.

If the process dies, what was committed is found by its effect key when the same is asked again.
"""

from checkout.base import telemetry
from checkout.base.errors import DataRefused, NotFound, Refused
from checkout.base.postgres import Database
from checkout.ledger import table as ledger
from checkout.reconciliation import rechecks

USERS_A_TRANSACTION = 1_000
OPENING_REASON = "balance from before the ledger"

_NO_SUCH_USER = "23503"


class Corrections:
    def __init__(self, checkout: Database, application: Database, currency: str) -> None:
        self._checkout = checkout
        self._application = application
        self._currency = currency

    def adjust(
        self,
        *,
        key: str,
        user_id: int,
        amount_cents: int,
        reason: str,
        operator: str,
        allow_overdraft: bool = False,
    ) -> bool:
        """Enter `amount_cents` (negative to take) as `adjust:<key>`. False where that was done before.

        Raises NotFound for an unknown user; Refused where the key stands for another adjustment, or where the
        balance is too small.
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

    def add_user(self, user_id: int, *, email: str) -> bool:
        """Whose balance is 0. False where the number is taken, and nothing was changed."""
        with self._application.transaction() as tx:
            return ledger.add_user(tx, user_id, email)

    def open_balances(self) -> int:
        """Give every balance without ledger entries its first one, `opening:<user_id>`; no balance changes.

        For an application that adopts this with balances. Committed 1,000 users at a time; returns how many.
        A user who is credited meanwhile gets an opening of what the credit does not explain; but one whose
        first credit was committed before is left: nobody knows that their balance was not edited by hand.
        """
        opened, after = 0, -(2**63)
        while True:
            with self._application.transaction() as tx:
                user_ids = ledger.unopened(tx, after_user_id=after, limit=USERS_A_TRANSACTION)
                if not user_ids:
                    return opened
                ledger.lock_users(tx, user_ids)
                opened += ledger.open_balances(tx, user_ids, currency=self._currency, reason=OPENING_REASON)
                after = user_ids[-1]

    def open_balance(self, user_id: int) -> int:
        """The same for one user, who may have entries already: what they do not explain is from before the
        ledger. Returns 1, or 0 if there is nothing to open. Raises NotFound."""
        with self._application.transaction() as tx:
            if not ledger.lock_users(tx, {user_id}):
                raise NotFound(f"There is no user {user_id}.")
            return ledger.open_balances(tx, {user_id}, currency=self._currency, reason=OPENING_REASON)

    def unexplained(self, user_id: int) -> tuple[int, bool]:
        """What the user's entries do not explain of their balance; and whether it may be from before the
        ledger, since there is no opening entry. Raises NotFound."""
        with self._application.transaction() as tx:
            found = ledger.unexplained(tx, user_id)
        if found is None:
            raise NotFound(f"There is no user {user_id}.")
        cents, is_opened = found
        return cents, not is_opened

    def rebuild_balance(self, user_id: int, *, reason: str, operator: str) -> tuple[int, int]:
        """Make a balance that was edited by hand the sum of its entries again; returns (before, after).

        Raises NotFound.
        """
        with self._application.transaction() as tx:
            if not ledger.lock_users(tx, {user_id}):
                raise NotFound(f"There is no user {user_id}.")
            before, after = ledger.rebuild_balance(tx, user_id)
        telemetry.logger.warning(
            "balance rebuilt from the ledger",
            extra={
                "user_id": user_id,
                "before": before,
                "after": after,
                "reason": reason,
                "operator": operator,
            },
        )
        return before, after

    def look_again(self, request_id: str) -> None:
        """Have the next reconciler run look for the payment and its reversals in the ledger, and emit what is
        not there, even if it saw it there once. Raises NotFound for what is no succeeded payment."""
        with self._checkout.transaction() as tx:
            if not rechecks.look_again(tx, request_id.lower()):
                raise NotFound(f"There is no succeeded payment {request_id}.")
