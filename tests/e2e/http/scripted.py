"""The clients people have, each running the same script of requests; what each saw, to be compared."""

from __future__ import annotations

import hashlib
import json
import os
import ssl
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

import httpx
from curl import parse

HERE = Path(__file__).resolve().parent
SCRIPT = json.loads((HERE / "script.json").read_text())
PATIENCE_SECONDS = 60
#: Of one connection only, or of the moment: each leg has its own (RFC 9110, 7.6.1).
OF_A_CONNECTION = {"connection", "keep-alive", "transfer-encoding", "date"}


def comparable(headers, method: str, status: int) -> list[tuple[str, str]]:
    found = sorted((name.lower(), value) for name, value in headers if name.lower() not in OF_A_CONNECTION)
    # That nothing follows is said by this, or by the end of the stream on HTTP/2; of these two it would be a lie.
    return found if method == "HEAD" or status == 304 else [each for each in found if each != ("content-length", "0")]


def result(method: str, status: int, url: str, headers, body: bytes) -> dict:
    split = urlsplit(url)
    return {"status": status, "url": split.path + (f"?{split.query}" if split.query else ""),
            "headers": comparable(headers, method, status), "bytes": len(body), "sha256": hashlib.sha256(body).hexdigest()}


def with_curl(base: str, authorization: str | None, authority: Path, version: str, script=SCRIPT) -> list[dict]:
    """Redirects are shown, not followed; encodings are left as they are."""
    results = []
    for step in script:
        method = step.get("method", "GET")
        config = [f'url = "{base}{step["path"]}"', f'cacert = "{authority}"', "silent", "show-error", "include", "globoff", "path-as-is",
                  f"max-time = {PATIENCE_SECONDS}", version, 'write-out = "%{stderr}%{url_effective}"']
        headers = step.get("headers", {}) | ({"authorization": authorization} if authorization else {})
        quoted = (f"{name}: {value}".replace("\\", "\\\\").replace('"', '\\"') for name, value in headers.items())
        config += [f'header = "{line}"' for line in quoted]
        if method == "HEAD":
            config.append("head")
        elif "body" in step:
            config += ['data-binary = "@/dev/fd/3"', f'request = "{method}"']
            config += [] if "content-type" in headers else ['header = "content-type:"']
        elif method != "GET":
            config.append(f'request = "{method}"')
        results.append(run_curl(config, method, step.get("body", "").encode()))
    return results


def run_curl(config: list[str], method: str, body: bytes) -> dict:
    read, write = os.pipe()
    os.write(write, body)
    os.close(write)
    try:
        command = ["bash", "-c", f"exec 3<&{read}; exec curl --config -"]
        done = subprocess.run(command, input="\n".join(config).encode(), capture_output=True, timeout=PATIENCE_SECONDS + 10, pass_fds=(read,))
    finally:
        os.close(read)
    assert done.returncode == 0, (config, done.stderr)
    answer = parse(done.stdout)
    return result(method, answer.status, done.stderr.decode(), answer.headers, answer.body)


def with_httpx(base: str, authorization: str | None, authority: Path, version_2: bool, script=SCRIPT) -> list[dict]:
    headers = {"authorization": authorization} if authorization else {}
    results = []
    with httpx.Client(base_url=base, headers=headers, http1=not version_2, http2=version_2, follow_redirects=True,
                      verify=ssl.create_default_context(cafile=authority), timeout=PATIENCE_SECONDS) as client:
        for step in script:
            body = step["body"].encode() if "body" in step else None
            method = step.get("method", "GET")
            with client.stream(method, step["path"], headers=step.get("headers"), content=body) as answer:
                raw = b"".join(answer.iter_raw())
            assert answer.http_version == ("HTTP/2" if version_2 else "HTTP/1.1")
            results.append(result(method, answer.status_code, str(answer.url), answer.headers.multi_items(), raw))
            # Each step stands for itself.
            client.cookies.clear()
    return results


def with_fetch(base: str, authorization: str | None, authority: Path, script=SCRIPT) -> list[dict]:
    done = subprocess.run(["node", str(HERE / "fetch.mjs"), base, authorization or ""], input=json.dumps(script), capture_output=True, text=True,
                          env=os.environ | {"NODE_EXTRA_CA_CERTS": str(authority)}, timeout=PATIENCE_SECONDS)
    assert done.returncode == 0, done.stderr
    return [each | {"headers": comparable(each["headers"], step.get("method", "GET"), each["status"])}
            for step, each in zip(script, json.loads(done.stdout), strict=True)]


#: What each is, over TLS or in the clear.
CLIENTS = {
    "curl, HTTP/1.1": lambda *to, script=SCRIPT: with_curl(*to, "http1.1", script=script),
    "curl, HTTP/2": lambda *to, script=SCRIPT: with_curl(*to, "http2" if to[0].startswith("https") else "http2-prior-knowledge", script=script),
    "httpx, HTTP/1.1": lambda *to, script=SCRIPT: with_httpx(*to, False, script=script),
    "httpx, HTTP/2": lambda *to, script=SCRIPT: with_httpx(*to, True, script=script),
    "Node's fetch": with_fetch,
}
