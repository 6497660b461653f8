#!/usr/bin/env python3
"""Runs a client directly at PostgreSQL and through something, and compares what it printed, byte by byte.

    compare.py --client psql --direct 127.0.0.1:5432 --via 127.0.0.1:6432 --user app --password … --dbname customers

`--client all` runs every one; --via-user, --via-password, --via-dbname, --via-sslmode, --via-sslrootcert where the way through
differs. Each argument may also come from the environment: DIRECT_HOST, DIRECT_PORT, DIRECT_USER,
DIRECT_PASSWORD, DIRECT_DATABASE, DIRECT_SSLMODE, DIRECT_SSLROOTCERT, and the same with VIA_ and ADMIN_.
The admin account (default: the direct one) looks into pg_stat_activity of the server.
The database needs tests/lib/sample.sql and an account that may create schemas in it.

Exit codes: 0 the same, 1 a difference or a client that fails, 2 could not be run.
"""

from __future__ import annotations

import argparse
import difflib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "lib"))
import arguments
import processes
from endpoint import Endpoint, parse_address

NAMES = sorted(entry.parent.name for entry in HERE.glob("*/client"))
SHOWN_LINES = 200  # of a difference; the whole of it is in the kept transcripts


def main() -> int:
    asked = parse()
    processes.turn_signals_into_exit()
    direct = side(asked, "direct", None)
    via = side(asked, "via", direct)
    admin = side(asked, "admin", direct)
    names = NAMES if asked.client == ["all"] else asked.client
    results = [compare(name, direct, via, admin, asked) for name in names]
    return 0 if all(results) else 1


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--client", action="append", required=True, choices=[*NAMES, "all"])
    for name, text in (("direct", "the server"), ("via", "what stands in front of it"), ("admin", "the server, for a superuser")):
        parser.add_argument(f"--{name}", metavar="HOST:PORT", help=text)
        for what in ("user", "password", "dbname", "sslmode", "sslrootcert"):
            flags = [f"--{name}-{what}"] + ([f"--{what}"] if name == "direct" else [])
            parser.add_argument(*flags, dest=f"{name}_{what}")
    parser.add_argument("--timeout", type=float, default=300, metavar="SECONDS", help="for one client on one side (default: 300)")
    parser.add_argument("--keep", type=Path, help="keep both transcripts in this folder")
    return parser.parse_args()


def side(asked: argparse.Namespace, name: str, otherwise: Endpoint | None) -> Endpoint:
    """One endpoint: from arguments, else from the environment, else as the direct one."""
    def value(argument: str, variable: str, default: str | None) -> str | None:
        return getattr(asked, argument) or os.environ.get(f"{name.upper()}_{variable}") or default

    address = getattr(asked, name)
    if not address and (host := os.environ.get(f"{name.upper()}_HOST")):
        address = f"{host}:{os.environ.get(f'{name.upper()}_PORT', '5432')}"
    if not address and (name != "admin" or otherwise is None):
        raise ValueError(f"no address: give --{name} host:port, or set {name.upper()}_HOST and {name.upper()}_PORT")
    default = otherwise or Endpoint("", 0, "postgres", "", "customers")
    host, port = parse_address(address) if address else (default.host, default.port)
    return Endpoint(
        host, port,
        value(f"{name}_user", "USER", default.user), value(f"{name}_password", "PASSWORD", default.password),
        value(f"{name}_dbname", "DATABASE", default.database), value(f"{name}_sslmode", "SSLMODE", default.sslmode),
        value(f"{name}_sslrootcert", "SSLROOTCERT", default.sslrootcert))


def compare(name: str, direct: Endpoint, via: Endpoint, admin: Endpoint, asked: argparse.Namespace) -> bool:
    transcripts, seconds = [], []
    for label, endpoint in (("direct", direct), ("via", via)):
        started = time.monotonic()
        transcript, problem = run(name, endpoint, admin, asked.timeout)
        seconds.append(time.monotonic() - started)
        if asked.keep:
            asked.keep.mkdir(parents=True, exist_ok=True)
            (asked.keep / f"{name}.{label}").write_bytes(transcript)
        if problem:
            print(f"{name}: {label}: {problem}", flush=True)
            if label == "direct":  # nothing to compare with
                return False
        transcripts.append(transcript)
    if transcripts[0] == transcripts[1] and not problem:
        print(f"{name}: the same, {len(transcripts[0].splitlines())} lines ({seconds[0]:.1f} s direct, {seconds[1]:.1f} s via)", flush=True)
        return True
    show_difference(name, *transcripts)
    return False


def run(name: str, endpoint: Endpoint, admin: Endpoint, timeout: float) -> tuple[bytes, str | None]:
    environment = endpoint.environment() | {"TZ": "UTC", "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8", "LANGUAGE": ""}
    environment |= {f"ADMIN_{variable}": value for variable, value in admin.variables().items()}
    child = subprocess.Popen([HERE / name / "client"], env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, start_new_session=True, preexec_fn=processes.die_with_parent(signal.SIGKILL))
    try:
        out, err = child.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        processes.kill_group(child)
        out, err = child.communicate()
        return out, f"not finished after {timeout:g} s; the last lines were\n{tail(out)}{tail(err)}"
    finally:
        processes.kill_group(child)
    if child.returncode != 0:
        return out, f"the client itself failed, exit code {child.returncode}\n{tail(out)}{tail(err)}"
    return out, None


def tail(output: bytes, lines: int = 15) -> str:
    return "".join(f"    {line}\n" for line in output.decode(errors="replace").splitlines()[-lines:])


def show_difference(name: str, direct: bytes, via: bytes) -> None:
    lines = list(difflib.unified_diff(
        direct.decode(errors="backslashreplace").splitlines(), via.decode(errors="backslashreplace").splitlines(),
        f"{name} direct", f"{name} via", lineterm=""))
    print(*lines[:SHOWN_LINES], sep="\n")
    if len(lines) > SHOWN_LINES:
        print(f"… {len(lines) - SHOWN_LINES} lines more; --keep FOLDER keeps both transcripts")
    if not lines:
        print(f"{name}: only bytes that are no text differ; --keep FOLDER keeps both transcripts")
    sys.stdout.flush()


if __name__ == "__main__":
    arguments.run(main, "compare")
