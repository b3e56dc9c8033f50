"""Lambda's SnapStart: many environments are restored from one snapshot of an init phase."""

import gc
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager


def prepare(close: Callable[[], None]) -> None:
    """Have connections closed before the snapshot, and retries not pause alike in every environment after it.

    Secrets are not read at init, and their age and that of connections is by the wall clock, which goes on.
    """
    try:
        from snapshot_restore_py import (  # type: ignore[import-untyped]
            register_after_restore,
            register_before_snapshot,
        )
    except ImportError:  # Only Lambda's runtime has it.
        return
    register_before_snapshot(close)
    register_after_restore(random.seed)


@contextmanager
def lasting() -> Iterator[None]:
    """For what stays as long as the process: no garbage is looked for in it, now or later."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.freeze()
