"""Certificates of the gateway's own, which it shows to upstreams that ask for one."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import certificates
import psycopg
import pytest
from client_authority import Authority, ClientCertificate
from http_upstream import HttpUpstream
from postgres import Postgres
from weir import Weir, http

sys.path.insert(0, str(Path(__file__).resolve().parent / "http"))
from curl import curl


def test_a_database_that_asks_for_a_certificate_gets_ours(tmp_path, connect):
    authority = Authority(tmp_path / "authority")
    own, other = authority.issue("app"), authority.issue("other")
    rules = "hostssl all app all cert\nhost all all 127.0.0.1/32 scram-sha-256\n"
    with Postgres() as server:
        # Its account may not look into folders of tests.
        known = server.folder / "clients-ca.crt"
        known.write_bytes(authority.file.read_bytes())
        known.chmod(0o644)
        server.sql("create role app login")
        server.sql(f"alter system set ssl_ca_file = '{known}'")
        (server.data / "pg_hba.conf").write_text(rules)
        server.sql("select pg_reload_conf()")
        up = server.endpoint

        def resource(shown: ClientCertificate) -> dict:
            return {"upstream": f"postgres://app@localhost:{up.port}/{up.database}?sslmode=verify-full", "password": None,
                    "upstream_ca": str(server.authority), "upstream_certificate": str(shown.certificate),
                    "upstream_key": {"file": str(shown.key)}}

        with Weir(up, resource=resource(own)) as weir:
            assert connect(weir.endpoint).execute("select current_user").fetchone() == ("app",)
            # Another certificate is noticed, and is not the account's.
            weir.resource = resource(other)
            weir.write_config()
            weir.wait_for("the change", lambda: weir.trail(kind="config-applied")[1:])
            with pytest.raises(psycopg.OperationalError):
                connect(weir.endpoint)
            # A key that is another's: the old configuration goes on.
            weir.resource = resource(own) | {"upstream_key": {"file": str(other.key)}}
            weir.write_config()
            (refused,) = weir.wait_for("the refusal", lambda: weir.trail(kind="config-refused"))
            assert "own certificate" in json.dumps(refused)


def test_an_api_that_asks_for_a_certificate_gets_ours(tmp_path):
    authority = Authority(tmp_path / "authority")
    own, server = authority.issue("weir"), certificates.make(tmp_path / "server")
    with HttpUpstream(own=server, clients=authority.file) as api:
        keys = {"upstream_ca": str(server.authority), "upstream_certificate": str(own.certificate), "upstream_key": {"env": "OWN_KEY"}}
        with Weir(resources=[http("crm", api.url, **keys)], variables={"OWN_KEY": own.key.read_text()}) as weir:
            assert curl(weir.url("crm", "/harmless"), user=f"ann:{weir.user('ann').secret}").status == 200
            shown = own.key.read_text().splitlines()[1]
            assert shown not in weir.log.read_text() and shown not in json.dumps(weir.trail())
        with Weir(resources=[http("crm", api.url, upstream_ca=str(server.authority))]) as weir:
            assert curl(weir.url("crm", "/harmless"), user=f"ann:{weir.user('ann').secret}").status == 502
