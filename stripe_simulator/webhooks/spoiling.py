"""Deliberate trouble with deliveries, so that whoever listens can show that it copes.

normal     every event once, at once
drop       never delivered, as if every attempt had failed; the event is still in the list
duplicate  every event delivered twice
delay      delivered seconds later
reorder    the events of a moment delivered last first
twin       the same fact as two events with ids of their own
"""

from dataclasses import dataclass
from enum import Enum

DELAY_SECONDS = 3.0
REORDER_WINDOW_SECONDS = 1.0
REORDER_SPACING_SECONDS = 0.14


class Mode(Enum):
    NORMAL = "normal"
    DROP = "drop"
    DUPLICATE = "duplicate"
    DELAY = "delay"
    REORDER = "reorder"
    TWIN = "twin"


@dataclass
class Spoiler:
    """The mode in force. It acts when an event is made: what is already on its way is left alone."""

    mode: Mode = Mode.NORMAL

    @property
    def events_per_fact(self) -> int:
        return 2 if self.mode is Mode.TWIN else 1

    @property
    def deliveries_per_event(self) -> int:
        return 2 if self.mode is Mode.DUPLICATE else 1

    def due_at(self, time: float, position: int) -> float:
        """When to deliver the event that was the `position`-th of its commit."""
        if self.mode is Mode.DELAY:
            return time + DELAY_SECONDS
        if self.mode is Mode.REORDER:
            # Mirrored at the end of its window: what was made first is due last.
            end = (time // REORDER_WINDOW_SECONDS + 1.5) * REORDER_WINDOW_SECONDS
            return 2 * end - time - position * REORDER_SPACING_SECONDS
        return time
