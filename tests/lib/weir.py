"""The gateway under test: its own folder, configuration, users and free ports, and nothing left behind.

    with Postgres() as server, Weir(server.create_database("customers", sample=True)) as weir:
        run("psql", env=weir.endpoint.environment())
        weir.trail(kind="intent")

    with HttpUpstream() as api, Weir(resources=[http("crm", api.url)]) as weir:
        urllib.request.urlopen(weir.url("crm", "/customers"))

Resources of HTTP share one address unless they say otherwise, so give them different `hosts` or `path_prefix`.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import processes
from endpoint import Endpoint

ROOT = Path(__file__).resolve().parents[2]
BINARY = Path(os.environ.get("WEIR_BINARY", ROOT / "target/release/weir"))
PLUGINS = Path(os.environ.get("WEIR_PLUGINS", ROOT / "target/plugins"))
START_SECONDS = 60
#: compiled plugins are kept here between gateways, so that each start does not compile them anew
COMPILED = ROOT / "tests/.cache/compiled"
COMPILED_FILES = 64


@dataclass
class User:
    name: str
    password: str = "secret of {name}"
    groups: tuple[str, ...] = ("engineers",)
    kind: str = "human"
    on_behalf_of: str | None = None
    #: what stands for them in a client certificate
    certificates: tuple[str, ...] = ()

    @property
    def secret(self) -> str:
        return self.password.format(name=self.name)


PEOPLE = (User("ann"), User("lea", groups=("leads",)), User("ann-agent", kind="agent", on_behalf_of="ann"))


def toml(value) -> str:
    """A value as TOML: JSON but for tables."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{json.dumps(key)} = {toml(inner)}" for key, inner in value.items()) + " }"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(toml(inner) for inner in value) + "]"
    return json.dumps(value)


def http(name: str, upstream, **keys) -> dict:
    """A resource of HTTP for `Weir(resources=[…])`: `upstream` is a URL, or a dict with the `command` of a program."""
    return {"name": name, "protocol": "http", "upstream": upstream} | keys


