"""curl as people call it, with what it printed taken apart."""

from __future__ import annotations

import re
import subprocess

from raw_http import Answer

PATIENCE_SECONDS = 60


def curl(url: str, *arguments: str, user: str | None = None, check: bool = True, input: bytes | None = None) -> Answer:
    """Runs `curl URL ARGUMENTS`; `user` is `name:password`. Status 0 is for no answer at all, when that is allowed."""
    # Credentials on standard input: those on the command line are seen by everybody on the machine.
    login = ["--config", "-"] if user else []
    if user and input is not None:
        raise ValueError("curl reads the credentials from its standard input")
    command = ["curl", "--silent", "--show-error", "--include", "--globoff", "--path-as-is", "--max-time", str(PATIENCE_SECONDS), *login, *arguments, url]
    told = f'user = "{user}"\n'.encode() if user else input
    done = subprocess.run(command, input=told, capture_output=True, timeout=PATIENCE_SECONDS + 10)
    if check and done.returncode != 0:
        raise RuntimeError(f"curl {url} failed with {done.returncode}: {done.stderr.decode(errors='replace')}\n{done.stdout[:500]!r}")
    return parse(done.stdout)


def parse(printed: bytes) -> Answer:
    """The last head and what is behind it: provisional answers come before."""
    while match := re.match(rb"HTTP/[0-9.]+ ([0-9]{3})[^\r\n]*\r\n", printed):
        head, _, rest = printed.partition(b"\r\n\r\n")
        status = int(match[1])
        if status >= 200:
            return Answer(status, head + b"\r\n\r\n", rest)
        printed = rest
    return Answer(0, b"", printed)
