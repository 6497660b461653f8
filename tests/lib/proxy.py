"""Puts tests/clients/fragment.py in front of an endpoint for as long as a `with` lasts."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import processes
from endpoint import Endpoint, parse_address

PROGRAM = Path(__file__).resolve().parent.parent / "clients" / "fragment.py"
WAYS = {"plain": ["--plain"], "fragment": [], "both": ["--both"], "merge": ["--merge"]}


@contextlib.contextmanager
def through(way: str, endpoint: Endpoint) -> Iterator[Endpoint]:
    """`way` is one of WAYS, or "direct" for nothing in between."""
    if way == "direct":
        yield endpoint
        return
    child = subprocess.Popen(
        [sys.executable, PROGRAM, "--to", f"{endpoint.host}:{endpoint.port}", *WAYS[way]],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, start_new_session=True,
        preexec_fn=processes.die_with_parent(signal.SIGTERM))
    try:
        greeting = child.stdout.readline()
        if not greeting.startswith("listening on "):
            raise RuntimeError(f"{PROGRAM.name} did not start (exit code {child.wait()})")
        host, port = parse_address(greeting.removeprefix("listening on ").strip())
        yield endpoint.at(host=host, port=port)
    finally:
        processes.stop(child, (signal.SIGTERM, 5))
        child.stdout.close()
