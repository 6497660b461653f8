"""The works over HTTP. Before each is measured, its answer is compared with the file, to the byte."""

from __future__ import annotations

import time

import http_data
import meter
from data import UNMASKED
from http_load import Client, HttpLoad
from load import percentile

Figures = dict[str, float]


def requests(target, seconds: float, file: str, clients: int) -> Figures:
    _check(target, file)
    with HttpLoad(f"{target.url}/{file}", target.headers, clients, seconds) as load:
        window = load.watch(target.pids)
        failed, done = load.finish()
    if failed:
        raise RuntimeError(f"{failed} requests failed")
    times = sorted(micros for end, micros in done if window.begin <= end < window.end)
    if not times:
        raise RuntimeError("no request ended in time")
    return {"rps": len(times) / (window.end - window.begin), "p50": percentile(times, 0.5), "p99": percentile(times, 0.99),
            "cpu_us": window.cpu_seconds * 1e6 / len(times)}


def bodies(target, seconds: float, file: str) -> Figures:
    """Whole answers, one after another on one connection."""
    _check(target, file)
    size = len(target.files.content(file))
    with Client(target.url, target.headers) as client:
        count, cpu, begin = 0, meter.cpu_seconds(target.pids), time.monotonic()
        while time.monotonic() - begin < seconds:
            if (received := client.drain(f"/{file}")) != size:
                raise RuntimeError(f"{received} bytes came instead of {size}")
            count += 1
        took, cpu = time.monotonic() - begin, meter.cpu_seconds(target.pids) - cpu
    return {"mb_s": count * size / took / 1e6, "cpu_s_gb": cpu / (count * size / 1e9)}


def connects(target, seconds: float, file: str) -> Figures:
    """A connection for each request, one after another."""
    _check(target, file)
    count, cpu, begin = 0, meter.cpu_seconds(target.pids), time.monotonic()
    while time.monotonic() - begin < seconds:
        with Client(target.url, target.headers) as client:
            client.drain(f"/{file}")
        count += 1
    took, cpu = time.monotonic() - begin, meter.cpu_seconds(target.pids) - cpu
    return {"rps": count / took, "cpu_us": cpu * 1e6 / count}


def _check(target, file: str) -> None:
    content = target.files.content(file)
    with Client(target.url, target.headers) as client:
        received = client.get(f"/{file}")
    if target.masks and UNMASKED in content:
        if UNMASKED in received:
            raise RuntimeError(f"{UNMASKED!r} is in the answer: it is not masked")
    elif received != content:
        raise RuntimeError(f"the answer, {received[:200]!r}…, differs from the file")
