"""The steps of a purchase, as they are observed."""

import time

_STEPS = ("session", "paid", "webhook answered", "produced", "consumed", "credited")


class Timeline:
    """When each step was seen, in milliseconds since the start; may be shared by threads."""

    def __init__(self) -> None:
        self._began = time.time()
        self._seen: dict[str, float] = {}

    def mark(self, step: str, moment: float | None = None) -> None:
        """Note a step once; `moment` is a time of day in seconds, None meaning now."""
        self._seen.setdefault(step, ((moment or time.time()) - self._began) * 1000)

    def __contains__(self, step: str) -> bool:
        return step in self._seen

    @property
    def missing(self) -> list[str]:
        """The steps not seen yet."""
        return [step for step in _STEPS if step not in self._seen]

    def __str__(self) -> str:
        ordered = sorted(self._seen.items(), key=lambda item: item[1])
        return "\n".join(f"  {milliseconds:7.0f} ms  {step}" for step, milliseconds in ordered)
