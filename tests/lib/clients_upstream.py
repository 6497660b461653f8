"""The server of `clients_upstream.mjs` as a child: what clients are compared against, direct and through the gateway."""

from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path

import processes
from certificates import Certificates

SCRIPT = Path(__file__).with_suffix(".mjs")


class ClientsUpstream:
    def __init__(self, own: Certificates):
        self.own = own

    def __enter__(self) -> ClientsUpstream:
        command = ["node", str(SCRIPT), str(self.own.certificate), str(self.own.key)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        preexec_fn=processes.die_with_parent(signal.SIGKILL))
        ports = json.loads(self.process.stdout.readline())
        #: by how they are spoken to: `one` is HTTP/1.1, `two` HTTP/2 in the clear, `tls` both
        self.urls = {name: f"{'https://localhost' if name == 'tls' else 'http://127.0.0.1'}:{port}" for name, port in ports.items()}
        return self

    def __exit__(self, *_) -> None:
        processes.stop(self.process, (signal.SIGTERM, 5))
        self.process.stdin.close()
        self.process.stdout.close()
