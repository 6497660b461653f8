"""Tries what a program may try, and says in tags what came of it."""

import os
import random
import socket
import sys
import time

from weir_sdk import Decision, Operation, Policy, SessionInfo, abstain


def tried(what) -> str:
    try:
        return f"{what()}"
    except Exception as error:
        return type(error).__name__


class Plugin(Policy):
    name = "probe"
    description = "Looks for a way out"

    def open(self, session: SessionInfo) -> None:
        # The generator that Python seeded at build time, seeded anew from the system.
        random.seed()

    def decide(self, operation: Operation) -> Decision:
        print("a value that somebody printed", file=sys.stderr)
        if "stumble" in operation.text:
            raise ValueError("a value that somebody stumbled over")
        if "hang" in operation.text:
            time.sleep(3600)
        if "leave" in operation.text:
            os._exit(0)
        decision = abstain()
        for name, what in (
            ("variables", lambda: dict(os.environ)),
            ("folder", lambda: os.listdir("/")),
            ("read", lambda: open("/etc/passwd").read()),
            ("write", lambda: open("/tmp/weir-probe", "w")),
            ("connect", lambda: socket.socket().connect((b"127.0.0.1", 5432))),
            ("resolve", lambda: socket.getaddrinfo(b"localhost", 80)),
            ("input", lambda: sys.stdin.read()),
            ("wall", lambda: int(time.time())),
            ("monotonic", lambda: time.monotonic()),
            ("chance", lambda: os.urandom(8).hex() + format(random.getrandbits(32), "x")),
        ):
            decision.tag(name, tried(what))
        return decision
