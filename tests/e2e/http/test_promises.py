"""The promises over HTTP, each by causing the fault it speaks of: recorded first, approved as sent, nobody else's, reloads."""

from __future__ import annotations

import base64
import contextlib
import json
import re
import socket
import sys
import threading
import time
import uuid
from pathlib import Path

import pytest
from http_upstream import PERSONAL, HttpUpstream
from raw_http import RawHttp, request
from raw_http2 import RawHttp2, headers
from weir import PEOPLE, PLUGINS, User, Weir, http

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from test_recorded import LIMITABLE, SizeLimit, health

MARK = re.compile(r"mark-[0-9a-f]{32}")
HOLD = {"protect": [{"kinds": ["http.*"], "objects": ["POST /**"], "answer": "hold", "reviewers": ["group:leads"]}]}
SETTINGS = {"change-guard": {"settings": HOLD}, "pii-mask": {"settings": {"detect": ["email"]}}}


@pytest.fixture
def api():
    with HttpUpstream() as running:
        yield running


def new_mark() -> str:
    return f"mark-{uuid.uuid4().hex}"


def marks(data: bytes | str) -> set[str]:
    return set(MARK.findall(data if isinstance(data, str) else data.decode("latin-1")))


def get(weir: Weir, path: str, user: str = "ann", *more: tuple[str, str]) -> bytes:
    return request(f"GET {path} HTTP/1.1", ("Host", "localhost"), ("Authorization", weir.basic(user)), *more)


def post(weir: Weir, path: str, body: bytes, kind: str = "application/json") -> bytes:
    return request(f"POST {path} HTTP/1.1", ("Host", "localhost"), ("Authorization", weir.basic("ann")), ("Content-Type", kind),
                   ("Content-Length", str(len(body))), body=body)


def waiting(weir: Weir) -> list[dict]:
    return json.loads(weir.as_person("lea", "approvals", "list", "--json").stdout)


def one_waiting(weir: Weir) -> str:
    return weir.wait_for("the request for approval", lambda: waiting(weir))[0]["id"]


# --- recorded before it happens


class Load:
    """Clients that ask with unique texts until the connection breaks."""

    def __init__(self, weir: Weir):
        self.weir, self.done = weir, 0
        self.threads = [threading.Thread(target=self.run, args=(way,)) for way in (self.reads, self.writes) * 3]

    def __enter__(self) -> Load:
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_) -> None:
        for thread in self.threads:
            thread.join(30)

    def run(self, way) -> None:
        with contextlib.suppress(OSError, EOFError), RawHttp(*self.weir.address("crm")) as client:
            while way(client) is not None:
                self.done += 1

    def reads(self, client: RawHttp):
        client.send(get(self.weir, f"/customers?mark={new_mark()}"))
        return client.answer()

    def writes(self, client: RawHttp):
        client.send(post(self.weir, "/customers", json.dumps({"mark": new_mark()}).encode()))
        return client.answer()


def test_everything_that_was_asked_is_in_the_trail_after_kill_9(api):
    with Weir(resources=[http("crm", api.url, pipeline=["http-api", "pii-mask"])], plugins={"pii-mask": SETTINGS["pii-mask"]}) as weir:
        for number in range(3):
            api.forget()
            with Load(weir) as load, RawHttp(*weir.address("crm")) as slow:
                slow.send(get(weir, "/events"))
                weir.wait_for("some load", lambda: load.done > 60 + 37 * number and api.asked("GET", "/events"))  # noqa: B023
                weir.kill()
            weir.start()
            trail = weir.trail()
            intents = [each for each in trail if each["body"]["kind"] == "intent"]
            asked = marks(api.received)
            assert len(asked) > 60, "the load was no load"
            assert asked - marks(json.dumps(intents)) == set(), "asked and not recorded"
            begun, ended = ([(each["body"]["session"], each["body"]["operation"]) for each in trail if each["body"]["kind"] == kind]
                            for kind in ("intent", "outcome"))
            assert sorted(begun) == sorted(ended), "every intent has one outcome"
            assert [each for each in trail if each["body"].get("status") == "unknown"], "the stream was not at its end"
            api.hush()
        weir.command("audit", "verify")


