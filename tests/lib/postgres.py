#!/usr/bin/env python3
"""A throwaway PostgreSQL: on a free loopback port, with SCRAM passwords, TLS, and nothing left behind.

As a library:

    with Postgres(settings={"log_statement": "all"}) as server:
        server.sql("select 1")
        run(..., env=server.endpoint.environment())

As a command (see --help):

    tests/lib/postgres.py run --sample -- psql -c 'table customers limit 1'
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import certificates
import processes
import template
from endpoint import Endpoint

START_SECONDS = 60
# Give up durability, nothing else: a crash of the machine may lose a database nobody needs.
FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
# As pg_regress sets it for a server of its own.
SUITE_SETTINGS = {"max_prepared_transactions": "2"}


class Postgres:
    def __init__(self, settings: dict[str, str] | None = None, *, superuser: str = "postgres", password: str = "throwaway",
                 database: str = "postgres", tls: bool = True, require_tls: bool = False, fsync: bool = False,
                 for_suite: bool = False):
        self.settings = ({} if fsync else FAST) | (settings or {})
        self.superuser, self.password, self.database = superuser, password, database
        self.tls, self.require_tls = tls or require_tls, require_tls
        self.for_suite, self.bin = for_suite, template.BIN
        self.process: subprocess.Popen | None = None
        self.folder: Path | None = None
        self.authority: Path | None = None

    def __enter__(self) -> Postgres:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_) -> None:
        self.stop()

    def start(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="weir-postgres-"))
        self.folder.chmod(0o755)
        self.data, self.log = self.folder / "data", self.folder / "server.log"
        if self.for_suite:
            self._take_suite_server()
        template.copy_to(self.data, self.superuser, self.password, self.bin)
        if self.tls:
            self._prepare_tls()
        self._write_access_rules()
        for _ in range(5):  # a port that was free a moment ago may be taken by now
            if self._launch(processes.free_port()):
                return
        raise RuntimeError(f"no free port for PostgreSQL after five tries; the last log said:\n{self.log_tail()}")

    def stop(self) -> None:
        try:
            if self.process:
                processes.stop(self.process, (signal.SIGINT, 20), (signal.SIGQUIT, 10))
                self.process = None
        finally:
            if self.folder:
                shutil.rmtree(self.folder, ignore_errors=True)
                self.folder = None

    @property
    def endpoint(self) -> Endpoint:
        """The superuser's way in. Verified TLS when the server insists on TLS, otherwise plain."""
        return Endpoint("127.0.0.1", self.port, self.superuser, self.password, self.database,
                        "verify-full" if self.require_tls else "disable", str(self.authority) if self.authority else None)

    def sql(self, text: str, database: str | None = None) -> str:
        """Runs SQL as superuser, straight at the server, and returns unaligned output."""
        return self._psql(["-qAt", "-c", text], database)

    def sql_file(self, path: Path, database: str | None = None) -> str:
        return self._psql(["-q", "-f", str(path)], database)

    def create_database(self, name: str, sample: bool = False) -> Endpoint:
        self.sql(f'create database "{name}" template template0')
        if sample:
            self.sql_file(Path(__file__).with_name("sample.sql"), name)
        return self.endpoint.at(database=name)

    def log_tail(self, lines: int = 20) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:]) if self.log.exists() else "(no log)"

    def _take_suite_server(self) -> None:
        """The minor version the regression suite belongs to, copied to where the server's account can run it."""
        self.settings = SUITE_SETTINGS | self.settings
        if template.SUITE_SERVER.exists():
            copy = self.folder / "installation"
            subprocess.run(["cp", "-a", template.SUITE_SERVER, copy], check=True)
            self.bin = copy / template.INSIDE_PACKAGE

    def _prepare_tls(self) -> None:
        made = certificates.make(self.folder / "tls")
        made.key.chmod(0o600)
        processes.give_to_server_account(made.key)
        self.authority = made.authority
        self.settings |= {"ssl": "on", "ssl_cert_file": str(made.certificate), "ssl_key_file": str(made.key)}

    def _write_access_rules(self) -> None:
        kind = "hostssl" if self.require_tls else "host"
        rules = ["local all all scram-sha-256"]
        for who in ("all", "replication"):
            rules += [f"{kind} {who} all {loopback} scram-sha-256" for loopback in ("127.0.0.1/32", "::1/128")]
        (self.data / "pg_hba.conf").write_text("\n".join(rules) + "\n")

    def _launch(self, port: int) -> bool:
        """True when ready, False when the port was taken; anything else is an error with the log."""
        self.port = port
        base = {"port": str(port), "listen_addresses": "127.0.0.1", "unix_socket_directories": "",
                "timezone": "UTC", "log_timezone": "UTC"}
        options = [part for name, value in (base | self.settings).items() for part in ("-c", f"{name}={value}")]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [template.program("postgres", self.bin), "-D", self.data, *options], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                cwd="/", start_new_session=True, preexec_fn=processes.die_with_parent(signal.SIGINT), **processes.as_server_account())
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                if "could not bind" in self.log_tail():
                    return False
                raise RuntimeError(f"PostgreSQL left with exit code {self.process.returncode}; its log:\n{self.log_tail()}")
            # -t bounds a single probe; a refused connection returns at once, so the pause keeps this from spinning.
            if subprocess.run([template.program("pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(port), "-t", "2"]).returncode == 0:
                return True
            time.sleep(0.02)
        raise RuntimeError(f"PostgreSQL was not ready within {START_SECONDS} s; its log:\n{self.log_tail()}")

    def _psql(self, arguments: list[str], database: str | None) -> str:
        done = subprocess.run(
            [template.program("psql"), "-X", "-v", "ON_ERROR_STOP=1", *arguments],
            env=self.endpoint.at(database=database or self.database).environment(), capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError(f"psql {' '.join(arguments)} failed:\n{done.stderr}")
        return done.stdout.rstrip("\n")


def main() -> int:
    parser = argparse.ArgumentParser(description="Run a command, or just wait, beside a throwaway PostgreSQL.")
    verbs = parser.add_subparsers(dest="verb", required=True)
    run = verbs.add_parser("run", help="start, run COMMAND with the PG* variables set, stop")
    serve = verbs.add_parser("serve", help="start, print the PG* variables, serve until Ctrl-C, SIGTERM or end of input")
    for verb in (run, serve):
        verb.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a server setting, as often as needed")
        verb.add_argument("--superuser", default="postgres")
        verb.add_argument("--password", default="throwaway")
        verb.add_argument("--database", default=None, help="create this database and use it")
        verb.add_argument("--sample", action="store_true", help="load tests/lib/sample.sql into database 'customers' (or --database)")
        verb.add_argument("--fsync", action="store_true", help="durable, as in production")
        verb.add_argument("--for-suite", action="store_true", help="of the version tests/suites needs, set up for it")
        verb.add_argument("--require-tls", action="store_true", help="refuse connections without TLS")
    run.add_argument("command", nargs=argparse.REMAINDER)
    asked = parser.parse_args()
    processes.turn_signals_into_exit()
    settings = dict(each.split("=", 1) for each in asked.set)
    with Postgres(settings, superuser=asked.superuser, password=asked.password, fsync=asked.fsync,
                  require_tls=asked.require_tls, for_suite=asked.for_suite) as server:
        endpoint = server.endpoint
        if asked.sample or asked.database:
            endpoint = server.create_database(asked.database or "customers", sample=asked.sample)
        if asked.verb == "run":
            command = asked.command[1:] if asked.command[:1] == ["--"] else asked.command
            return subprocess.run(command or ["psql"], env=endpoint.environment()).returncode
        for name, value in endpoint.variables().items():
            print(f"{name}={value}", flush=True)
        while os.read(0, 4096):
            pass
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
    except (RuntimeError, ValueError) as problem:
        sys.exit(f"postgres: {problem}")
