"""Whoever sits between two sides that do not look at certificates: ends TLS on both legs, and may change what passes.

    with Impostor(weir.endpoint, certificate) as impostor:
        connect(impostor.endpoint)…
"""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import threading
from collections.abc import Callable

import wire
from certificates import Certificates
from endpoint import Endpoint
from relay import Relay

CHUNK = 1 << 16


class Impostor(Relay):
    def __init__(self, to: Endpoint, own: Certificates, edit: Callable[[bytes], bytes] = lambda data: data):
        super().__init__(to)
        self.edit = edit
        self.accepting = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.accepting.load_cert_chain(own.certificate, own.key)
        self.asking = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self.asking.check_hostname, self.asking.verify_mode = False, ssl.CERT_NONE

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError):
            server = socket.create_connection((self.to.host, self.to.port))
            server.sendall(wire.SSL_REQUEST)
            assert server.recv(1) == b"S" and client.recv(8) == wire.SSL_REQUEST
            client.sendall(b"S")
            client = self.accepting.wrap_socket(client, server_side=True)
            server = self.asking.wrap_socket(server)
            with self._lock:
                self._open += [client, server]
            self._copy(client, server)

    def _copy(self, client: ssl.SSLSocket, server: ssl.SSLSocket) -> None:
        """One thread for both directions: TLS must not be used by two at once."""
        try:
            while True:
                for source in select.select([client, server], [], [])[0]:
                    data = source.recv(CHUNK)
                    while source.pending():
                        data += source.recv(CHUNK)
                    if not data:
                        return
                    # One message of a login is one write, so an edit finds it whole.
                    client.sendall(self.edit(data)) if source is server else server.sendall(data)
        finally:
            for each in (client, server):
                with contextlib.suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)


def without_binding(data: bytes) -> bytes:
    """The offer of SASL mechanisms, but for the one that binds the channel."""
    def offer(*names: bytes) -> bytes:
        return wire.message("R", b"\0\0\0\x0a" + b"".join(name + b"\0" for name in names) + b"\0")
    return data.replace(offer(b"SCRAM-SHA-256-PLUS", b"SCRAM-SHA-256"), offer(b"SCRAM-SHA-256"))
