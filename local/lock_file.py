"""Locks on files: one process holds a folder, which the kernel frees when that process ends."""

import fcntl
from pathlib import Path
from typing import IO


def hold(path: Path) -> IO[str] | None:
    """Lock the file until it is closed; None if another process has it."""
    lock = path.open("w")
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return lock
        except BlockingIOError:
            # One who only asks has a shared lock for a moment, which is no reason to give up.
            if is_held(path):
                lock.close()
                return None


def is_held(path: Path) -> bool:
    """Return True if some process holds the lock; a file that is missing is held by nobody."""
    try:
        with path.open("r+") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False
