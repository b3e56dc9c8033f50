"""The ids by which Stripe's events name a user's payments. Pure."""

import json
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class PaymentNames:
    """`stripe_ids` are those of sessions and payment intents."""

    request_ids: set[str] = field(default_factory=set)
    stripe_ids: set[str] = field(default_factory=set)

    def add(self, request_id: str, *stripe_ids: str | None) -> None:
        self.request_ids.add(request_id)
        self.stripe_ids.update(one for one in stripe_ids if one is not None)

    def __len__(self) -> int:
        return len(self.request_ids) + len(self.stripe_ids)

    def are_in(self, payload: str) -> bool:
        """True if the event contains one of them. A request_id counts only under that key, since it may be
        any text. The time that this takes does not grow with the number of names."""
        left: list[object] = [json.loads(payload)]
        while left:
            one = left.pop()
            if isinstance(one, str):
                if one in self.stripe_ids:
                    return True
            elif isinstance(one, dict):
                named = one.get("request_id")
                if isinstance(named, str) and named in self.request_ids:
                    return True
                left.extend(one.values())
            elif isinstance(one, list):
                left.extend(one)
        return False
