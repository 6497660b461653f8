"""What is compared over HTTP: nginx with static files, and what stands in front of it."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import http_data
import http_load
import processes
from http_load import Client
from targets import START_SECONDS, gateway_missing, program
from weir import ROOT, Weir, http

PIPELINE = ("http-api", "change-guard", "pii-mask")
#: allows what is measured, after it has looked at each request; one column is named, and none has that name
SETTINGS = {
    # What is 10 MB of no type is to pass unseen, as it does through the peers.
    "http-api": {"settings": {"unseen_answers": "allow"}},
    "change-guard": {"settings": {"protect": [{"kinds": ["http.*"], "objects": ["DELETE /**"], "answer": "deny"}]}},
    "pii-mask": {"settings": {"columns": ["*.no_such_column"]}},
}
ENVOY = ROOT / "tests/.cache/venv/bin/envoy"
#: Nothing closes a connection because it was used often: the default of nginx is 1000 requests.
FOREVER = 1_000_000_000


class Server:
    """A child with a folder for its configuration, ready when it answers."""

    child: subprocess.Popen | None = None

    def launch(self, file: str, command, write) -> None:
        """`write` gives the configuration for a port, `command` what to start with the file it is in."""
        name = Path(file).stem
        self.folder = Path(tempfile.mkdtemp(prefix=f"weir-bench-{name}-"))
        port, config, said = processes.free_port(), self.folder / file, self.folder / "log"
        config.write_text(write(port))
        with said.open("wb") as log:
            self.child = subprocess.Popen(command(config), stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder,
                                          start_new_session=True, preexec_fn=processes.die_with_parent(signal.SIGTERM))
        self.url, self.pids = f"http://127.0.0.1:{port}", [self.child.pid]
        deadline = time.monotonic() + START_SECONDS
        while problem := self._deaf():
            if self.child.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{name} did not start: {problem}; its log:\n{said.read_text()[-3000:]}")
            time.sleep(0.02)

    def _deaf(self) -> str:
        try:
            with Client(self.url, {}) as client:
                client.drain(f"/{http_data.SMALL}")
            return ""
        except (OSError, RuntimeError) as problem:
            return str(problem)

    def end(self) -> None:
        if self.child:
            processes.stop(self.child, (signal.SIGTERM, 5))
        if hasattr(self, "folder"):
            shutil.rmtree(self.folder, ignore_errors=True)


def nginx_config(folder: Path, port: int, workers: str, location: str, more: str = "") -> str:
    # As root its workers would be of another account, which may not read this folder; for others the line is a warning.
    return f"""\
daemon off;
user root;
worker_processes {workers};
pid {folder}/pid;
error_log stderr error;
events {{ worker_connections 1024; }}
http {{
  access_log off;
  sendfile on;
  tcp_nopush on;
  keepalive_requests {FOREVER};
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  types {{ application/json json; }}
  default_type application/octet-stream;
  {more}
  server {{ listen 127.0.0.1:{port}; location / {{ {location} }} }}
}}
"""


def nginx(config: Path) -> list:
    return [program("nginx"), "-p", config.parent, "-c", config, "-e", "stderr"]


class Files(Server):
    """The upstream of all of them: nginx with one worker and static files."""

    def __enter__(self) -> Files:
        self.root = Path(tempfile.mkdtemp(prefix="weir-bench-files-"))
        try:
            http_data.create(self.root)
            self.launch("upstream.conf", nginx, lambda port: nginx_config(self.folder, port, "1", f"root {self.root};"))
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_) -> None:
        self.end()
        shutil.rmtree(self.root, ignore_errors=True)

    @staticmethod
    def check() -> str:
        if not program("nginx"):
            return "nginx is missing: run tests/setup/install, or `apt-get install nginx`"
        return http_load.missing()

    def content(self, file: str) -> bytes:
        return (self.root / file).read_bytes()


class Direct(Server):
    """The upstream itself."""

    masks = False
    #: everybody is sent a token, so that requests have the same size
    headers = {"authorization": "Bearer " + "x" * 48}

    def __init__(self, files: Files):
        self.files, self.url, self.pids = files, files.url, []

    def __enter__(self) -> Direct:
        try:
            self.start()
        except BaseException:
            self.end()
            raise
        return self

    def __exit__(self, *_) -> None:
        self.end()

    def start(self) -> None:
        pass

    @staticmethod
    def check() -> str:
        return ""


class Nginx(Direct):
    """nginx as a proxy, a worker for each core, connections to the upstream kept."""

    def start(self) -> None:
        up = f"upstream files {{ server {self.files.url.removeprefix('http://')}; keepalive 64; keepalive_requests {FOREVER}; }}"
        # Without the last, large answers would go through a file on the disk.
        location = 'proxy_pass http://files; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_max_temp_file_size 0;'
        self.launch("nginx.conf", nginx, lambda port: nginx_config(self.folder, port, "auto", location, up))


class Envoy(Direct):
    """Envoy with an HTTP connection manager and its router, no access log and nothing else that looks at requests."""

    def start(self) -> None:
        self.launch("envoy.json", lambda config: [ENVOY, "-c", config, "--disable-hot-restart", "--log-level", "warn"],
                    lambda port: json.dumps(self.config(port), indent=1))

    def config(self, port: int) -> dict:
        manager = {
            "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
            "stat_prefix": "files", "codec_type": "HTTP1",
            "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "files"}}]}]},
            "http_filters": [{"name": "envoy.filters.http.router", "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"}}],
        }
        filters = [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]
        up = int(self.files.url.rpartition(":")[2])
        endpoint = {"endpoint": {"address": _address(up)}}
        return {"static_resources": {
            "listeners": [{"name": "files", "address": _address(port), "filter_chains": [{"filters": filters}]}],
            "clusters": [{"name": "files", "type": "STATIC", "connect_timeout": "5s",
                          "load_assignment": {"cluster_name": "files", "endpoints": [{"lb_endpoints": [endpoint]}]}}]}}

    @staticmethod
    def check() -> str:
        return "" if ENVOY.exists() else f"{ENVOY} is missing: run `tests/setup/install python`"


class Gateway(Direct):
    """weir with everything on: inspection, policy, masking, durable audit."""

    masks = True

    def __init__(self, files: Files):
        super().__init__(files)
        self.weir = Weir(resources=[http("files", files.url, pipeline=PIPELINE)], plugins=SETTINGS, log_level="warn")

    def start(self) -> None:
        self.weir.__enter__()
        token = self.weir.command("token", "create", "--user", self.weir.users[0].name).stdout.strip()
        self.headers = {"authorization": f"Bearer {token}"}
        self.url, self.pids = self.weir.url("files"), [self.weir.process.pid]

    def end(self) -> None:
        self.weir.stop()

    @staticmethod
    def check() -> str:
        return gateway_missing(PIPELINE)


TARGETS = {"direct": Direct, "nginx": Nginx, "envoy": Envoy, "weir": Gateway}


def _address(port: int) -> dict:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}
