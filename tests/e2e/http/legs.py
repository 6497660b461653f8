"""One server for clients to be compared against, and the ways to it through the gateway: HTTP/1.1, HTTP/2, TLS on both legs.

Whoever imports the fixtures has them for the module."""

from __future__ import annotations

import certificates
import processes
import pytest
from clients_upstream import ClientsUpstream
from weir import http


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    return certificates.make(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def upstream(certificate):
    with ClientsUpstream(certificate) as running:
        yield running


def own(name: str, url: str, **keys) -> dict:
    """A resource on an address of its own: paths are the same as direct."""
    return http(name, url, listen=f"127.0.0.1:{processes.free_port()}", **keys)


def three_ways(upstream: ClientsUpstream, certificate) -> list[dict]:
    tls = {"certificate": str(certificate.certificate), "key": str(certificate.key)}
    return [
        own("one", upstream.urls["one"]),
        own("two", upstream.urls["two"], http2="prior-knowledge"),
        own("tls", upstream.urls["tls"], tls=tls, upstream_ca=str(certificate.authority)),
    ]
