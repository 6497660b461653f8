"""A throwaway authority for certificates of clients, with the openssl command: it signs, revokes and tells so.

    authority = Authority(folder)
    ann = authority.issue("ann", "URI:spiffe://example.org/ann")
    authority.revoke(ann)
    authority.list_revoked(folder / "clients.crl")
"""

from __future__ import annotations

import base64
import hashlib
import re
import ssl
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path

from certificates import DAYS, NEW_KEY, openssl

CONFIGURATION = """
[ca]
default_ca = own
[own]
dir = {folder}
database = $dir/index.txt
new_certs_dir = $dir
certificate = $dir/ca.crt
private_key = $dir/ca.key
serial = $dir/serial
crlnumber = $dir/crlnumber
default_md = sha256
default_days = {days}
default_crl_days = {days}
unique_subject = no
policy = any
[any]
commonName = optional
organizationName = optional
"""


@dataclass(frozen=True)
class ClientCertificate:
    certificate: Path
    key: Path

    @property
    def sha256(self) -> str:
        return hashlib.sha256(ssl.PEM_cert_to_DER_cert(self.certificate.read_text())).hexdigest()

    @property
    def libpq(self) -> dict[str, str]:
        return {"sslcert": str(self.certificate), "sslkey": str(self.key)}

    @property
    def curl(self) -> tuple[str, ...]:
        return "--cert", str(self.certificate), "--key", str(self.key)


class Authority:
    def __init__(self, folder: Path):
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.file, self.config = folder, folder / "ca.crt", folder / "ca.cnf"
        self.config.write_text(CONFIGURATION.format(folder=folder, days=DAYS))
        (folder / "index.txt").touch()
        (folder / "serial").write_text("01\n")
        (folder / "crlnumber").write_text("01\n")
        openssl("req", "-x509", *NEW_KEY, "-days", DAYS, "-subj", f"/CN=throwaway authority for clients of {folder.name}",
                "-keyout", folder / "ca.key", "-out", self.file)

    def issue(self, name: str, *names: str, usage: str | None = "clientAuth", subject: str | None = None,
              begins: timedelta = timedelta(hours=-1), ends: timedelta = timedelta(days=1)) -> ClientCertificate:
        """`names` are alternative names as openssl writes them: `URI:…`, `email:…`, `DNS:…`."""
        made = ClientCertificate(self.folder / f"{name}.crt", self.folder / f"{name}.key")
        extensions, request = self.folder / f"{name}.ext", self.folder / f"{name}.csr"
        lines = ["basicConstraints = CA:FALSE"]
        lines += [f"extendedKeyUsage = {usage}"] if usage else []
        lines += [f"subjectAltName = {', '.join(names)}"] if names else []
        extensions.write_text("\n".join(lines) + "\n")
        openssl("req", "-new", *NEW_KEY, "-subj", subject or f"/CN={name}", "-keyout", made.key, "-out", request)
        made.key.chmod(0o600)
        now = datetime.now(timezone.utc)
        begins, ends = ((now + each).strftime("%Y%m%d%H%M%SZ") for each in (begins, ends))
        openssl("ca", "-batch", "-notext", "-config", self.config, "-in", request, "-out", made.certificate, "-extfile", extensions,
                "-startdate", begins, "-enddate", ends)
        return made

    def revoke(self, certificate: ClientCertificate) -> None:
        openssl("ca", "-batch", "-config", self.config, "-revoke", certificate.certificate)

    def list_revoked(self, file: Path, *options: str) -> None:
        """Writes the list beside and puts it in place at once."""
        beside = file.with_suffix(".new")
        openssl("ca", "-batch", "-config", self.config, "-gencrl", "-out", beside, *options)
        beside.rename(file)


def key_sha256(certificate: ClientCertificate) -> str:
    """Of the public key, as people find it out."""
    public = certificate.certificate.with_suffix(".pub")
    openssl("x509", "-in", certificate.certificate, "-noout", "-pubkey", "-out", public)
    pem = re.sub("-----.*?-----|\\s", "", public.read_text())
    return hashlib.sha256(base64.b64decode(pem)).hexdigest()
