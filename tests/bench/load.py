"""pgbench, and what a proxy's processes use while it runs.

The window that counts lies within the run: transactions come from pgbench's log, with the moment each ended, so
that logins and warming up are in no figure.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import meter
import processes
import template
from endpoint import Endpoint

WARM_UP_SECONDS = 1.0
GRACE_SECONDS = 30


@dataclass(frozen=True)
class Window:
    begin: float
    end: float
    cpu_seconds: float


class Load:
    """pgbench in the background: `with Load(…) as load`, then `load.watch()` or anything else, then `load.finish()`."""

    def __init__(self, endpoint: Endpoint, clients: int, mode: str, seconds: float, *more: str):
        self.folder = tempfile.TemporaryDirectory(prefix="weir-bench-pgbench-")
        self.seconds = seconds
        self.command = [
            template.program("pgbench"), "--no-vacuum", "--builtin=select-only", f"--protocol={mode}", f"--client={clients}",
            f"--jobs={min(clients, 2)}", f"--time={round(seconds + 2 * WARM_UP_SECONDS)}", "--log",
            f"--log-prefix={self.folder.name}/log", *more]
        self.environment = endpoint.environment()

    def __enter__(self) -> Load:
        self.child = subprocess.Popen(self.command, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                      text=True, start_new_session=True)
        self.timer = processes.kill_group_after(self.child, self.seconds + GRACE_SECONDS)
        return self

    def __exit__(self, *_) -> None:
        self.timer.cancel()
        if self.child.poll() is None:
            processes.kill_group(self.child)
        self.child.stdout.close()
        self.folder.cleanup()

    def watch(self, pids: list[int]) -> Window:
        time.sleep(WARM_UP_SECONDS)
        cpu, begin = meter.cpu_seconds(pids), time.time()
        time.sleep(self.seconds)
        cpu, end = meter.cpu_seconds(pids) - cpu, time.time()
        return Window(begin, end, cpu)

    def finish(self) -> tuple[int, list[tuple[float, int]]]:
        """Failed transactions, and all others: the moment of the end and the time taken in µs."""
        said = self.child.communicate()[0]
        failed = re.search(r"number of failed transactions: (\d+)", said)
        if self.child.returncode != 0 or not failed:
            raise RuntimeError(f"pgbench ended with {self.child.returncode}:\n{said.strip()[-1500:]}")
        return int(failed[1]), [done for file in Path(self.folder.name).iterdir() for done in _read(file)]


def _read(file: Path):
    for line in file.read_text().splitlines():
        _client, _number, micros, _script, seconds, fraction, *_ = line.split()
        yield int(seconds) + int(fraction) / 1e6, int(micros)


def percentile(ordered: list[int], share: float) -> int:
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]