@dataclass
class Weir:
    #: the database behind the resource `customers`; without one there is no such resource
    upstream: Endpoint | None = None
    pipeline: tuple[str, ...] = ("postgres",)
    default: str = "allow"
    #: settings and the rest of [plugin.NAME], by name
    plugins: dict[str, dict] = field(default_factory=dict)
    #: file to put into the plugins folder, by name; default: the standard one of that name
    files: dict[str, Path] = field(default_factory=dict)
    users: tuple[User, ...] = PEOPLE
    #: keys of the resource in place of the usual ones; None leaves one out
    resource: dict = field(default_factory=dict)
    #: more resources, each with keys in place of the usual ones, as `http(…)` makes them; None leaves a key out
    resources: list[dict] = field(default_factory=list)
    #: variables of the gateway's environment: secrets are fetched from there
    variables: dict[str, str] = field(default_factory=dict)
    sections: dict[str, dict] = field(default_factory=dict)
    log_level: str = "info"
    #: command in front of the binary, e.g. to limit it
    wrap: tuple[str, ...] = ()
    state: Path | None = None

    def __post_init__(self) -> None:
        self.process: subprocess.Popen | None = None
        self.folder: Path | None = None
        #: what commands are run with while a test breaks the gateway's own configuration
        self.config_of_commands: Path | None = None

    def __enter__(self) -> Weir:
        try:
            self.prepare()
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_) -> None:
        self.stop()

    def prepare(self) -> None:
        """Writes folder, configuration and users; starts nothing."""
        if not BINARY.exists():
            raise RuntimeError(f"{BINARY} is missing: run `cargo build --release -p weir` first")
        self.folder = Path(tempfile.mkdtemp(prefix="weir-"))
        self.plugins_folder = self.folder / "plugins"
        self.plugins_folder.mkdir()
        self.port, self.http_port, self.admin_port = (processes.free_port() for _ in range(3))
        named = {name for resource in self.written_resources() for name in resource["pipeline"]}
        for name in sorted(named | set(self.files)):
            self.install(name, self.files.get(name, PLUGINS / f"{name}.wasm"))
        self.config = self.folder / "weir.toml"
        self.write_config()
        self.bring_compiled()
        for user in self.users:
            arguments = ["user", "add", user.name, "--kind", user.kind, "--password-stdin"]
            arguments += [part for group in user.groups for part in ("--group", group)]
            arguments += ["--on-behalf-of", user.on_behalf_of] if user.on_behalf_of else []
            arguments += [part for name in user.certificates for part in ("--certificate", name)]
            self.command(*arguments, input=user.secret + "\n")

    @property
    def state_folder(self) -> Path:
        return self.state or self.folder / "state"

    def bring_compiled(self) -> None:
        for folder in (self.state_folder, self.state_folder / "compiled"):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Compiled code is named by what it was compiled from; only what may be needed is copied.
        for plugin in (self.folder / "plugins").glob("*.wasm"):
            digest = hashlib.sha256(plugin.read_bytes()).hexdigest()
            for file in COMPILED.glob(f"{digest}-*.cwasm"):
                with contextlib.suppress(FileNotFoundError):  # somebody else tidies up
                    shutil.copy(file, self.state_folder / "compiled")

    def keep_compiled(self) -> None:
        COMPILED.mkdir(mode=0o700, parents=True, exist_ok=True)
        for file in (self.state_folder / "compiled").glob("*.cwasm"):
            if not (COMPILED / file.name).exists():
                beside = COMPILED / f".{file.name}.{os.getpid()}"
                shutil.copy(file, beside)
                beside.rename(COMPILED / file.name)
        kept = sorted(COMPILED.glob("*.cwasm"), key=lambda file: file.stat().st_mtime, reverse=True)
        for old in kept[COMPILED_FILES:]:
            old.unlink(missing_ok=True)

    def install(self, name: str, file: Path) -> None:
        """Puts a plugin into the folder at once: written beside, then renamed."""
        if not file.exists():
            raise RuntimeError(f"{file} is missing: run `plugins/build` first")
        beside = self.folder / f"{name}.wasm.new"
        shutil.copyfile(file, beside)
        beside.rename(self.plugins_folder / f"{name}.wasm")

    def written_resources(self) -> list[dict]:
        """Every resource, with the usual keys where it has none of its own."""
        usual = {"allow": ["group:engineers", "group:leads"], "reviewers": ["group:leads"], "default": self.default}
        resources = []
        if up := self.upstream:
            resources.append({
                "name": "customers", "protocol": "postgres", "listen": f"127.0.0.1:{self.port}",
                "upstream": f"postgres://{up.user}@{up.host}:{up.port}/{up.database}?sslmode=disable",
                "password": {"env": "UPSTREAM_PASSWORD"}, "pipeline": list(self.pipeline)} | usual | self.resource)
        for more in self.resources:
            own = {"name": more["name"], "listen": f"127.0.0.1:{self.http_port}", "pipeline": ["http-api"]}
            resources.append(own | usual | more)
        return [{key: value for key, value in resource.items() if value is not None} for resource in resources]

    def write_config(self) -> None:
        sections = {"server": {"plugins": "plugins", "state": str(self.state or self.folder / "state"),
                               "users": "users.toml", "drain_timeout": "5s"},
                    "log": {"format": "json", "level": self.log_level},
                    "admin": {"listen": f"127.0.0.1:{self.admin_port}"}}
        for name, values in self.sections.items():
            sections[name] = sections.get(name, {}) | values
        lines: list[str] = []
        for name, values in sections.items():
            lines += [f"[{name}]"] + [f"{key} = {toml(value)}" for key, value in values.items()] + [""]
        for resource in self.written_resources():
            lines += ["[[resource]]"] + [f"{key} = {toml(value)}" for key, value in resource.items()] + [""]
        for name, values in self.plugins.items():
            lines += [f"[plugin.{name}]"] + [f"{key} = {toml(value)}" for key, value in values.items()] + [""]
        self.config.write_text("\n".join(lines))

    def start(self) -> None:
        self.log = self.folder / "weir.log"
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*self.wrap, BINARY, "--config", self.config, "run"], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                cwd=self.folder, env=self.environment(), start_new_session=True,
                preexec_fn=processes.die_with_parent(signal.SIGKILL))
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise RuntimeError(f"weir left with exit code {self.process.returncode}; its log:\n{self.log_tail()}")
            if self.healthy():
                self.keep_compiled()
                return
            time.sleep(0.02)
        raise RuntimeError(f"weir was not ready within {START_SECONDS} s; its log:\n{self.log_tail()}")

    def healthy(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.admin_port}/healthz", timeout=2) as answer:
                return answer.status == 200
        except (urllib.error.URLError, OSError):
            return False

    def kill(self) -> None:
        """kill -9: no farewell to anybody."""
        self.process.kill()
        self.process.wait()
        self.process = None

    def stop(self) -> None:
        self.stop_process()
        if self.folder:
            shutil.rmtree(self.folder, ignore_errors=True)
            self.folder = None

    def stop_process(self) -> None:
        if self.process:
            processes.stop(self.process, (signal.SIGTERM, 15))
            self.process = None

    def environment(self) -> dict[str, str]:
        return {"PATH": os.environ.get("PATH", ""), "HOME": os.environ.get("HOME", "/root"),
                **({"UPSTREAM_PASSWORD": self.upstream.password} if self.upstream else {}), **self.variables}

    def user(self, name: str) -> User:
        return next(user for user in self.users if user.name == name)

    def endpoint_of(self, name: str) -> Endpoint:
        user = self.user(name)
        return Endpoint("127.0.0.1", self.port, user.name, user.secret, self.upstream.database)

    def address(self, resource: str) -> tuple[str, int]:
        """Where a resource listens."""
        listen = next(each["listen"] for each in self.written_resources() if each["name"] == resource)
        host, _, port = listen.rpartition(":")
        return host.strip("[]"), int(port)

    def url(self, resource: str, path: str = "") -> str:
        """The URL of a path below the `path_prefix` of a resource of HTTP; a path begins with a slash."""
        keys = next(each for each in self.written_resources() if each["name"] == resource)
        host, port = self.address(resource)
        scheme = "https" if "tls" in keys else "http"
        # The certificates of tests are for this name, too.
        return f"{scheme}://{'localhost' if 'tls' in keys else host}:{port}{keys.get('path_prefix', '').rstrip('/')}{path}"

    def basic(self, name: str) -> str:
        """The value of `authorization` with which somebody proves who they are."""
        user = self.user(name)
        return "Basic " + base64.b64encode(f"{user.name}:{user.secret}".encode()).decode()

    @property
    def endpoint(self) -> Endpoint:
        return self.endpoint_of(self.users[0].name)

    def command(self, *arguments: str, input: str | None = None, check: bool = True, **more) -> subprocess.CompletedProcess:
        """Runs `weir … ARGUMENTS` with this configuration."""
        environment = self.environment() | more.pop("env", {})
        done = subprocess.run([BINARY, "--config", self.config_of_commands or self.config, *arguments], input=input, capture_output=True, text=True,
                              env=environment, cwd=self.folder, **more)
        if check and done.returncode != 0:
            raise RuntimeError(f"weir {' '.join(arguments)} failed with {done.returncode}:\n{done.stdout}{done.stderr}")
        return done

    def as_person(self, name: str, *arguments: str, **more) -> subprocess.CompletedProcess:
        """Runs a command with somebody's credentials for the admin API."""
        user = self.user(name)
        return self.command(*arguments, env={"WEIR_USER": user.name, "WEIR_PASSWORD": user.secret}, **more)

    def trail(self, **wanted) -> list[dict]:
        """Every record so far whose columns have these values, in order."""
        self.settle()
        lines = self.command("audit", "export").stdout.splitlines()
        records = [json.loads(line) for line in lines]
        return [record for record in records
                if all(record["body"].get(key) == value for key, value in wanted.items())]

    def settle(self) -> None:
        """Waits a little for what is in the trail's queue: records that nobody waits for go to the disk when others do."""
        is_over = lambda: self.process is None or self.process.poll() is not None
        # If it starts, ends or is held up, what is there must do.
        with contextlib.suppress(OSError, AssertionError):
            self.wait_for("an empty queue", lambda: is_over() or not self.metric("weir_audit_queued_records"), 1)

    def metric(self, start: str) -> float:
        """The sum of all samples that start with this text."""
        token = (self.state_folder / "admin.token").read_text().strip()
        request = urllib.request.Request(f"http://127.0.0.1:{self.admin_port}/metrics", headers={"Authorization": f"Bearer {token}"})
        with urllib.request.urlopen(request, timeout=5) as answer:
            lines = answer.read().decode().splitlines()
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(start))

    def wait_for(self, what: str, condition, seconds: float = 20):
        """Polls until the condition is true; its value is the answer."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if value := condition():
                return value
            time.sleep(0.02)
        raise AssertionError(f"{what} did not happen within {seconds:g} s; weir's log:\n{self.log_tail()}")

    def log_tail(self, lines: int = 40) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:]) if self.log.exists() else "(no log)"
