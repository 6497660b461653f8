"""Where a proxy's CPU time goes: samples of its processes while a work runs, with Linux perf."""

from __future__ import annotations

import contextlib
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import meter
import processes

# Not a divisor of the gateway's own clocks: samples must not fall into step with them.
SAMPLES_PER_SECOND = "997"
LINES = 60


def missing() -> str:
    return "" if shutil.which("perf") else "perf is missing: `apt-get install linux-perf`"


@contextlib.contextmanager
def sampled(pids: list[int], file: Path) -> Iterator[None]:
    """Leaves FILE.data for `perf report`, and FILE.txt with the threads, files and functions that used most."""
    file.parent.mkdir(parents=True, exist_ok=True)
    data = file.with_suffix(".data")
    command = ["perf", "record", "--event=cpu-clock", f"--freq={SAMPLES_PER_SECOND}", "--quiet", f"--output={data}",
               "--pid=" + ",".join(map(str, meter.family(pids)))]
    perf = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                            preexec_fn=processes.die_with_parent(signal.SIGINT))
    try:
        yield
    finally:
        processes.stop(perf, (signal.SIGINT, 20))
    parts = [_report(data, "comm"), _report(data, "dso"), _report(data, "dso,symbol")]
    file.with_suffix(".txt").write_text("\n".join(parts))


def _report(data: Path, by: str) -> str:
    command = ["perf", "report", "--stdio", "--no-children", f"--fields=overhead,{by}", "--input", data]
    said = subprocess.run(command, capture_output=True, text=True).stdout.splitlines()
    shown = [line.rstrip() for line in said if line.strip() and not line.startswith("#")]
    return "\n".join([f"by {by}:", *shown[:LINES], ""])
