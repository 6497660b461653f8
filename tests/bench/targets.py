"""What is compared. A target is a `with` around running processes; it has an `endpoint` and `pids`."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import processes
from endpoint import Endpoint, parse_address
from postgres import Postgres
from weir import BINARY, PLUGINS, ROOT, Weir

HERE = Path(__file__).resolve().parent
START_SECONDS = 20
SESSIONS = 400
PIPELINE = ("postgres", "sql-guard", "pii-mask")


class Direct:
    """PostgreSQL itself."""

    masks = False

    def __init__(self, server: Postgres, upstream: Endpoint):
        self.endpoint, self.pids = upstream, []

    def __enter__(self) -> Direct:
        return self

    def __exit__(self, *_) -> None:
        pass

    @staticmethod
    def check() -> str:
        return ""


class Floor(Direct):
    """A loop that copies bytes: what every proxy pays."""

    def __enter__(self) -> Floor:
        self.child = subprocess.Popen(
            [self.binary(), f"{self.endpoint.host}:{self.endpoint.port}"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            text=True, start_new_session=True, preexec_fn=processes.die_with_parent(signal.SIGKILL))
        greeting = self.child.stdout.readline()
        if not greeting.startswith("listening on "):
            self.__exit__()
            raise RuntimeError(f"the floor did not start (exit code {self.child.returncode})")
        host, port = parse_address(greeting.removeprefix("listening on ").strip())
        self.endpoint, self.pids = self.endpoint.at(host=host, port=port), [self.child.pid]
        return self

    def __exit__(self, *_) -> None:
        processes.stop(self.child, (signal.SIGTERM, 5))
        self.child.stdout.close()

    @staticmethod
    def folder() -> Path:
        return Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target/bench")

    @classmethod
    def binary(cls) -> Path:
        return cls.folder() / "release/floor"

    @classmethod
    def check(cls) -> str:
        if not shutil.which("cargo"):
            return "cargo is missing: install Rust (https://rustup.rs)"
        command = ["cargo", "build", "--release", "--quiet", "--locked", "--manifest-path", HERE / "floor/Cargo.toml",
                   "--target-dir", cls.folder()]
        return "" if subprocess.run(command).returncode == 0 else "the floor could not be built"


class Pgbouncer(Direct):
    """PgBouncer in session mode. It ends SCRAM on both legs, and uses each upstream connection once, as a gateway does."""

    def __init__(self, server: Postgres, upstream: Endpoint):
        super().__init__(server, upstream)
        self.secret = server.sql(f"select rolpassword from pg_authid where rolname = '{upstream.user}'")
        self.child: subprocess.Popen | None = None

    def __enter__(self) -> Pgbouncer:
        self.folder = Path(tempfile.mkdtemp(prefix="weir-bench-pgbouncer-"))
        try:
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _start(self) -> None:
        port = processes.free_port()
        self._write(port)
        with (self.folder / "log").open("wb") as log:
            self.child = subprocess.Popen(
                [program("pgbouncer"), self.folder / "pgbouncer.ini"], stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/",
                start_new_session=True, preexec_fn=processes.die_with_parent(signal.SIGKILL), **processes.as_server_account())
        deadline = time.monotonic() + START_SECONDS
        while not _answers(port):
            if self.child.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"pgbouncer did not start; its log:\n{(self.folder / 'log').read_text()}")
            time.sleep(0.02)
        self.endpoint, self.pids = self.endpoint.at(host="127.0.0.1", port=port), [self.child.pid]

    def _write(self, port: int) -> None:
        up, users, config = self.endpoint, self.folder / "users", self.folder / "pgbouncer.ini"
        # The server's own secret: with the same salt the keys of the client's proof serve for the upstream as well.
        users.write_text(f'"{up.user}" "{self.secret}"\n')
        config.write_text(f"""\
[databases]
{up.database} = host={up.host} port={up.port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = {users}
pool_mode = session
server_lifetime = 0
default_pool_size = {SESSIONS}
max_client_conn = {SESSIONS}
log_connections = 0
log_disconnections = 0
log_stats = 0
ignore_startup_parameters = extra_float_digits
""")
        for path in (self.folder, users, config):
            processes.give_to_server_account(path)

    def __exit__(self, *_) -> None:
        if self.child:
            # SIGINT lets clients finish first, SIGTERM does not.
            processes.stop(self.child, (signal.SIGTERM, 5))
        shutil.rmtree(self.folder, ignore_errors=True)

    @staticmethod
    def check() -> str:
        return "" if program("pgbouncer") else "pgbouncer is missing: run tests/setup/install, or `apt-get install pgbouncer`"


class Gateway(Direct):
    """weir with everything on: inspection, policy, masking, durable audit."""

    masks = True

    def __init__(self, server: Postgres, upstream: Endpoint):
        super().__init__(server, upstream)
        limits = {"max_sessions_per_user": SESSIONS}
        self.weir = Weir(upstream, pipeline=PIPELINE, sections={"limits": limits}, log_level="warn")

    def __enter__(self) -> Gateway:
        self.weir.__enter__()
        self.endpoint, self.pids = self.weir.endpoint, [self.weir.process.pid]
        return self

    def __exit__(self, *_) -> None:
        self.weir.stop()

    @staticmethod
    def check() -> str:
        return gateway_missing(PIPELINE)


TARGETS = {"direct": Direct, "floor": Floor, "pgbouncer": Pgbouncer, "weir": Gateway}


def program(name: str) -> str | None:
    """A server's program, also where the path is that of an ordinary account."""
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin")


def gateway_missing(pipeline: tuple[str, ...]) -> str:
    """What has to be built first; empty: nothing."""
    wanted = {BINARY: "host/build"}
    wanted |= {PLUGINS / f"{name}.wasm": "plugins/build" for name in pipeline}
    absent = [path for path in wanted if not path.exists()]
    commands = " && ".join(dict.fromkeys(wanted[path] for path in absent))
    return f"{', '.join(map(str, absent))} missing: run `{commands}`" if absent else ""


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
        return True
    except OSError:
        return False
