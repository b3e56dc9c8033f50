"""Let the process die at every step: before and after each statement, publish and call to Stripe."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from psycopg2.extensions import cursor as PlainCursor  # noqa: N812 - a class

from checkout.base import postgres
from checkout.outbox.producer import KafkaPublisher
from checkout.payments.stripe_api import StripeApi
from tests.support import functions


class Died(BaseException):
    """Nothing catches it, as nothing catches a SIGKILL."""


class Steps:
    """Counts the steps; dies at the one with the number `fatal`, counted from 0."""

    def __init__(self, fatal: int | None = None) -> None:
        self.fatal = fatal
        self.taken = 0
        self.last = ""

    def around(self, name: str, call: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        self._step(f"before {name}")
        result = call(*arguments, **options)
        self._step(f"after {name}")
        return result

    def _step(self, name: str) -> None:
        self.taken += 1
        if self.fatal is not None and self.taken > self.fatal:
            self.last = self.last or name
            raise Died(self.last)


@contextmanager
def dying(steps: Steps) -> Iterator[None]:
    class Cursor(PlainCursor):
        def execute(self, query: Any, variables: Any = None) -> None:
            # Of what is sent together the last: COMMIT, if writes go with it.
            name = query.decode().rpartition("; ")[2][:60]
            steps.around(name, super().execute, query, variables)

    def observed(owner: type, method: str) -> Callable[..., Any]:
        original = getattr(owner, method)
        return lambda *given, **named: steps.around(f"{owner.__name__}.{method}", original, *given, **named)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(postgres, "Cursor", Cursor)
        patch.setattr(KafkaPublisher, "publish", observed(KafkaPublisher, "publish"))
        for method in ("create_session", "create_refund"):
            patch.setattr(StripeApi, method, observed(StripeApi, method))
        functions.forget_wiring()
        try:
            yield
        except Died:
            pass
        finally:
            functions.forget_wiring()


def at_every_step(
    prepare: Callable[[], None], act: Callable[[], object], check: Callable[[str], None]
) -> int:
    """`prepare`, `act` until the process dies, `check`; once for every step of `act`.

    `check` is told where it died. Returns how many steps there are.
    """
    steps = Steps()
    prepare()
    with dying(steps):
        act()
    check("nowhere")
    for fatal in range(steps.taken):
        prepare()
        deadly = Steps(fatal)
        with dying(deadly):
            act()
        assert deadly.last, f"did not die at step {fatal}"
        check(deadly.last)
    return steps.taken
