"""Judge a release before it gets traffic: a quiet API has no data to judge it by afterwards."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from checkout.base import telemetry, timing

AT_ONCE = 2
"""Every function's hook asks every version, and a new account has ten environments."""


class JudgeNewVersions:
    def __init__(
        self,
        versions: Callable[[], Sequence[str]],
        ask: Callable[[str, float], str | None],
        report: Callable[[str, str, bool], None],
    ) -> None:
        """`versions` gives ARNs that end in the number of a version; `ask` says why one is not fit, or None,
        and retries until the given time.monotonic(); `report` tells CodeDeploy."""
        self._versions = versions
        self._ask = ask
        self._report = report

    def __call__(self, deployment_id: str, execution_id: str) -> bool:
        """Reports and returns whether every new version can do its work, whatever happens: CodeDeploy waits.

        One that cannot holds back all, since they are one release.
        """
        try:
            refusals = self._refusals()
        except Exception:  # noqa: BLE001 - without an answer CodeDeploy would wait for an hour
            telemetry.logger.exception("the new versions could not be judged")
            refusals = {"all": "could not be judged"}
        for version, reason in refusals.items():
            telemetry.logger.error("not fit for traffic", extra={"version": version, "reason": reason})
        self._report(deployment_id, execution_id, not refusals)
        return not refusals

    def _refusals(self) -> dict[str, str]:
        versions = self._versions()
        began = time.monotonic()

        def refusal(version: str) -> str | None:
            if time.monotonic() - began > timing.VERSIONS_ASKED:
                return "was not asked: the time was up"
            return self._ask(version, began + timing.VERSION_RETRY)

        with ThreadPoolExecutor(AT_ONCE) as pool:
            answers = zip(versions, pool.map(refusal, versions), strict=True)
            return {version: reason for version, reason in answers if reason is not None}
