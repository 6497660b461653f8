"""The works: each takes a target and gives figures.

`fresh` works start processes of their own, because what they measure depends on the past of a process.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path

import data
import http_data
import http_works
import meter
from drain import Drain
from load import Load, percentile
from weir import BINARY

Figures = dict[str, float]
IDLE_SESSIONS = 200
LOAD_CLIENTS = 16
# Between two changes of a plugin: longer than the slowest that would still be acceptable.
CHANGE_SECONDS = 3
# How much later than that the last one may take effect: a late one is a figure, not a failure.
LATE_SECONDS = 10


@dataclass(frozen=True)
class Work:
    title: str
    measure: Callable[..., Figures]
    targets: tuple[str, ...] = ("direct", "floor", "pgbouncer", "weir")
    fresh: bool = False
    protocol: str = "postgres"


def over_http(title: str, measure: Callable[..., Figures], **more) -> Work:
    return Work(title, partial(measure, **more), ("direct", "nginx", "envoy", "weir"), protocol="http")


def queries(target, seconds: float, clients: int, mode: str) -> Figures:
    with Load(target.endpoint, clients, mode, seconds) as load:
        window = load.watch(target.pids)
        failed, done = load.finish()
    if failed:
        raise RuntimeError(f"{failed} transactions failed")
    times = sorted(micros for end, micros in done if window.begin <= end < window.end)
    if not times:
        raise RuntimeError("no transaction ended in time")
    return {"tps": len(times) / (window.end - window.begin), "p50": percentile(times, 0.5), "p99": percentile(times, 0.99),
            "cpu_us": window.cpu_seconds * 1e6 / len(times)}


def logins(target, seconds: float) -> Figures:
    with Load(target.endpoint, 4, "simple", seconds, "--connect") as load:
        window = load.watch(target.pids)
        failed, done = load.finish()
    count = sum(window.begin <= end < window.end for end, _ in done)
    if failed or not count:
        raise RuntimeError(f"{failed} transactions failed, {count} ended in time")
    return {"tps": count / (window.end - window.begin), "cpu_us": window.cpu_seconds * 1e6 / count}


def rows(target, seconds: float, table: str, size: Callable[[str], int]) -> Figures:
    """MB/s and CPU by what the upstream sends, not by what is left of it behind a masker."""
    query, sent = f"select * from {table}", size(table)
    masked = target.masks and table == "rows_personal"
    with Drain(target.endpoint) as client:
        count, cpu, begin = 0, meter.cpu_seconds(target.pids), time.monotonic()
        while time.monotonic() - begin < seconds:
            received = client.drain(query, data.UNMASKED if masked else None)
            if received != sent and not masked:
                raise RuntimeError(f"{received} bytes came instead of {sent}")
            count += 1
        took, cpu = time.monotonic() - begin, meter.cpu_seconds(target.pids) - cpu
    return {"mb_s": count * sent / took / 1e6, "cpu_s_gb": cpu / (count * sent / 1e9)}


def idle_sessions(target, _seconds: float) -> Figures:
    """Each has asked something once: what is made at the first use counts."""
    open_sessions: list[Drain] = []
    try:
        with Drain(target.endpoint) as first:
            first.drain("select 1")
            before = meter.resident_kib(target.pids)
            for _ in range(IDLE_SESSIONS):
                open_sessions.append(Drain(target.endpoint))
                open_sessions[-1].drain("select 1")
            after = meter.resident_kib(target.pids)
    finally:
        for session in open_sessions:
            session.close()
    return {"kib": (after - before) / IDLE_SESSIONS, "base_mib": before / 1024}


def plugin_change(target, seconds: float) -> Figures:
    """From the rename of a policy's file to the first operation that the new one judged, by the trail's own clock."""
    weir = target.weir
    changes = max(1, round(seconds / CHANGE_SECONDS))
    renamed: dict[str, float] = {}
    with Load(target.endpoint, LOAD_CLIENTS, "simple", CHANGE_SECONDS * changes + LATE_SECONDS) as load:
        for number in range(changes):
            time.sleep(CHANGE_SECONDS)
            new = weir.folder / "changed.wasm"
            digest = _differing_copy(weir.plugins_folder / "sql-guard.wasm", new, number)
            renamed[digest] = time.time()
            new.rename(weir.plugins_folder / "sql-guard.wasm")
        failed, done = load.finish()
    delays = [_first_judged(weir, digest) - moment for digest, moment in renamed.items()]
    worst = max(micros for _, micros in done)
    return {"delay_ms": max(delays) * 1e3, "failed": failed, "worst_ms": worst / 1e3}


def _differing_copy(old: Path, new: Path, number: int) -> str:
    """The same component with one more custom section: behaves the same, has another digest."""
    shutil.copyfile(old, new)
    name, content = b"bench", str(number).encode()
    body = bytes([len(name)]) + name + content
    with new.open("ab") as file:
        file.write(bytes([0, len(body)]) + body)
    return hashlib.sha256(new.read_bytes()).hexdigest()


def _first_judged(weir, digest: str) -> float:
    """The trail is long: lines without the digest are not parsed."""
    export = subprocess.Popen([BINARY, "--config", weir.config, "audit", "export"], stdout=subprocess.PIPE, text=True, env=weir.environment(),
                              cwd=weir.folder)
    try:
        for line in export.stdout:
            if digest in line and '"kind":"intent"' in line:
                return datetime.fromisoformat(json.loads(line)["body"]["at"]).timestamp()
    finally:
        export.kill()
        export.wait()
        export.stdout.close()
    raise RuntimeError("no operation was judged by the changed plugin")


def all_works(size: Callable[[str], int]) -> dict[str, Work]:
    return {
        "simple-1": Work("pgbench -S, simple, 1 client", partial(queries, clients=1, mode="simple")),
        "simple-16": Work("pgbench -S, simple, 16 clients", partial(queries, clients=16, mode="simple")),
        "prepared-16": Work("pgbench -S, prepared, 16 clients", partial(queries, clients=16, mode="prepared")),
        "logins": Work("pgbench -C -S, 4 clients: a login with SCRAM on both legs and one query", logins),
        "rows-plain": Work("1,000,000 rows, no masker interested", partial(rows, table="rows_plain", size=size)),
        "rows-text": Work("1,000,000 rows of texts, searched, nothing found", partial(rows, table="rows_text", size=size)),
        "rows-masked": Work("1,000,000 rows, e-mail, phone and card masked", partial(rows, table="rows_personal", size=size)),
        "memory": Work(f"memory of an idle session, of {IDLE_SESSIONS}", idle_sessions, ("floor", "pgbouncer", "weir"), fresh=True),
        "plugin-change": Work("a policy's file is renamed into place under load", plugin_change, ("weir",), fresh=True),
        "http-1": over_http("HTTP, 1 KB of JSON, 1 connection", http_works.requests, file=http_data.SMALL, clients=1),
        "http-32": over_http("HTTP, 1 KB of JSON, 32 connections", http_works.requests, file=http_data.SMALL, clients=32),
        "http-32-masked": over_http("HTTP, 1 KB of JSON with 5 e-mail addresses masked, 32 connections", http_works.requests,
                                    file=http_data.PERSONAL, clients=32),
        "http-connects": over_http("HTTP, 1 KB of JSON, a connection and a token for each, one after another", http_works.connects, file=http_data.SMALL),
        "http-10m": over_http("HTTP, 10 MB that nobody looks into", http_works.bodies, file=http_data.BIG),
        "http-10m-json": over_http("HTTP, 10 MB of JSON, every text searched, nothing found", http_works.bodies, file=http_data.BIG_JSON),
    }
