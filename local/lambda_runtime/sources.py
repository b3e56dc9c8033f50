"""The files that a function was loaded from, and whether they have changed since."""

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress

PAUSE = 9
"""After a scan, wait so many times as long as it took: scanning uses at most a tenth of the time."""

_COMPILED = "__pycache__"

State = dict[str, tuple[int, int]]
"""Path → time of the last change (ns) and size (bytes)."""


class Sources:
    """All files below some folders; hidden ones and what Python compiles are left out."""

    def __init__(self, folders: Sequence[str]) -> None:
        self._folders = folders
        self._seen = self._state()
        self._look_at = 0.0

    def have_changed(self) -> bool:
        """Return True if a file was added, edited or removed since the last scan. Scans are some
        milliseconds apart at least."""
        began = time.monotonic()
        if began < self._look_at:
            return False
        before, self._seen = self._seen, self._state()
        now = time.monotonic()
        self._look_at = now + PAUSE * (now - began)
        return before != self._seen

    def _state(self) -> State:
        return {path: found for folder in self._folders for path, found in _files(folder)}


def _files(folder: str) -> Iterator[tuple[str, tuple[int, int]]]:
    with suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.name == _COMPILED or entry.name.startswith("."):
                continue
            with suppress(FileNotFoundError):  # An editor that replaces a file removes it for a moment.
                if entry.is_dir():
                    yield from _files(entry.path)
                else:
                    found = entry.stat()
                    yield entry.path, (found.st_mtime_ns, found.st_size)
