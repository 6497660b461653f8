"""Where log lines go: standard error, until the plugin runs in the gateway and its world has the log."""

import sys

LEVELS = ("trace", "debug", "info", "warn", "error")


def write(level: str, message: str) -> None:
    print(f"{level}: {message}", file=sys.stderr)