def test_nothing_is_asked_while_nothing_can_be_recorded(api):
    with Weir(resources=[http("crm", api.url)], wrap=LIMITABLE) as weir, RawHttp(*weir.address("crm")) as client:
        disk, before, refused, after = SizeLimit(weir), new_mark(), new_mark(), new_mark()
        client.send(get(weir, f"/customers?mark={before}"))
        assert client.answer().status == 200
        disk.fill()
        for _ in range(3):
            client.send(get(weir, f"/customers?mark={refused}"))
            assert client.answer().status == 503
        # Somebody new gets no session.
        with RawHttp(*weir.address("crm")) as other:
            other.send(get(weir, f"/customers?mark={refused}", "lea"))
            assert other.answer().status == 503
        weir.wait_for("bad health", lambda: health(weir) == 503)
        disk.free()
        weir.wait_for("good health", lambda: health(weir) == 200)
        client.send(get(weir, f"/customers?mark={after}"))
        assert client.answer().status == 200
        assert marks(api.received) == {before, after}
        assert refused in json.dumps(weir.trail(kind="refused"))
        weir.command("audit", "verify")


def test_a_client_that_hangs_up_at_once_leaves_no_open_session(api):
    """A session that was recorded as opened is recorded as ended, whenever its client goes."""
    users = tuple(User(f"u{number}") for number in range(12))
    with Weir(resources=[http("crm", api.url)], users=users) as weir:
        for number, user in enumerate(users):
            with socket.create_connection(weir.address("crm")) as client:
                client.sendall(get(weir, "/harmless", user.name))
                time.sleep(number * 0.004)  # somewhere on its way
        weir.stop_process()
        weir.start()
        trail = weir.trail()
        opened, ended = ([each["body"]["session"] for each in trail if each["body"]["kind"] == kind] for kind in ("session-opened", "session-ended"))
        assert sorted(opened) == sorted(ended)


# --- what is approved is what is executed


def test_a_body_nobody_looked_at_cannot_change_after_the_approval(api):
    """Held for its head alone, its body is not there yet: what comes later was never approved."""
    plugins = SETTINGS | {"http-api": {"settings": {"unseen_bodies": "allow"}}}
    with Weir(resources=[http("crm", api.url, pipeline=["http-api", "change-guard"])], plugins=plugins) as weir:
        whole = post(weir, "/customers", b"first half" + b"and more", "image/png")
        with RawHttp(*weir.address("crm")) as client:
            client.send(whole[:-8])
            # Nobody is asked about half a request.
            with pytest.raises(AssertionError):
                weir.wait_for("a request for approval", lambda: waiting(weir), seconds=2)
            client.send(whole[-8:])
            weir.as_person("lea", "approvals", "approve", one_waiting(weir))
            assert client.answer().status == 201
        (seen,) = api.asked("POST", "/customers")
        assert seen.body == b"first halfand more"


def test_an_approval_is_for_one_request(api):
    """The same again, or anything else, is asked for again."""
    with Weir(resources=[http("crm", api.url, pipeline=["http-api", "change-guard"])], plugins=SETTINGS) as weir:
        for number, body in enumerate((b'{"a":1}', b'{"a":1}', b'{"a":2}')):
            with RawHttp(*weir.address("crm")) as client:
                client.send(post(weir, "/customers", body))
                identifier = one_waiting(weir)
                assert len(api.requests) == number
                weir.as_person("lea", "approvals", "approve", identifier)
                assert client.answer().status == 201
            again = weir.as_person("lea", "approvals", "approve", identifier, check=False)
            assert again.returncode != 0


@pytest.mark.parametrize("stays", [False, True], ids=["gone", "there"])
def test_nothing_runs_for_a_client_that_is_out_of_sight(api, stays):
    """Its end would stand behind all that it has sent already, which nobody reads."""
    with Weir(resources=[http("crm", api.url, pipeline=["http-api", "change-guard"])], plugins=SETTINGS) as weir:
        with RawHttp(*weir.address("crm")) as client:
            client.send(post(weir, "/customers", b'{"a":1}'))
            identifier = one_waiting(weir)
            client.send(get(weir, f"/customers?{'x' * 1000}") * 150)
            if not stays:
                client.socket.close()
            weir.as_person("lea", "approvals", "approve", identifier)
            refused = weir.wait_for("its record", lambda: weir.trail(kind="refused"))
            assert [each["body"]["detail"]["refusal_code"] for each in refused] == ["overrun"]
            if stays:
                assert client.answer().status == 403
        assert api.asked("POST", "/customers") == []


def test_what_a_client_in_sight_sends_behind_is_served(api):
    with Weir(resources=[http("crm", api.url, pipeline=["http-api", "change-guard"])], plugins=SETTINGS) as weir:
        with RawHttp(*weir.address("crm")) as client:
            client.send(post(weir, "/customers", b'{"a":1}'))
            identifier = one_waiting(weir)
            client.send(get(weir, f"/customers?{'x' * 1000}") * 50)
            weir.as_person("lea", "approvals", "approve", identifier)
            assert [client.answer().status for _ in range(51)] == [201] + [200] * 50


