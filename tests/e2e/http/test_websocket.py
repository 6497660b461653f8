"""WebSocket with real clients and a real server: messages are operations and values, and nothing else gets through."""

from __future__ import annotations

import contextlib
import hashlib
import json
import ssl
import struct
import threading
import uuid

import certificates
import leaks
import processes
import pytest
from http_upstream import PERSONAL, HttpUpstream
from raw_http import RawHttp, request
from socket_upstream import CUSTOMER, SocketUpstream
from test_hostile_upstream import memory
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect
from weir import Weir, http

MASK = {"columns": ["name"], "detect": ["email", "phone", "card"]}
GUARD = {"protect": [
    {"kinds": ["http.message"], "objects": ["/held/**"], "answer": "hold", "reason": "looked at", "reviewers": ["group:leads"]},
    {"kinds": ["http.message"], "objects": ["/denied/**"], "answer": "deny", "reason": "nothing is said here"},
    {"kinds": ["http.request"], "actions": ["read"], "objects": ["/closed/**"], "answer": "deny", "reason": "nobody comes in"},
]}
PLUGINS = {"http-api": {"settings": {"binary_messages": ["/binary-passes/**"]}},
           "pii-mask": {"settings": MASK}, "change-guard": {"settings": GUARD}}
KEY = "dGhlIHNhbXBsZSBub25jZQ=="
SMALL = 1 << 16


@pytest.fixture(scope="module")
def server():
    with SocketUpstream() as running:
        yield running


@pytest.fixture(scope="module")
def other():
    with HttpUpstream() as running:
        yield running


@pytest.fixture(scope="module")
def weir(server, other):
    def own(name: str, pipeline: list[str], **keys) -> dict:
        return http(name, server.url, path_prefix=f"/{name}", pipeline=pipeline, **keys)

    resources = [
        own("open", ["http-api"]),
        own("masked", ["http-api", "pii-mask"]),
        own("held", ["http-api", "change-guard", "pii-mask"]),
        own("denied", ["http-api", "change-guard"]),
        own("closed", ["http-api", "change-guard"]),
        own("binary-passes", ["http-api", "pii-mask"]),
        own("small", ["http-api", "pii-mask"], limits={"max_operation_bytes": SMALL, "max_answer_bytes": SMALL}),
        own("restless", ["http-api"], limits={"idle_timeout": "1s"}),
        own("tools", ["mcp"]),
        http("plain", other.url, path_prefix="/plain"),
    ]
    with Weir(resources=resources, plugins=PLUGINS) as running:
        yield running


@pytest.fixture(autouse=True)
def forgotten(server):
    for kept in (server.received, server.closed, server.heads):
        kept.clear()


@pytest.fixture
def mark() -> str:
    return f"mark-{uuid.uuid4().hex}"


def opened(weir: Weir, resource: str, path: str, user: str = "ann", **more) -> ClientConnection:
    url = weir.url(resource, path).replace("http", "ws", 1)
    return connect(url, additional_headers={"Authorization": weir.basic(user)}, max_size=None, proxy=None, **more)


def ended(client: ClientConnection) -> tuple[int, str]:
    """The code and reason with which the other side closes, and what it said before is nothing."""
    with pytest.raises(ConnectionClosed) as closed:
        client.recv(20)
    return closed.value.rcvd.code, closed.value.rcvd.reason


def messages(weir: Weir, mark: str, kind: str = "intent") -> list[dict]:
    return [record for record in weir.trail(kind=kind) if mark in json.dumps(record)]


def operation(record: dict) -> tuple[str, int]:
    return record["body"]["session"], record["body"]["operation"]


def waiting(weir: Weir) -> list[dict]:
    return json.loads(weir.as_person("lea", "approvals", "list", "--json").stdout)


# --- clients do not notice

SCRIPT = [
    ("echo", ["hello", "", "ünïcödé ✓", '{ "a" :1.0, "b":"\\u00e9" }', "x" * 300, "y" * 70_000]),
    ("pieces", ["in three bytes each", "z" * 1000]),
    ("large", ["1000000"]),
]


