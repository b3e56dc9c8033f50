"""Stripe's idempotency keys, and what nobody may do with them."""

from simulation.broken import Broken
from simulation.stripe_model.account import Resource

KEYS_LIVE = 24 * 3600
"""Seconds."""


class Keys:
    """Idempotency keys: what was asked under each, what was answered (an error too), and when it began.

    `broken` says what nobody may ask for who remembers what was asked for: until a database `is_restored`.
    """

    def __init__(self) -> None:
        self.known: dict[str, tuple[str, Resource | None, float]] = {}
        self.missing: set[str] = set()
        """Those under which Stripe has answered 404, and does so again."""
        self.broken: list[str] = []
        self.is_restored = False
        self._sent: dict[str, set[str]] = {}
        """By request_id all of its keys."""
        self._used_up: set[str] = set()
        """Those to which Stripe has answered with an error."""

    def note(self, request_id: str, key: str, now: float) -> None:
        """Another key is needed only for what Stripe would replay: else two sessions could be begun."""
        sent = self._sent.setdefault(request_id, set())
        if key not in sent:
            if begun := [one for one in sorted(sent) if self._has_session(one, now)]:
                self.broken.append(f"{request_id} has a session by {begun}, and is begun as {key}")
            elif left := sent - self._used_up:
                self.blame(f"{request_id} is begun as {key}, and {sorted(left)} may have succeeded")
        sent.add(key)

    def _has_session(self, key: str, now: float) -> bool:
        known = self.known.get(key)
        return known is not None and known[1] is not None and known[2] + KEYS_LIVE >= now

    def use_up(self, key: str) -> None:
        self._used_up.add(key)

    def used_up_of(self, request_id: str) -> int:
        """How many keys of this request Stripe answers with an error, again and again."""
        return len(self._sent.get(request_id, set()) & self._used_up)

    def blame(self, text: str) -> None:
        if not self.is_restored:
            self.broken.append(text)

    def require_kept(self) -> None:
        """Raises Broken if somebody has asked for what nobody may."""
        if self.broken:
            raise Broken("Stripe is asked once for a session", self.broken[0])
