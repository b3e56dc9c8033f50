"""An installation from before prices is upgraded with `make run`: its data stay, prices wait for the next
deployment, and what was paid before is refunded as it was paid."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.support import releases
from tests.support.project import HTTP_SECONDS, PARTS, ROOT
from tests.support.running_stack import RunningStack, Session
from tests.support.waiting import eventually

PRICES = '[{"amount_cents": 1000, "credit_cents": 1100}]'
REFUSED = "PRICES can be set with the next deployment"

pytestmark = pytest.mark.timeout(600)


class Upgraded(RunningStack):
    """Its code can be replaced while it does not run; its data stay."""

    def use(self, release: str | None) -> None:
        """The code of a release, or, of None, this one."""
        for part in PARTS:
            target = self.folder / part
            if target.is_dir():
                shutil.rmtree(target)
            else:
                target.unlink(missing_ok=True)
        if release is not None:
            releases.extract(release, self.folder, *PARTS)
            return
        for part in PARTS:
            copy = shutil.copytree if (ROOT / part).is_dir() else shutil.copy
            copy(ROOT / part, self.folder / part)

    def refund(self, session: Session, amount_cents: int) -> None:
        row = self.row(session)
        answer = requests.post(
            f"{self.description['stripe_api_url']}/v1/refunds",
            data={"payment_intent": row["payment_intent_id"], "amount": amount_cents},
            auth=(self.description["stripe_secret"], ""),
            timeout=HTTP_SECONDS,
        )
        assert answer.status_code == 200, answer.text

    def row(self, session: Session) -> dict[str, Any]:
        sql = "SELECT * FROM checkout_transactions WHERE request_id = %s"
        [row] = self.checkout(sql, (session.request_id,))
        return row

    def until_balance(self, user_id: int, cents: int) -> None:
        eventually(
            lambda: self.balance(user_id) == cents, 60, lambda: [self.balance(user_id), self.log[-3000:]]
        )

    def refuses_to_start(self, **settings: str) -> bool:
        before = len(self.log)
        self.environment |= settings
        process = self.launch()
        eventually(lambda: process.poll() is not None, 100, lambda: self.log[before:])
        for name in settings:
            del self.environment[name]
        return process.returncode != 0 and REFUSED in self.log[before:]


def test_data_stay_and_prices_come_one_deployment_later(tmp_path: Path) -> None:
    stack = Upgraded(tmp_path / "project")
    stack.use(releases.before_prices())
    with stack:
        user_id = stack.add_user()
        paid, begun = stack.create(user_id), stack.create(user_id, 1000)
        stack.pay(paid)
        stack.until_credited(paid)

    stack.use(None)
    assert stack.refuses_to_start(PRICES=PRICES)

    with stack:
        assert stack.balance(user_id) == 500
        assert stack.row(paid)["credit_cents"] is None
        stack.pay(begun)  # Asked for in the release before, and paid in this one.
        stack.until_balance(user_id, 1500)
        stack.refund(paid, 200)
        stack.until_balance(user_id, 1300)
        entries = stack.entries(user_id)

    stack.environment["PRICES"] = PRICES
    with stack:
        assert stack.entries(user_id) == entries == [500, 1000, -200]
        pack = stack.create(user_id, 1000)
        stack.pay(pack)
        stack.until_balance(user_id, 2400)
        stack.refund(pack, 500)
        stack.until_balance(user_id, 1850)
        stack.refund(begun, 1000)
        stack.until_balance(user_id, 850)