def transcript(client: ClientConnection, said: list[str]) -> list:
    seen: list = [client.subprotocol]
    for message in said:
        client.send(message)
        seen.append(hashlib.sha256(client.recv(20).encode()).hexdigest())
    seen.append(client.ping().wait(20))
    # A message in fragments is one message.
    client.send(["1", "0", "0"])
    seen.append(client.recv(20))
    client.close(4321, "done")
    return seen


@pytest.mark.parametrize("path,said", SCRIPT, ids=[path for path, _ in SCRIPT])
def test_a_client_sees_the_same_as_without_the_gateway(weir, server, path, said):
    said = said[:]
    with connect(f"{server.url.replace('http', 'ws', 1)}/{path}", subprotocols=["chat.v1"], max_size=None, proxy=None) as client:
        direct = transcript(client, said)
    server.wait_for(lambda: server.closed)
    received, closed = server.received[:], server.closed[:]
    for kept in (server.received, server.closed):
        kept.clear()
    with opened(weir, "open", f"/{path}", subprotocols=["chat.v1"]) as client:
        assert transcript(client, said) == direct
    server.wait_for(lambda: server.closed)
    assert server.received == received
    assert [code for code, _ in server.closed] == [code for code, _ in closed] == [4321]


def frame(opcode: int, payload: bytes) -> bytes:
    """Of a client, masked with zeros (RFC 6455, section 5.2)."""
    length = bytes([0x80 | len(payload)]) if len(payload) < 126 else b"\xfe" + struct.pack("!H", len(payload))
    return bytes([0x80 | opcode]) + length + b"\0" * 4 + payload


@pytest.mark.parametrize("count, size", [(3, 10), (100, 9_000)])
@pytest.mark.parametrize("how", ["close", "end"])
def test_what_a_client_says_last_arrives_though_it_is_gone(weir, server, how, count, size):
    said = [f"{number} ".ljust(size, "x") for number in range(count)]
    with RawHttp(*weir.address("open")) as client:
        client.send(request("GET /open/silent HTTP/1.1", ("Host", "localhost"), ("Authorization", weir.basic("ann")),
                            ("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Key", KEY), ("Sec-WebSocket-Version", "13")))
        assert client.head().status == 101
        client.send(b"".join(frame(1, text.encode()) for text in said) + frame(8, struct.pack("!H", 1000)))
        client.socket.close() if how == "close" else client.end()
        server.wait_for(lambda: server.closed)
    assert server.received == said
    assert [code for code, _ in server.closed] == [1000]


def test_a_client_that_sends_without_a_pause_is_not_read_without_end(weir):
    message = frame(1, b"x" * 60_000)
    with RawHttp(*weir.address("open")) as client:
        client.send(request("GET /open/silent HTTP/1.1", ("Host", "localhost"), ("Authorization", weir.basic("ann")),
                            ("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Key", KEY), ("Sec-WebSocket-Version", "13")))
        assert client.head().status == 101
        before = memory(weir)
        for _ in range(2000):
            client.socket.sendall(message)
        assert memory(weir) - before < 100


@pytest.mark.parametrize("code,reason", [(1000, ""), (1001, "going"), (3000, "mine"), (4999, "ä" * 61)])
def test_the_servers_close_code_and_reason_arrive(weir, code, reason):
    with opened(weir, "open", "/close") as client:
        client.send(f"{code} {reason}")
        assert ended(client) == (code, reason)


def test_over_tls_on_both_legs(tmp_path):
    own = certificates.make(tmp_path)
    with SocketUpstream(own) as server:
        listen = f"127.0.0.1:{processes.free_port()}"
        tls = {"certificate": str(own.certificate), "key": str(own.key)}
        resource = http("chat", server.url, listen=listen, tls=tls, upstream_ca=str(own.authority))
        trusting = ssl.create_default_context(cafile=own.authority)
        with Weir(resources=[resource]) as weir, opened(weir, "chat", "/echo", ssl=trusting) as client:
            client.send("hello")
            assert client.recv(20) == "hello"
        assert server.received == ["hello"]


