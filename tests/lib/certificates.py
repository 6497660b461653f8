"""A throwaway certificate authority and a server certificate for localhost, made with the openssl command."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

DAYS = "30"
NAMES = "subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1"
NEW_KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]


@dataclass(frozen=True)
class Certificates:
    authority: Path
    certificate: Path
    key: Path


def make(folder: Path, names: str = NAMES) -> Certificates:
    folder.mkdir(parents=True, exist_ok=True)
    authority, authority_key = folder / "ca.crt", folder / "ca.key"
    certificate, key, request = folder / "server.crt", folder / "server.key", folder / "server.csr"
    extensions = folder / "extensions"
    extensions.write_text(names + "\n")
    openssl("req", "-x509", *NEW_KEY, "-days", DAYS, "-subj", f"/CN=throwaway test authority of {folder.name}",
            "-keyout", authority_key, "-out", authority)
    openssl("req", *NEW_KEY, "-subj", "/CN=localhost", "-keyout", key, "-out", request)
    openssl("x509", "-req", "-in", request, "-CA", authority, "-CAkey", authority_key, "-CAcreateserial",
            "-days", DAYS, "-sha256", "-extfile", extensions, "-out", certificate)
    return Certificates(authority, certificate, key)


def openssl(*arguments) -> None:
    command = ["openssl", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stderr}")
