#!/usr/bin/env python3
"""A throwaway git server: `git http-backend`, with one repository `team/shop`, to which anybody may push.

    server.py FOLDER      writes its port to FOLDER/upstream.port when it listens; the repository is below FOLDER, too
"""

from __future__ import annotations

import signal
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests/lib"))
from git_server import GitServer

HOOK = "echo 'questions about this repository: mia.novak@example.com'"


def main(folder: Path) -> None:
    # Whatever ends this, the repositories go, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    tempfile.tempdir = str(folder)
    with GitServer() as server:
        server.create("team/shop", files={"README": "The shop.\n", "prices.csv": "tea,3.20\n"})
        server.hook("team/shop", "pre-receive", HOOK)
        (folder / "upstream.port").write_text(f"{server.port}\n")
        signal.pause()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