def test_credentials_and_extensions_stay_here(weir, server):
    with opened(weir, "open", "/echo", subprotocols=["chat.v2", "chat.v1"]) as client:
        assert client.subprotocol == "chat.v2" and client.protocol.extensions == []
    head = {name.lower(): value for name, value in server.heads[0]}
    assert "authorization" not in head and "sec-websocket-extensions" not in head
    assert head["sec-websocket-protocol"].replace(" ", "") == "chat.v2,chat.v1"


# --- what is judged and recorded


def test_the_handshake_and_each_message_are_in_the_trail(weir, mark):
    with opened(weir, "open", f"/echo?mark={mark}") as client:
        client.send(json.dumps({"say": mark, "to": ["ann"]}))
        client.recv(20)
        client.send("plain " + mark)
        client.recv(20)
    found = messages(weir, mark)
    assert [each["payload"]["text"] for each in found] == ["GET /open/echo", "MESSAGE /open/echo", "MESSAGE /open/echo"]
    assert [each["body"]["detail"]["action"] for each in found] == ["read", "write", "write"]
    fields = {each["name"]: each["value"] for each in found[1]["payload"]["parameters"]}
    assert fields == {"query.mark": mark, "body.say": mark, "body.to[0]": "ann"}

    def outcomes() -> dict | None:
        mine = {operation(each): each["body"] for each in weir.trail(kind="outcome")}
        return mine if all(operation(each) in mine for each in found) else None

    mine = weir.wait_for("the outcomes", outcomes)
    tags = [json.dumps(mine[operation(each)]["detail"]) for each in found]
    assert "closed 1000" in tags[0] and all('"sent"' in tag for tag in tags[1:])
    assert {mine[operation(each)]["status"] for each in found} == {"ok"}


def test_a_message_is_on_disk_before_it_is_forwarded(server, mark):
    with Weir(resources=[http("chat", server.url)]) as weir:
        with contextlib.suppress(ConnectionClosed), opened(weir, "chat", "/echo") as client:
            thread = threading.Thread(target=lambda: [client.send(f"{mark} {number}") for number in range(2000)])
            with contextlib.suppress(ConnectionClosed):
                thread.start()
                server.wait_for(lambda: len(server.received) > 30)
                weir.kill()
            thread.join(20)
        weir.start()
        got = [message for message in server.received if mark in message]
        recorded = json.dumps(messages(weir, mark))
        assert len(got) > 30 and [message for message in got if message not in recorded] == []


def test_a_denied_message_closes_with_the_reason_and_never_leaves(weir, server, mark):
    with opened(weir, "denied", "/echo") as client:
        client.send(f"one {mark}")
        with contextlib.suppress(ConnectionClosed):
            client.send(f"two {mark}")
        code, reason = ended(client)
    assert code == 1008 and "nothing is said here" in reason
    server.wait_for(lambda: server.closed)
    assert server.received == []
    refused = weir.wait_for("the refusal", lambda: messages(weir, mark, "refused"))
    assert len(refused) == 1 and messages(weir, mark) == []


def test_a_denied_handshake_is_an_answer(weir, server):
    with pytest.raises(InvalidStatus) as refused:
        opened(weir, "closed", "/echo")
    assert refused.value.response.status_code == 403
    assert b"nobody comes in" in refused.value.response.body
    assert server.heads == []


def test_without_a_login_there_is_no_handshake(weir, server):
    with pytest.raises(InvalidStatus) as refused:
        connect(weir.url("open", "/echo").replace("http", "ws", 1), proxy=None)
    assert refused.value.response.status_code == 401
    assert server.heads == []


@pytest.mark.parametrize("vote", ["approve", "deny"])
def test_a_held_message_waits_and_those_behind_it(weir, server, mark, vote):
    with opened(weir, "held", "/echo", ping_interval=0.2, ping_timeout=5) as client:
        client.send(f"first {mark}")
        client.send(f"second {mark}")
        one = weir.wait_for("the request for approval", lambda: next((each for each in waiting(weir) if mark in json.dumps(each)), None))
        # Its pings are answered meanwhile: the client would end the connection.
        assert client.ping().wait(10)
        assert server.received == []
        weir.as_person("lea", "approvals", vote, one["id"])
        if vote == "deny":
            code, reason = ended(client)
            assert code == 1008 and "did not approve" in reason
            assert server.received == []
            return
        assert client.recv(20) == f"first {mark}"
        two = weir.wait_for("the next request", lambda: next((each for each in waiting(weir) if mark in json.dumps(each)), None))
        weir.as_person("lea", "approvals", "approve", two["id"])
        assert client.recv(20) == f"second {mark}"
    assert server.received == [f"first {mark}", f"second {mark}"]


