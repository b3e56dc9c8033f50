"""A lock is refused only while another holder has it."""

import threading
from pathlib import Path

from local import lock_file


def test_a_lock_is_another_holders_until_that_one_closes_it(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    assert not lock_file.is_held(path)

    first = lock_file.hold(path)
    assert first is not None
    assert lock_file.hold(path) is None
    assert lock_file.is_held(path)
    first.close()

    second = lock_file.hold(path)
    assert second is not None
    second.close()
    assert not lock_file.is_held(path)


def test_asking_whether_it_is_held_refuses_nobody(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    path.touch()
    ended = threading.Event()

    def ask() -> None:
        while not ended.is_set():
            lock_file.is_held(path)

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        for _ in range(1000):
            lock = lock_file.hold(path)
            assert lock is not None
            lock.close()
    finally:
        ended.set()
        asking.join()
