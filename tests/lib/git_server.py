"""A real git over HTTP: `git http-backend` behind a small CGI server on a free loopback port, which everybody may push to.

    with GitServer() as server:
        server.create("team/app", files={"README": "hello\\n"})
        run("git", "clone", f"{server.url}/team/app.git")
        server.refs("team/app")

It speaks HTTP/1.1, takes chunked request bodies and hands compressed ones on as they are (git unpacks them itself).
Nothing is kept in memory: a pack goes through in pieces. `requests` tells what was asked, in order.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote

PIECE = 1 << 16
#: Nothing of whoever runs the tests: no configuration, no credentials, no questions; the same ids every time.
ENVIRONMENT = {
    "PATH": os.environ.get("PATH", "/usr/bin:/bin"), "HOME": "/nonexistent", "LC_ALL": "C",
    "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull, "GIT_TERMINAL_PROMPT": "0",
    "GIT_AUTHOR_NAME": "Ann", "GIT_AUTHOR_EMAIL": "ann@example.com", "GIT_AUTHOR_DATE": "1700000000 +0000",
    "GIT_COMMITTER_NAME": "Ann", "GIT_COMMITTER_EMAIL": "ann@example.com", "GIT_COMMITTER_DATE": "1700000000 +0000",
}


def git(*arguments: str | Path, cwd: Path | None = None, check: bool = True, **more) -> subprocess.CompletedProcess:
    """Runs git as a person who has never configured anything."""
    done = subprocess.run(["git", *map(str, arguments)], cwd=cwd, capture_output=True, text=True,
                          env=ENVIRONMENT | more.pop("env", {}), **more)
    if check and done.returncode != 0:
        raise RuntimeError(f"git {' '.join(map(str, arguments))} failed with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done


@dataclass
class Asked:
    method: str
    path: str
    headers: dict[str, str]
    #: None until it is answered
    status: int | None = None
    #: bytes of the body that have come
    size: int = 0


class GitServer:
    def __enter__(self) -> GitServer:
        self.folder = Path(tempfile.mkdtemp(prefix="weir-git-"))
        self.root = self.folder / "repositories"
        self.root.mkdir()
        self.requests: list[Asked] = []
        owner = self

        class Handler(Cgi):
            server_of_git = owner

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self.port = self._http.server_address[1]
        threading.Thread(target=self._http.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_) -> None:
        self._http.shutdown()
        self._http.server_close()
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def path(self, name: str) -> Path:
        return self.root / f"{name}.git"

    def create(self, name: str, files: dict[str, str] | None = None, **config: str) -> Path:
        """A bare repository; with files it has one commit on `main`. `config`: names with `__` for the dot."""
        bare = self.path(name)
        git("init", "--quiet", "--bare", "--initial-branch", "main", bare)
        for key, value in ({"http__receivepack": "true"} | config).items():
            git("-C", bare, "config", key.replace("__", "."), value)
        if files:
            with tempfile.TemporaryDirectory(dir=self.folder) as work:
                git("init", "--quiet", "--initial-branch", "main", work)
                for file, text in files.items():
                    place = Path(work, file)
                    place.parent.mkdir(parents=True, exist_ok=True)
                    place.write_text(text)
                git("-C", work, "add", "--all")
                git("-C", work, "commit", "--quiet", "--message", "first")
                git("-C", work, "push", "--quiet", bare, "HEAD:refs/heads/main")
        return bare

    def refs(self, name: str) -> dict[str, str]:
        """Which object each ref of the repository is at."""
        lines = git("-C", self.path(name), "for-each-ref", "--format=%(refname) %(objectname)").stdout.splitlines()
        return dict(line.split(" ", 1) for line in lines)

    def hook(self, name: str, which: str, script: str) -> None:
        file = self.path(name) / "hooks" / which
        file.write_text(f"#!/bin/sh\n{script}\n")
        file.chmod(0o755)


class Cgi(BaseHTTPRequestHandler):
    """RFC 3875, as far as `git http-backend` needs it."""

    protocol_version = "HTTP/1.1"
    server_of_git: GitServer

    def do_GET(self) -> None:
        path, _, query = self.path.partition("?")
        self.asked = Asked(self.command, self.path, dict(self.headers.items()))
        self.server_of_git.requests.append(self.asked)
        child = subprocess.Popen(["git", "http-backend"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                 stderr=subprocess.DEVNULL, env=self._environment(path, query))
        feeder = threading.Thread(target=self._feed, args=(child.stdin,))
        feeder.start()
        try:
            self._answer(child.stdout)
        finally:
            child.stdout.close()
            feeder.join()
            child.wait()

    do_POST = do_GET

    def _environment(self, path: str, query: str) -> dict[str, str]:
        variables = {
            "GIT_PROJECT_ROOT": str(self.server_of_git.root), "GIT_HTTP_EXPORT_ALL": "1", "PATH_INFO": unquote(path),
            "QUERY_STRING": query, "REQUEST_METHOD": self.command, "REMOTE_ADDR": self.client_address[0],
            "SERVER_PROTOCOL": self.request_version, "GATEWAY_INTERFACE": "CGI/1.1",
        }
        for header, variable in (("Content-Type", "CONTENT_TYPE"), ("Content-Length", "CONTENT_LENGTH"),
                                 ("Content-Encoding", "HTTP_CONTENT_ENCODING"), ("Git-Protocol", "GIT_PROTOCOL")):
            if (value := self.headers.get(header)) is not None:
                variables[variable] = value
        return ENVIRONMENT | variables

    def _feed(self, to) -> None:
        # A child that is gone does not want the rest, but the rest has to be read all the same.
        with contextlib.suppress(OSError):
            wanted = True
            for piece in self._body():
                self.asked.size += len(piece)
                if wanted:
                    try:
                        to.write(piece)
                    except OSError:
                        wanted = False
        with contextlib.suppress(OSError):
            to.close()

    def _body(self):
        if "chunked" in self.headers.get("Transfer-Encoding", "").lower():
            while size := int(self.rfile.readline().split(b";")[0], 16):
                yield from self._exactly(size)
                self.rfile.readline()
            while self.rfile.readline().strip():  # trailers
                pass
        else:
            yield from self._exactly(int(self.headers.get("Content-Length", 0)))

    def _exactly(self, size: int):
        while size:
            piece = self.rfile.read1(min(size, PIECE))
            if not piece:
                self.close_connection = True
                return
            size -= len(piece)
            yield piece

    def _answer(self, output) -> None:
        status, headers = 200, []
        while line := output.readline().decode("latin-1").strip():
            name, _, value = line.partition(":")
            if name.lower() == "status":
                status = int(value.split()[0])
            else:
                headers.append((name, value.strip()))
        self.asked.status = status
        self.send_response(status)
        for header in headers:
            self.send_header(*header)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        with contextlib.suppress(OSError):
            while piece := output.read1(PIECE):
                self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
            self.wfile.write(b"0\r\n\r\n")

    def log_message(self, *_) -> None:
        pass