def held(weir: Weir, mark: str) -> dict:
    return weir.wait_for("the request for approval", lambda: next((each for each in waiting(weir) if mark in json.dumps(each)), None))


def given_up(weir: Weir, mark: str) -> tuple[str, str]:
    (refused,) = weir.wait_for("the refusal", lambda: messages(weir, mark, "refused"))
    assert messages(weir, mark) == [] and not [each for each in waiting(weir) if mark in json.dumps(each)]
    return refused["body"]["detail"]["by"], refused["body"]["detail"]["refusal_code"]


def test_a_client_that_says_goodbye_behind_a_held_message_is_answered_and_it_is_given_up(weir, server, mark):
    # The client itself waits five seconds for the answer to its close frame, and then hangs up.
    with opened(weir, "held", "/echo", close_timeout=5) as client:
        client.send(f"first {mark}")
        one = held(weir, mark)
        client.send(f"second {mark}")
        client.close(4001, "enough")
        assert client.protocol.close_rcvd is not None and client.close_code == 4001
    assert given_up(weir, mark) == ("client", "client-gone")
    assert weir.as_person("lea", "approvals", "approve", one["id"], check=False).returncode != 0
    server.wait_for(lambda: 4001 in [code for code, _ in server.closed])
    assert server.received == []


def test_a_held_message_whose_server_goes_is_refused_on_the_record(mark):
    with SocketUpstream() as short, Weir(resources=[http("held", short.url, path_prefix="/held", pipeline=["http-api", "change-guard", "pii-mask"])], plugins=PLUGINS) as own:
        with opened(own, "held", "/echo") as client:
            client.send(f"first {mark}")
            held(own, mark)
            short._server.shutdown()  # closes with 1001
            assert ended(client)[0] in (1001, 1011)
        assert given_up(own, mark) == ("upstream", "upstream-gone")
        assert short.received == []


def test_a_session_goes_on_behind_a_websocket_that_ended_in_any_way(weir, server, mark):
    """Its plugins are the session's: none may be left in the middle of a call."""
    for number in range(5):
        for close in (lambda client: client.close(), lambda client: client.socket.close(), lambda client: client.send("4000 no")):
            with contextlib.suppress(ConnectionClosed, OSError), opened(weir, "masked", f"/close?mark={mark}{number}") as client:
                close(client)
    with opened(weir, "masked", f"/customers?mark={mark}") as client:
        client.send("show")
        assert leaks.found_in(client.recv(20).encode()) == []
    sessions = {each["body"]["session"] for each in messages(weir, mark)}
    assert len(sessions) == 1
    traps = json.loads(weir.command("plugins", "--json").stdout)
    assert all(each["traps"] == each["time_outs"] == 0 for each in traps)


def test_an_inspector_that_reads_no_websocket_has_it_refused(weir, server):
    with pytest.raises(InvalidStatus) as refused:
        opened(weir, "tools", "/mcp")
    assert refused.value.response.status_code >= 400
    assert server.heads == []


# --- what is masked


@pytest.mark.parametrize("path", ["customers", "fragments"])
def test_values_of_messages_are_masked_and_every_other_byte_stays(weir, path, mark):
    with opened(weir, "masked", f"/{path}?mark={mark}") as client:
        client.send("show")
        shown = client.recv(20)
    assert leaks.found_in(shown.encode()) == []
    assert set(json.loads(shown)) == set(json.loads(CUSTOMER))
    for kept in ('{ "id":1,\n "name" :"', '", "email": "', '", "note":"caf\\u00e9 \\/" , "n":1.50 }'):
        assert kept in shown


