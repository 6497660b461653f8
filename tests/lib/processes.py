"""Children that never outlive the test: free ports, the account servers run as, and stopping for certain."""

from __future__ import annotations

import contextlib
import ctypes
import os
import pwd
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

PR_SET_PDEATHSIG = 1
SERVER_ACCOUNT = "postgres"
_libc = ctypes.CDLL(None, use_errno=True)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def as_server_account() -> dict:
    """Arguments for Popen/run: PostgreSQL refuses to run as root, so root hands it to the account `postgres`."""
    if os.geteuid() != 0:
        return {}
    account = pwd.getpwnam(SERVER_ACCOUNT)
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}


def give_to_server_account(path: Path) -> None:
    if os.geteuid() == 0:
        account = pwd.getpwnam(SERVER_ACCOUNT)
        os.chown(path, account.pw_uid, account.pw_gid)


def die_with_parent(deadly: signal.Signals):
    """A preexec_fn: the kernel sends `deadly` when the runner is gone, even after a kill -9 of the runner."""
    def ask_the_kernel() -> None:
        _libc.prctl(PR_SET_PDEATHSIG, int(deadly))
    return ask_the_kernel


def turn_signals_into_exit() -> None:
    """SIGTERM and SIGHUP unwind like Ctrl-C, so that every `finally` and `with` runs."""
    def leave(number, _frame):
        raise SystemExit(128 + number)
    for each in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, leave)


def stop(child: subprocess.Popen, *steps: tuple[signal.Signals, float]) -> None:
    """Sends each signal in turn and gives the child that many seconds to leave; the last resort is SIGKILL."""
    try:
        for number, seconds in steps:
            if child.poll() is not None:
                return
            child.send_signal(number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(seconds)
                return
    finally:  # also when a signal interrupts the waiting
        if child.poll() is None:
            child.kill()
            child.wait()


def kill_group(child: subprocess.Popen) -> None:
    """Ends a child started with start_new_session=True, and whatever it started."""
    try:
        os.killpg(child.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    child.wait()


def living(child: subprocess.Popen) -> list[str]:
    """What has not ended of the group of a child started with start_new_session=True."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, _, group = stat.read_text().rsplit(")", 1)[1].split()[:3]
            if int(group) == child.pid and state not in "ZX":
                found.append(stat.parent.name)
    return found


def kill_group_after(child: subprocess.Popen, seconds: float) -> threading.Timer:
    def expire() -> None:
        print(f"{child.args[0]} took longer than {seconds:g} s and is stopped", file=sys.stderr, flush=True)
        kill_group(child)
    timer = threading.Timer(seconds, expire)
    timer.daemon = True
    timer.start()
    return timer
