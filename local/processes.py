"""Child processes that do not outlive their parent.

A child gets a session of its own (Ctrl-C reaches only the parent, which stops its children in order) and,
on Linux, a signal from the kernel when the parent ends, even by SIGKILL. Elsewhere a child notices the end of
its pipe, or the next start ends what is left.
"""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO

# The kernel reports the death of the *thread* that made a child, so one permanent thread makes them all.
_spawner = ThreadPoolExecutor(max_workers=1, thread_name_prefix="spawner")

_held: list[socket.socket] = []
"""A bound socket for each port that was chosen, open as long as this process runs."""

Stream = int | IO[bytes] | None


def spawn(
    args: Sequence[str],
    *,
    death_signal: signal.Signals = signal.SIGKILL,
    uid: int | None = None,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    stdout: Stream = None,
    stderr: Stream = None,
    pass_fds: Sequence[int] = (),
) -> subprocess.Popen[bytes]:
    """Start `args`; the child gets `death_signal` when this process ends for any reason.

    With `uid` (root only) it runs as that unprivileged user; see `unprivileged`.
    """
    # The order matters: a change of user would cancel the request for a signal.
    command = [*unprivileged(uid), *_wrapper(death_signal), *args]

    def start() -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            command,
            cwd=cwd,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            pass_fds=pass_fds,
            start_new_session=True,
        )

    return _spawner.submit(start).result()


def unprivileged(uid: int | None) -> list[str]:
    """The command prefix that makes root's child an ordinary user, for programs that refuse to run as root.

    The child keeps one right, to pass through folders that only root may enter: its data and the virtual
    environment often are in such folders (/root), whose permissions then need not be changed.
    """
    if uid is None:
        return []
    if shutil.which("setpriv") is None:
        raise RuntimeError("run as root, this needs the command setpriv (package util-linux)")
    identity = [f"--reuid={uid}", f"--regid={uid}", "--clear-groups"]
    # access(2), which PostgreSQL finds its programs by, heeds the right only with this bit.
    rights = ["--securebits=+no_setuid_fixup", "--inh-caps=+dac_override", "--ambient-caps=+dac_override"]
    return ["setpriv", *identity, *rights, "--"]


def named() -> list[str]:
    """The command prefix for programs that need a user name; some containers have none."""
    try:
        pwd.getpwuid(os.geteuid())
    except KeyError:
        nobody = pwd.getpwnam("nobody")
        return ["unshare", "--user", f"--map-user={nobody.pw_uid}", f"--map-group={nobody.pw_gid}", "--"]
    return []


def _wrapper(death_signal: signal.Signals) -> list[str]:
    if sys.platform != "linux" or shutil.which("setpriv") is None:
        return []
    return ["setpriv", f"--pdeathsig={death_signal.name.removeprefix('SIG')}", "--"]


def end(process: subprocess.Popen[bytes], *signals: signal.Signals, patience: float = 5.0) -> int:
    """Send the signals one after the other, `patience` seconds apart, then SIGKILL; the exit status."""
    for number in signals:
        if process.poll() is not None:
            break
        process.send_signal(number)
        try:
            return process.wait(patience)
        except subprocess.TimeoutExpired:
            continue
    if process.poll() is None:
        process.kill()
    return process.wait()


class Child:
    """A part of the stack that is one child process."""

    process: subprocess.Popen[bytes] | None = None

    def kill(self) -> None:
        """End as a crash would (SIGKILL)."""
        self.end()

    def end(self, *signals: signal.Signals, patience: float = 5.0) -> None:
        """Send the signals as `end` does; does nothing if the process was not started."""
        if self.process is not None:
            end(self.process, *signals, patience=patience)
            self.process = None


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listens on now.

    On Linux the kernel gives it to no other program while this process runs, even while a server on it
    restarts. A server that listens there sets SO_REUSEADDR, as servers do.
    """
    holder = socket.socket()
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    holder.bind(("127.0.0.1", 0))
    port: int = holder.getsockname()[1]
    if sys.platform == "linux":
        _held.append(holder)
    else:
        holder.close()  # Elsewhere no server could listen on it meanwhile.
    return port


def is_free(port: int) -> bool:
    """Return True if no program listens on the TCP port of 127.0.0.1 now."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def is_root() -> bool:
    """Return True if this process has root's user id, with which PostgreSQL refuses to run."""
    return os.geteuid() == 0


def last_lines(log: Path, count: int = 15) -> str:
    """The end of a log, for an error message."""
    return "\n".join(log.read_text(errors="replace").strip().splitlines()[-count:])