def test_texts_close_reasons_and_the_trail_show_nothing(weir, mark):
    email = PERSONAL["email"]
    with opened(weir, "masked", f"/text?mark={mark}") as client:
        client.send(json.dumps({"to": email}))
        shown = client.recv(20)
        assert shown.startswith("write to ") and leaks.found_in(shown.encode()) == []
    with opened(weir, "masked", f"/close?mark={mark}") as client:
        client.send(f"4000 {email}")
        code, reason = ended(client)
        assert code == 4000 and leaks.found_in(reason.encode()) == []
    assert leaks.found_in(weir.command("audit", "export").stdout.encode()) == []
    assert leaks.found_in(weir.log.read_bytes()) == []


@pytest.mark.parametrize("path", ["binary", "malformed"])
def test_what_cannot_be_masked_is_not_told(weir, path):
    with opened(weir, "masked", f"/{path}") as client:
        client.send("show")
        code, reason = ended(client)
    assert code == 1011 and reason.startswith("weir: ") and leaks.found_in(reason.encode()) == []


def test_binary_messages_are_refused_unless_the_settings_say_so(weir, server, mark):
    with opened(weir, "masked", "/echo") as client:
        client.send(b"\0\x01")
        code, reason = ended(client)
        assert code == 1008 and "binary_messages" in reason
    assert server.received == []
    with opened(weir, "binary-passes", f"/echo?mark={mark}") as client:
        client.send(bytes(range(256)))
        assert client.recv(20) == bytes(range(256))
    said = json.dumps(messages(weir, mark)[1])
    assert "http-body-bytes" in said and '"256"' in said


# --- limits and ends


def test_what_is_larger_than_is_inspected_ends_the_connection(weir, server):
    with opened(weir, "small", "/echo") as client:
        client.send("x" * (SMALL - 100))
        assert len(client.recv(20)) == SMALL - 100
        with contextlib.suppress(ConnectionClosed):
            client.send("x" * (SMALL + 1))
        assert ended(client)[0] == 1009
    assert len(server.received) == 1
    with opened(weir, "small", "/large") as client:
        client.send(str(SMALL))
        assert ended(client)[0] in (1009, 1011)


def test_a_killed_session_says_goodbye_and_is_recorded_once(weir, server, mark):
    with opened(weir, "open", f"/echo?mark={mark}", user="lea") as client:
        client.send("hello")
        client.recv(20)
        session = messages(weir, mark)[0]["body"]["session"]
        weir.command("sessions", "kill", session)
        code, reason = ended(client)
        assert code == 1008 and "operator" in reason
    server.wait_for(lambda: server.closed)
    records = weir.wait_for("the end", lambda: [each for each in weir.trail(kind="session-ended") if each["body"]["session"] == session])
    assert len(records) == 1


def test_a_connection_on_which_nothing_is_said_is_closed(weir):
    with opened(weir, "restless", "/echo") as client:
        code, reason = ended(client)
    assert code == 1001 and "nothing was said" in reason


def test_a_server_that_goes_is_told(weir):
    with SocketUpstream() as short, Weir(resources=[http("chat", short.url)]) as own:
        with opened(own, "chat", "/echo") as client:
            client.send("hello")
            client.recv(20)
            own.as_person("lea", "approvals", "list")
            short._server.shutdown()  # closes with 1001
            assert ended(client)[0] in (1001, 1011)


# --- what is no WebSocket


def handshake(weir: Weir, *more: tuple[str, str], line: str = "GET /open/echo HTTP/1.1", without: str = "", body: bytes = b"") -> bytes:
    usual = [("Host", "localhost"), ("Authorization", weir.basic("ann")), ("Connection", "Upgrade"), ("Upgrade", "websocket"),
             ("Sec-WebSocket-Version", "13"), ("Sec-WebSocket-Key", KEY)]
    return request(line, *[each for each in usual if each[0] != without], *more, body=body)


