"""Faults of deliveries on request, to test endpoints.

normal     every event once and at once
drop       never delivered, as if every attempt had failed; the event stays in the list
duplicate  every event delivered twice
delay      delivered seconds later
reorder    the events of a commit delivered in reverse order
twin       two events with different ids for the same change
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
    """The current mode. It applies to new events, not to those already on their way."""

    mode: Mode = Mode.NORMAL

    @property
    def events_per_fact(self) -> int:
        return 2 if self.mode is Mode.TWIN else 1

    @property
    def deliveries_per_event(self) -> int:
        return 2 if self.mode is Mode.DUPLICATE else 1

    def due_at(self, time: float, position: int) -> float:
        """The time to deliver the event at this position of its commit."""
        if self.mode is Mode.DELAY:
            return time + DELAY_SECONDS
        if self.mode is Mode.REORDER:
            # Mirrored in its window: the first event is due last.
            end = (time // REORDER_WINDOW_SECONDS + 1.5) * REORDER_WINDOW_SECONDS
            return 2 * end - time - position * REORDER_SPACING_SECONDS
        return time
