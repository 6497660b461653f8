"""Nothing runs twice under one approval, and nothing for a client that has gone, wherever it stood when it went."""

from __future__ import annotations

import fcntl
import json
import socket
import struct
import termios
import threading
import time

import pytest
from http_upstream import HttpUpstream
from raw_http import RawHttp
from raw_http2 import PING, RST_STREAM, RawHttp2, data, frame, headers
from test_promises import SETTINGS, get, one_waiting, post, waiting
from weir import Weir, http

CANCEL = 8


@pytest.fixture
def api():
    with HttpUpstream() as running:
        yield running


class Served:
    """An upstream whose answer to each connection the test writes."""

    def __init__(self, answer):
        self.answer = answer

    def __enter__(self) -> Served:
        self.listening = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_) -> None:
        self.listening.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self.listening.accept()
            except OSError:
                return
            threading.Thread(target=self.answer, args=(client,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.listening.getsockname()[1]}"


def unsent(client: socket.socket) -> int:
    return struct.unpack("i", fcntl.ioctl(client.fileno(), termios.TIOCOUTQ, b"\0" * 4))[0]


def stuff_with_pings(client: RawHttp2) -> None:
    """Until the other side reads no more, because nobody takes its answers."""
    some = frame(PING, 0, 0, b"12345678") * 2000
    while True:
        client.socket.sendall(some)
        until = time.monotonic() + 3
        while unsent(client.socket) and time.monotonic() < until:
            time.sleep(0.02)
        if unsent(client.socket):
            return


@pytest.mark.parametrize("end", ["reset", "close"])
def test_a_client_of_http_2_that_takes_no_pong_is_out_of_sight(api, end):
    with Weir(resources=[http("crm", api.url, pipeline=["http-api", "change-guard"])], plugins=SETTINGS) as weir, \
            RawHttp2(*weir.address("crm")) as client:
        head = [(b":method", b"POST"), (b":path", b"/customers"), (b":scheme", b"http"), (b":authority", b"localhost"),
                (b"authorization", weir.basic("ann").encode()), (b"content-type", b"application/json"), (b"content-length", b"7")]
        client.send(headers(head, 1, False) + data(b'{"a":1}', 1))
        identifier = one_waiting(weir)
        stuff_with_pings(client)
        if end == "reset":
            client.socket.sendall(frame(RST_STREAM, 0, 1, struct.pack("!I", CANCEL)))
        else:
            client.socket.shutdown(socket.SHUT_WR)
        weir.as_person("lea", "approvals", "approve", identifier)
        (refused,) = weir.wait_for("its record", lambda: weir.trail(kind="refused"))
        assert refused["body"]["detail"]["refusal_code"] == "overrun"
    assert api.asked("POST", "/customers") == []


def test_what_was_approved_is_not_sent_once_more():
    """Over a connection that was kept: the upstream does it, and closes without a word."""
    done: list[bytes] = []

    def answer(client: socket.socket) -> None:
        while head := client.recv(65536):
            line = head.split(b"\r\n")[0]
            if b"/export" in line:
                done.append(line)
                return client.close()
            client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Type: text/plain\r\n\r\nok")

    rule = {"kinds": ["http.*"], "objects": ["GET /export"], "actions": ["read"], "answer": "hold", "reviewers": ["group:leads"]}
    with Served(answer) as upstream, \
            Weir(resources=[http("crm", upstream.url, pipeline=["http-api", "change-guard"])],
                 plugins={"change-guard": {"settings": {"protect": [rule]}}}) as weir, \
            RawHttp(*weir.address("crm")) as client:
        client.send(get(weir, "/other"))
        assert client.answer().status == 200
        client.send(get(weir, "/export"))
        weir.as_person("lea", "approvals", "approve", one_waiting(weir))
        assert client.answer().status == 502
    assert len(done) == 1


def test_a_question_of_a_server_ends_with_the_client_it_is_for():
    question = {"jsonrpc": "2.0", "id": 77, "method": "elicitation/create", "params": {"message": "PIN?", "requestedSchema": {"type": "object", "properties": {}}}}

    def answer(client: socket.socket) -> None:
        client.recv(65536)
        event = b"data: " + json.dumps(question).encode() + b"\n\n"
        client.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n" % (len(event), event))
        while client.recv(65536):
            pass

    rule = {"kinds": ["mcp.elicitation"], "objects": ["**"], "actions": ["call"], "answer": "hold", "reviewers": ["group:leads"]}
    with Served(answer) as upstream, \
            Weir(resources=[http("tools", upstream.url, pipeline=["mcp", "change-guard"])],
                 plugins={"mcp": {"settings": {"unlisted": "allow"}}, "change-guard": {"settings": {"protect": [rule]}}}) as weir:
        call = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "x", "arguments": {}}}).encode()
        with RawHttp(*weir.address("tools")) as client:
            whole = post(weir, "/mcp", call).replace(b"\r\n\r\n", b"\r\nAccept: application/json, text/event-stream\r\n\r\n", 1)
            client.send(whole)
            one_waiting(weir)
        (refused,) = weir.wait_for("its record", lambda: weir.trail(kind="refused"))
        assert refused["body"]["detail"]["refusal_code"] == "client-gone"
        assert waiting(weir) == []


def test_a_large_request_does_not_hide_the_others(api):
    with Weir(resources=[http("crm", api.url, pipeline=["http-api", "change-guard"])], plugins=SETTINGS) as weir, \
            RawHttp(*weir.address("crm")) as large, RawHttp(*weir.address("crm")) as small:
        # As JSON, each of these bytes is six.
        large.send(post(weir, "/customers", b"\x01" * (8 * 1024 * 1024 - 100), "text/plain"))
        weir.wait_for("the first", lambda: len(waiting(weir)) == 1)
        small.send(post(weir, "/customers", b'{"a":1}'))
        first, second = weir.wait_for("both", lambda: waiting(weir) if len(waiting(weir)) == 2 else None)
        assert first["is_shortened"] and "is_shortened" not in second
        assert len(json.dumps(first)) < 100_000
        assert "\\u{1}" in weir.as_person("lea", "approvals", "show", first["id"]).stdout
        for each, client in ((first, large), (second, small)):
            weir.as_person("lea", "approvals", "approve", each["id"])
            assert client.answer().status == 201