HIDDEN = b"GET /open/hidden HTTP/1.1\r\nHost: localhost\r\n\r\n"
REFUSED = {
    "another method": dict(line="POST /open/echo HTTP/1.1"),
    "HTTP/1.0": dict(line="GET /open/echo HTTP/1.0"),
    "a body": dict(more=[("Content-Length", "5")], body=b"hello"),
    "chunks": dict(more=[("Transfer-Encoding", "chunked")], body=b"0\r\n\r\n"),
    "a request behind it": dict(body=HIDDEN),
    "a frame behind it": dict(body=b"\x81\x80\0\0\0\0"),
    "no version": dict(without="Sec-WebSocket-Version"),
    "another version": dict(without="Sec-WebSocket-Version", more=[("Sec-WebSocket-Version", "8")]),
    "two versions": dict(more=[("Sec-WebSocket-Version", "13")]),
    "no key": dict(without="Sec-WebSocket-Key"),
    "a short key": dict(without="Sec-WebSocket-Key", more=[("Sec-WebSocket-Key", "c2hvcnQ=")]),
    "two keys": dict(more=[("Sec-WebSocket-Key", KEY)]),
    "no connection": dict(without="Connection"),
    "h2c as well": dict(more=[("Upgrade", "h2c")]),
    "another protocol": dict(without="Upgrade", more=[("Upgrade", "tls/1.0")]),
    "a subprotocol that is none": dict(more=[("Sec-WebSocket-Protocol", "a b")]),
}


@pytest.mark.parametrize("case", [pytest.param(case, id=name) for name, case in REFUSED.items()])
@pytest.mark.parametrize("way", ["at once", "each byte"])
def test_a_handshake_that_is_not_whole_is_refused(weir, server, case, way):
    case = dict(case)
    sent = handshake(weir, *case.pop("more", []), **case)
    with RawHttp(*weir.address("open")) as client:
        client.send(sent) if way == "at once" else client.send_each_byte(sent)
        answer = client.answer()
        # What came too early when the request was at work already has no answer.
        assert answer is None and case.get("body") and way == "each byte" or answer.status in (400, 426, 501)
        assert b" 101 " not in client.received
    assert server.received == [] and not any("hidden" in str(head) for head in server.heads)


FRAMES = {
    "not masked": (b"\x81\x05hello", 1002),
    "a reserved bit": (b"\xc1\x85\0\0\0\0hello", 1002),
    "a reserved opcode": (b"\x83\x80\0\0\0\0", 1002),
    "a fragmented ping": (b"\x09\x80\0\0\0\0", 1002),
    "a large ping": (b"\x89\xfe\x00\x7e\0\0\0\0" + b"x" * 126, 1002),
    "a length in a long form": (b"\x81\xfe\x00\x05\0\0\0\0hello", 1002),
    "no UTF-8": (b"\x81\x82\0\0\0\0\xc3\x28", 1007),
    "a code that is never sent": (b"\x88\x82\0\0\0\0\x03\xee", 1002),
    "more of nothing": (b"\x80\x81\0\0\0\0x", 1002),
    "HTTP": (HIDDEN, 1002),
}


@pytest.mark.parametrize("sent,code", FRAMES.values(), ids=FRAMES)
def test_frames_that_break_the_rules_end_the_connection(weir, server, sent, code):
    with RawHttp(*weir.address("open")) as client:
        client.send(handshake(weir))
        assert client.head().status == 101
        client.send(sent)
        frame = client._reader.exactly(4)
        assert (frame[0], int.from_bytes(frame[2:])) == (0x88, code)
    server.wait_for(lambda: server.closed)
    assert server.received == []


def test_a_switch_that_nobody_asked_for_is_not_passed_on(weir, other):
    other.raw["/plain/a"] = b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"
    with RawHttp(*weir.address("plain")) as client:
        client.send(request("GET /plain/a HTTP/1.1", ("Host", "localhost"), ("Authorization", weir.basic("ann"))))
        assert client.answer().status == 502


def test_a_server_that_does_not_switch_is_an_answer_like_any(weir):
    with pytest.raises(InvalidStatus) as refused:
        opened(weir, "plain", "/status/404")
    assert refused.value.response.status_code == 404


SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n"


@pytest.mark.parametrize("lines", [b"", b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"], ids=["no accept", "another's accept"])
def test_a_switch_that_does_not_answer_our_key_is_not_passed_on(weir, other, lines):
    other.raw["/plain/b"] = SWITCH + lines + b"\r\n\x81\x05hello"
    with pytest.raises(InvalidStatus) as refused:
        opened(weir, "plain", "/b")
    assert refused.value.response.status_code == 502
