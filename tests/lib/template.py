"""The data directory every throwaway server starts from: initdb once, then copied.

initdb takes two seconds, a copy a tenth of one. Templates are kept in tests/.cache, one for each
server version, superuser and password.
"""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import subprocess
import tempfile
from pathlib import Path

import processes
from endpoint import BIN

CACHE = Path(__file__).resolve().parent.parent / ".cache"
# The server that the regression suite belongs to; only there when the installed one is of another minor version.
SUITE_SERVER = CACHE / "pg-src" / "server"
INSIDE_PACKAGE = "usr/lib/postgresql/15/bin"


def program(name: str, bin: Path = BIN) -> str:
    path = bin / name
    if not path.exists():
        raise RuntimeError(f"{path} is missing; run tests/setup/install, or set PG_BIN to the folder of PostgreSQL's programs")
    return str(path)


def suite_bin() -> Path:
    """Programs of the version the regression suite belongs to."""
    unpacked = SUITE_SERVER / INSIDE_PACKAGE
    return unpacked if unpacked.exists() else BIN


def copy_to(data: Path, superuser: str, password: str, bin: Path = BIN) -> None:
    subprocess.run(["cp", "-a", "--reflink=auto", _template(superuser, password, bin), data], check=True)


def _template(superuser: str, password: str, bin: Path) -> Path:
    version = subprocess.run([program("postgres", bin), "--version"], capture_output=True, text=True, check=True).stdout
    key = hashlib.sha256("\0".join([version, superuser, password]).encode()).hexdigest()[:16]
    CACHE.mkdir(exist_ok=True)
    finished = CACHE / "pg-template" / key
    finished.parent.mkdir(exist_ok=True)
    with open(CACHE / "pg-template.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not finished.exists():
            _initdb(finished, superuser, password, bin)
    return finished


def _initdb(finished: Path, superuser: str, password: str, bin: Path) -> None:
    # In a temporary folder first: the account `postgres` may not be able to enter the repository.
    with tempfile.TemporaryDirectory(prefix="weir-initdb-") as name:
        work = Path(name)
        processes.give_to_server_account(work)
        secret = work / "password"
        secret.write_text(password + "\n")
        processes.give_to_server_account(secret)
        done = subprocess.run(
            [program("initdb", bin), "-D", work / "data", "-U", superuser, "--pwfile", secret, "--auth", "scram-sha-256",
             "--encoding", "UTF8", "--locale", "C", "--no-sync"],
            capture_output=True, text=True, cwd="/", **processes.as_server_account())
        if done.returncode != 0:
            raise RuntimeError(f"initdb failed:\n{done.stdout}{done.stderr}")
        half = finished.with_suffix(".half")
        shutil.rmtree(half, ignore_errors=True)
        subprocess.run(["cp", "-a", work / "data", half], check=True)
        half.rename(finished)
