"""Clients of HTTP: h2load for many small requests, and one that is too simple to be slow for large answers.

h2load logs each request with the moment it began and the time it took, as pgbench does with transactions; so the window
lies within the run here as well.
"""

from __future__ import annotations

import http.client
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

from load import WARM_UP_SECONDS, Load

PATIENCE_SECONDS = 120
PIECE_BYTES = 1 << 20
OK = 200


class HttpLoad(Load):
    """h2load in the background, HTTP/1.1, connections kept."""

    def __init__(self, url: str, headers: dict[str, str], clients: int, seconds: float):
        self.folder = tempfile.TemporaryDirectory(prefix="weir-bench-h2load-")
        self.seconds = seconds
        self.log = Path(self.folder.name) / "log"
        self.command = ["h2load", "--h1", f"--clients={clients}", "--threads=1", f"--duration={round(seconds + 2 * WARM_UP_SECONDS)}",
                        f"--log-file={self.log}", *(f"--header={name}: {value}" for name, value in headers.items()), url]
        self.environment = dict(os.environ)

    def finish(self) -> tuple[int, list[tuple[float, int]]]:
        """Requests that were not answered with 200, and all others: the moment of the end and the time taken in µs."""
        said = self.child.communicate()[0]
        if self.child.returncode != 0 or not self.log.exists():
            raise RuntimeError(f"h2load ended with {self.child.returncode}:\n{said.strip()[-1500:]}")
        failed, done = 0, []
        for line in self.log.read_text().splitlines():
            start, status, micros, *_ = map(int, line.split("\t"))
            if status == OK:
                done.append(((start + micros) / 1e6, micros))
            else:
                failed += 1
        return failed, done


def missing() -> str:
    return "" if shutil.which("h2load") else "h2load is missing: run tests/setup/install, or `apt-get install nghttp2-client`"


class Client:
    """One connection; the answers of `drain` are thrown away."""

    def __init__(self, url: str, headers: dict[str, str]):
        address, self.headers = urlsplit(url), headers
        self.connection = http.client.HTTPConnection(address.hostname, address.port, timeout=PATIENCE_SECONDS)
        self.piece = memoryview(bytearray(PIECE_BYTES))

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_) -> None:
        self.connection.close()

    def get(self, path: str) -> bytes:
        return self._ask(path).read()

    def drain(self, path: str) -> int:
        """The size of the body in bytes."""
        answer, total = self._ask(path), 0
        while count := answer.readinto(self.piece):
            total += count
        return total

    def _ask(self, path: str) -> http.client.HTTPResponse:
        try:
            self.connection.request("GET", path, headers=self.headers)
            answer = self.connection.getresponse()
            if answer.status != OK:
                raise RuntimeError(f"GET {path}: {answer.status} {answer.read()[:300]!r}")
        except http.client.HTTPException as problem:
            raise RuntimeError(f"GET {path}: {problem!r}") from problem
        return answer