# --- revoked, replaced, configured anew


def test_a_revoked_token_ends_what_streams_and_what_waits(api):
    with Weir(resources=[http("crm", api.url, pipeline=["http-api", "change-guard"])], plugins=SETTINGS) as weir:
        text = weir.command("token", "create", "--user", "ann").stdout.strip()
        bearer = ("Authorization", f"Bearer {text}")
        with RawHttp(*weir.address("crm")) as stream, RawHttp(*weir.address("crm")) as held:
            stream.send(request("GET /events HTTP/1.1", ("Host", "localhost"), bearer))
            api.say(b"data: 1\n\n")
            assert stream.head().status == 200 and stream.piece() == b"data: 1\n\n"
            held.send(request("POST /customers HTTP/1.1", ("Host", "localhost"), bearer, ("Content-Type", "text/plain"), ("Content-Length", "1"), body=b"x"))
            identifier = one_waiting(weir)
            weir.command("token", "revoke", text.split("_")[1])
            answer = held.answer()
            assert answer is None or answer.status in (401, 403)
            with pytest.raises((EOFError, ConnectionError, ValueError)):
                while stream.piece():
                    pass
                raise EOFError if stream.hangs_up() else AssertionError("the stream ended as if it were whole")
            assert weir.as_person("lea", "approvals", "approve", identifier, check=False).returncode != 0
        assert api.asked("POST", "/customers") == []


def test_a_policy_is_replaced_under_load_and_nobody_notices(api):
    """Two versions of one policy in turn, every 200 ms: no request fails, and each is judged by one of them."""
    with Weir(resources=[http("crm", api.url, pipeline=["http-api", "rules"], default="deny")], files={"rules": PLUGINS / "allow.wasm"}) as weir, \
            Load(weir) as load:
        weir.wait_for("some load", lambda: load.done > 10)
        first = (weir.plugins_folder / "rules.wasm").read_bytes()
        # A custom section changes the digest and nothing else.
        second = weir.folder / "second.wasm"
        second.write_bytes(first + b"\0\x06\x05later")
        until, turn = time.monotonic() + 10, 0
        while time.monotonic() < until:
            turn += 1
            weir.install("rules", second if turn % 2 else PLUGINS / "allow.wasm")
            assert all(thread.is_alive() for thread in load.threads), "a request failed"
            time.sleep(0.2)
        weir.kill()  # what ends the load
        assert load.done > 200
        weir.start()
        digests = {judge["digest"] for each in weir.trail(kind="intent") for judge in each["body"]["detail"]["judged_by"] if judge["plugin"] == "rules"}
        assert len(digests) == 2
        assert not weir.trail(kind="refused")


def test_a_changed_resource_breaks_off_nothing(api):
    """What is on its way under the old configuration ends as it began."""
    with Weir(resources=[http("crm", api.url)]) as weir, RawHttp(*weir.address("crm")) as stream, RawHttp(*weir.address("crm")) as other:
        stream.send(get(weir, "/events"))
        api.say(b"data: 1\n\n")
        assert stream.head().status == 200 and stream.piece() == b"data: 1\n\n"
        applied = len(weir.trail(kind="config-applied"))
        weir.resources[0]["limits"] = {"max_operation_bytes": "2MiB"}
        weir.write_config()
        weir.wait_for("the new configuration", lambda: len(weir.trail(kind="config-applied")) > applied)

        def another_session() -> bool:
            other.send(get(weir, "/harmless"))
            assert other.answer().status == 200
            return len(weir.trail(kind="session-opened")) == 2

        # It is in the trail a moment before it is in force.
        weir.wait_for("a session under it", another_session)
        api.say(b"data: 2\n\n")
        assert stream.piece() == b"data: 2\n\n"
        api.hush()
        assert stream.piece() == b""
        weir.wait_for("the old session's end", lambda: len(weir.trail(kind="session-ended")) == 1)


# --- nobody else's


def test_each_request_of_a_connection_is_its_own_senders(api):
    """Credentials change with every request of one connection, in both versions of HTTP."""
    names = ["ann", "lea", "ann-agent", "lea", "ann", "nobody", "ann-agent"] * 3
    with Weir(resources=[http("crm", api.url)], users=(*PEOPLE[:2], User("ann-agent", kind="agent", on_behalf_of="ann"))) as weir:
        def authorization(name: str) -> str:
            return weir.basic(name) if name != "nobody" else "Basic " + base64.b64encode(b"lea:secret of ann").decode()

        sent = {}
        with RawHttp(*weir.address("crm")) as client:
            for name in names:
                mark = new_mark()
                sent[mark] = name
                client.send(request(f"GET /harmless?mark={mark} HTTP/1.1", ("Host", "localhost"), ("Authorization", authorization(name))))
                assert client.answer().status == (401 if name == "nobody" else 200)
        with RawHttp2(*weir.address("crm")) as client:
            data = b""
            for number, name in enumerate(names):
                mark = new_mark()
                sent[mark] = name
                data += headers([(b":method", b"GET"), (b":scheme", b"http"), (b":authority", b"localhost"), (b":path", f"/harmless?mark={mark}".encode()),
                                 (b"authorization", authorization(name).encode())], stream=2 * number + 1)
            client.send(data)
            weir.wait_for("all of them", lambda: len(api.requests) == sum(name != "nobody" for name in sent.values()))
        who = {mark: each["body"]["principal"] for each in weir.trail(kind="intent") for mark in marks(json.dumps(each))}
        assert who == {mark: name for mark, name in sent.items() if name != "nobody"}
        assert marks(api.received) == set(who)


PATHS = ["/%63rm/customers/9001", "/crm%2fcustomers/9001", "//crm/customers/9001", "/./crm/customers/9001", "/crm;a=b/customers/9001", "/x/../crm/customers/9001",
         "/x/%2e%2e/crm/customers/9001", "/x/..;/crm/customers/9001", "/%2563rm/customers/9001", "/x%2f..%2fcrm/customers/9001", "/x/..%2fcrm/customers/9001",
         "/crm/../crm/customers/9001", "/%2Fcrm/customers/9001", "/x/.%2e/crm/customers/9001", "/Crm/customers/9001", "/x/..%5ccrm/customers/9001"]


@pytest.fixture(scope="module")
def two():
    """The whole of a server, and a part of it that is masked; nothing is stripped, so the server sees the same paths."""
    with HttpUpstream() as upstream:
        # The inspector of the whole is one that reads nothing into a path.
        resources = [http("whole", upstream.url, pipeline=["moody-http"]),
                     http("part", upstream.url, path_prefix="/crm", pipeline=["http-api", "pii-mask"]),
                     http("inner", f"{upstream.url}/base", path_prefix="/inner", strip_prefix=True, pipeline=["moody-http"]),
                     http("named", upstream.url, hosts=["named.example"], pipeline=["http-api", "pii-mask"])]
        with Weir(resources=resources, plugins={"pii-mask": SETTINGS["pii-mask"]}) as weir:
            yield upstream, weir


@pytest.mark.parametrize("path", PATHS)
def test_a_path_that_may_be_another_resources_is_nobodys(two, path):
    upstream, weir = two
    upstream.forget()
    with RawHttp(*weir.address("whole")) as client:
        client.send(get(weir, path))
        answer = client.answer()
    judged = [each["body"]["resource"] for each in weir.trail(kind="intent") if path in json.dumps(each)]
    assert answer.status in (400, 404) and upstream.received == b"", (answer, judged)


@pytest.mark.parametrize("path", ["/inner/../admin", "/inner/%2e%2e/admin", "/inner/a/../../admin", "/inner/..;/admin", "/inner/.%2E/admin", "/inner/%2e./admin"])
def test_no_path_leads_out_of_what_the_upstream_is_asked_for(two, path):
    upstream, weir = two
    upstream.forget()
    with RawHttp(*weir.address("whole")) as client:
        client.send(get(weir, path))
        assert client.answer().status == 400 and upstream.received == b""


@pytest.mark.parametrize("host, resource", [
    ("named.example", "named"), ("NAMED.example", "named"), ("named.example:80", "named"), ("x.named.example", "whole"),
    ("named.example@localhost", None), ("localhost, named.example", None), ("named.example\x00", None), ("named%2eexample", None),
])
def test_a_host_is_one_resources_or_nobodys(two, host, resource):
    upstream, weir = two
    upstream.forget()
    mark = new_mark()
    with RawHttp(*weir.address("whole")) as client:
        client.send(request(f"GET /harmless/{mark} HTTP/1.1", ("Host", host), ("Authorization", weir.basic("ann")), ("X-Forwarded-Host", "localhost"),
                            ("X-Forwarded-For", "10.0.0.1"), ("Forwarded", "for=10.0.0.1"), ("X-Real-IP", "10.0.0.1")))
        answer = client.answer()
    judged = {each["body"]["resource"] for each in weir.trail(kind="intent") if mark in json.dumps(each)}
    if resource is None:
        assert (answer.status == 400 and judged == set()) or judged <= {"named"}, (answer, judged)
    else:
        assert answer.status == 200 and judged == {resource}
        assert b"10.0.0.1" not in upstream.received and b"named" not in upstream.received.lower()
