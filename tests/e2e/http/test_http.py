"""An API behind the gateway, with the clients people have: who they are, what they may, what they see, what is recorded."""

from __future__ import annotations

import base64
import contextlib
import gzip
import json
import re
import threading
import urllib.error
import urllib.request
import zlib

import certificates
import leaks
import pytest
from curl import curl
from http_upstream import CUSTOMER, CUSTOMERS, HARMLESS, PERSONAL, HttpUpstream
from raw_http import RawHttp, request
from weir import PEOPLE, PLUGINS, User, Weir, http

TOKEN, API_KEY = "upstream-token-Wd83", "upstream-key-Zt61"
#: Ann and her agent ask, Lea reviews, Max does both; Eve may nothing.
EVERYBODY = (*PEOPLE, User("max", groups=("engineers", "leads")), User("eve", groups=("visitors",)))
MASK = {"columns": ["name"], "detect": ["email", "phone", "card", "iban", "ssn", "secret"]}
GUARD = {"protect": [
    {"kinds": ["http.*"], "objects": ["DELETE /**"], "answer": "deny", "reason": "nothing is deleted here"},
    {"kinds": ["http.*"], "objects": ["POST /**"], "answer": "hold", "reason": "new customers are looked at", "reviewers": ["group:leads"]},
]}
PLUGIN_SETTINGS = {"pii-mask": {"settings": MASK}, "change-guard": {"settings": GUARD}}
NEW = b'{"name":"Bo Li","email":"bo.li@leak.example"}'


@pytest.fixture(scope="module")
def api():
    with HttpUpstream(base="/v1") as running:
        yield running


@pytest.fixture(scope="module")
def weir(api):
    bearer = {"bearer": {"env": "UPSTREAM_TOKEN"}}
    resources = [
        http("crm", api.url, path_prefix="/crm", strip_prefix=True, credential=bearer, pipeline=["http-api", "change-guard", "pii-mask"]),
        # The same without anything that looks at answers.
        http("open", api.url, path_prefix="/open", strip_prefix=True, cookies="drop",
             credential={"header": "X-Api-Key", "value": {"env": "UPSTREAM_KEY"}}),
        http("open-echo", api.url, path_prefix="/open/echo", credential={"basic": {"user": "weir", "password": {"env": "UPSTREAM_KEY"}}}),
        http("closed", api.url, path_prefix="/closed", strip_prefix=True, default="deny"),
        http("leads", api.url, path_prefix="/leads", strip_prefix=True, allow=["group:leads"]),
        http("basic-only", api.url, path_prefix="/basic", strip_prefix=True, auth=["basic"]),
        http("small", api.url, path_prefix="/small", strip_prefix=True, limits={"max_operation_bytes": "1KiB"}),
    ]
    with Weir(resources=resources, plugins=PLUGIN_SETTINGS, users=EVERYBODY,
              variables={"UPSTREAM_TOKEN": TOKEN, "UPSTREAM_KEY": API_KEY}) as running:
        yield running


@pytest.fixture(autouse=True)
def forgotten(api):
    api.forget()


def login(name: str = "ann") -> str:
    user = next(user for user in EVERYBODY if user.name == name)
    return f"{user.name}:{user.secret}"


def ask(weir: Weir, resource: str, path: str, *arguments: str, user: str | None = "ann", **more):
    return curl(weir.url(resource, path), *arguments, user=login(user) if user else None, **more)


def post(weir: Weir, resource: str, path: str, body: bytes = NEW, user: str = "ann", **more):
    return ask(weir, resource, path, "--json", body.decode(), user=user, **more)


def shape(body: bytes) -> re.Pattern[bytes]:
    """What a masked body looks like: every byte as it was, but for what stands in place of the personal data."""
    personal = [value.encode() for value in (*PERSONAL.values(), "Bo Li", "bo.li@leak.example")]
    pieces = re.split(b"(" + b"|".join(map(re.escape, personal)) + b")", body)
    return re.compile(b"".join(rb'[^"]*' if piece in personal else re.escape(piece) for piece in pieces), re.DOTALL)


def shows_nothing(data: bytes) -> None:
    assert leaks.found_in(data) == []


def waiting(weir: Weir, who: str = "lea") -> list[dict]:
    return json.loads(weir.as_person(who, "approvals", "list", "--json").stdout)


class Asking:
    """A request that waits for a person, in a thread of its own."""

    def __init__(self, weir: Weir, mark: str, user: str = "ann", resource: str = "crm"):
        self.weir, self.mark, self.answer = weir, mark, None
        body = json.dumps({"name": mark}).encode()
        self.thread = threading.Thread(target=lambda: setattr(self, "answer", post(weir, resource, f"/customers?mark={mark}", body, user)))

    def __enter__(self) -> Asking:
        self.thread.start()
        self.request = self.weir.wait_for("the request for approval", lambda: next(
            (each for each in waiting(self.weir) if self.mark in json.dumps(each)), None))
        return self

    def __exit__(self, *_) -> None:
        self.thread.join(30)
        assert not self.thread.is_alive()


# --- masked


@pytest.mark.parametrize("arguments", [(), ("--http2-prior-knowledge",), ("--compressed",), ("--http1.0",)], ids=["HTTP/1.1", "HTTP/2", "compressed", "HTTP/1.0"])
@pytest.mark.parametrize("path, whole", [("/customers/9001", CUSTOMER), ("/customers", CUSTOMERS)])
def test_masked_json_is_the_same_but_for_what_is_masked(weir, api, path, whole, arguments):
    answer = ask(weir, "crm", path, *arguments)
    assert answer.status == 200 and answer.header("content-type") == "application/json"
    shows_nothing(answer.head + answer.body)
    assert shape(whole).fullmatch(answer.body), answer.body
    if (length := answer.header("content-length")) is not None and answer.header("content-encoding") is None:
        assert int(length) == len(answer.body)
    was, now = json.loads(whole), answer.json()
    if path != "/customers":
        assert {key: now[key] for key in ("id", "balance", "note", "tags", "parent")} == {key: was[key] for key in ("id", "balance", "note", "tags", "parent")}
        assert now["name"] != was["name"] and now["email"] != was["email"]
    (seen,) = api.requests
    assert seen.target == f"/v1{path}"


@pytest.mark.parametrize("path", ["/customers", "/gzip", "/gzip?times=2", "/chunked", "/chunked?size=7", "/status/500", "/status/404", "/redirect", "/trailers"])
def test_nothing_personal_in_any_byte(weir, path):
    """Compressed or in pieces, in errors, headers and trailers."""
    with RawHttp(*weir.address("crm")) as client:
        client.send(request(f"GET /crm{path} HTTP/1.1", ("Host", "localhost"), ("Authorization", weir.basic("ann")),
                            ("Accept-Encoding", "gzip"), ("TE", "trailers")))
        answer = client.answer()
        shows_nothing(bytes(client.received))
        if (answer.header("content-encoding") or "").lower() == "gzip":
            shows_nothing(gzip.decompress(answer.body))
        else:
            assert answer.header("content-encoding") is None
            if answer.body:
                answer.json()
        shows_nothing(repr(answer.trailers).encode())


def test_a_redirect_stays_one(weir, api):
    answer = ask(weir, "crm", "/redirect")
    assert answer.status == 302
    location = answer.header("location")
    # Through the gateway again, not past it.
    assert location.startswith("/crm/customers?email=") and PERSONAL["email"] not in location


def test_a_changed_body_has_no_checksum_of_the_old_one(weir):
    """Whoever compares would take the masked body for the whole one."""
    answer = ask(weir, "crm", "/gzip")
    assert answer.header("etag") is None or answer.header("etag").startswith("W/")


@pytest.mark.parametrize("resource", ["crm", "open"])
@pytest.mark.parametrize("arguments", [(), ("--http2-prior-knowledge",)], ids=["HTTP/1.1", "HTTP/2"])
def test_what_needs_no_masking_arrives_to_the_byte(weir, resource, arguments):
    answer = ask(weir, resource, "/harmless", *arguments)
    assert answer.status == 200 and answer.body == HARMLESS
    assert answer.header("content-type") == "application/json"


def test_without_masking_everything_arrives_as_it_is(weir):
    assert ask(weir, "open", "/customers").body == CUSTOMERS
    answer = ask(weir, "open", "/gzip", "--raw")
    assert answer.header("content-encoding") == "gzip" and gzip.decompress(answer.body) == CUSTOMERS
    assert answer.header("etag") == '"abc"'


def test_head_has_no_body(weir, api):
    answer = ask(weir, "crm", "/harmless", "--head")
    assert answer.status == 200 and answer.body == b""
    assert [each.method for each in api.requests] == ["HEAD"]


def test_an_event_arrives_before_the_next_one_is_sent(weir, api):
    with RawHttp(*weir.address("crm")) as client:
        client.send(request("GET /crm/events HTTP/1.1", ("Host", "localhost"), ("Authorization", weir.basic("ann")), ("Accept", "text/event-stream")))
        api.say(b'event: customer\ndata: {"id":1, "email":"' + PERSONAL["email"].encode() + b'"}\n\n')
        head = client.head()
        assert head.status == 200 and head.header("content-type").startswith("text/event-stream")
        first = b""
        while b"\n\n" not in first:
            first += client.piece()
        assert b"event: customer" in first and json.loads(first.split(b"data: ")[1])["id"] == 1
        api.say(b"data: hel")
        api.say(b"lo\n\n")
        second = b""
        while b"\n\n" not in second:
            second += client.piece()
        assert second == b"data: hello\n\n"
        api.hush()
        while client.piece():
            pass
        shows_nothing(bytes(client.received))


def test_pieces_arrive_as_they_come(weir):
    """Without masking, nobody waits for the end."""
    with RawHttp(*weir.address("open")) as client:
        client.send(request("GET /open/slow?pieces=3&delay=500 HTTP/1.1", ("Host", "localhost"), ("Authorization", weir.basic("ann"))))
        assert client.head().status == 200
        assert client.piece() == b"piece 0\n"
        assert client.piece() == b"piece 1\n"


def test_large_bodies_pass_where_nothing_is_masked(weir):
    size = 50 << 20
    answer = ask(weir, "open", f"/big?bytes={size}&type=application/octet-stream")
    assert answer.status == 200 and size - 100 < len(answer.body) <= size
    assert zlib.crc32(answer.body) == zlib.crc32((b"0123456789abcdef\n" * (size // 17)))


@pytest.mark.parametrize("path", ["/broken", "/broken?chunked"])
@pytest.mark.parametrize("resource", ["crm", "open"])
def test_an_answer_that_breaks_off_is_not_taken_for_whole(weir, resource, path):
    done = ask(weir, resource, path, check=False)
    with pytest.raises(RuntimeError) if done.status in (0, 200) else contextlib.nullcontext():
        # curl knows by the length, the chunks, or the end of the connection.
        ask(weir, resource, path)
    assert done.status in (0, 200, 502)


def test_a_bomb_does_not_go_off(weir):
    """200 MiB in 200 KiB: refused or broken off, and the gateway goes on."""
    answer = ask(weir, "crm", "/bomb", check=False)
    assert answer.status in (0, 200, 502) and len(answer.body) < 100 << 20
    assert ask(weir, "crm", "/harmless").body == HARMLESS


# --- refused


def is_problem(answer, status: int = 403) -> dict:
    """RFC 9457, as clients can read it."""
    assert answer.status == status, (answer.head, answer.body)
    assert answer.header("content-type") == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == status and problem["title"]
    return problem


def test_a_delete_is_refused(weir, api):
    answer = ask(weir, "crm", "/customers/7", "--request", "DELETE")
    assert "nothing is deleted here" in is_problem(answer)["detail"]
    assert api.received == b""
    (refused,) = [each for each in weir.trail(kind="refused") if "DELETE" in each["payload"]["text"]]
    assert refused["body"]["detail"]["by"] == "policy" and refused["body"]["principal"] == "ann" and refused["body"]["resource"] == "crm"
    # Asking for something else on the same connection is not.
    assert ask(weir, "crm", "/customers/7").status == 200


def test_what_nobody_allows_is_refused(weir, api):
    is_problem(ask(weir, "closed", "/customers"))
    assert api.received == b""


def test_more_than_can_be_judged_is_refused(weir, api):
    answer = post(weir, "small", "/customers", b'{"note":"' + b"a" * 5000 + b'"}')
    assert answer.status == 413 and api.asked("POST", "/customers") == []


def test_a_body_that_is_no_json_is_refused(weir, api):
    for body in ("{", '{"a":1,"a":2}', '{"a":1}x'):
        answer = ask(weir, "open", "/customers", "--header", "Content-Type: application/json", "--data", body)
        assert answer.status == 400, body
    assert api.asked("POST", "/customers") == []


def test_an_upstream_that_is_not_there(weir):
    with HttpUpstream() as gone:
        url = gone.url
    with Weir(resources=[http("gone", url)]) as alone:
        answer = ask(alone, "gone", "/customers")
        assert answer.status in (502, 503)
        # Its address is nobody's business.
        assert url.split(":")[-1].encode() not in answer.body


# --- held


def test_approved_by_somebody_else_it_is_done_once(weir, api):
    with Asking(weir, "mark-approved") as asking:
        assert asking.request["requester"]["id"] == "ann" and "POST" in asking.request["text"]
        assert "new customers are looked at" in asking.request["reason"]
        # What is decided about is shown: the body, too.
        assert "mark-approved" in weir.as_person("lea", "approvals", "show", asking.request["id"]).stdout
        assert api.received == b""
        weir.as_person("lea", "approvals", "approve", asking.request["id"])
    assert asking.answer.status == 201
    (seen,) = api.asked("POST", "/customers")
    assert json.loads(seen.body) == {"name": "mark-approved"}
    identifier = asking.request["id"]
    (held,) = [each for each in weir.trail(kind="held") if each["body"]["detail"]["approval"] == identifier]
    (reviewed,) = [each for each in weir.trail(kind="reviewed") if each["body"]["detail"]["approval"] == identifier]
    (intent,) = [each for each in weir.trail(kind="intent") if each["body"]["detail"].get("approval") == identifier]
    assert held["seq"] < reviewed["seq"] < intent["seq"] and reviewed["body"]["detail"]["reviewer"] == "lea"


def test_denied_with_a_reason(weir, api):
    with Asking(weir, "mark-denied") as asking:
        weir.as_person("lea", "approvals", "deny", asking.request["id"], "--reason", "not on a Friday")
    assert "not on a Friday" in is_problem(asking.answer)["detail"]
    assert api.received == b""


def test_nobody_approves_their_own(weir, api):
    with Asking(weir, "mark-own", user="max") as asking:
        refused = weir.as_person("max", "approvals", "approve", asking.request["id"], check=False)
        assert refused.returncode != 0 and "own" in refused.stderr
        assert api.received == b""
        weir.as_person("lea", "approvals", "deny", asking.request["id"])
    assert asking.answer.status == 403


def test_who_leaves_does_not_wait(weir, api):
    body = b'{"note":"mark-gone"}'
    with RawHttp(*weir.address("crm")) as client:
        client.send(request("POST /crm/customers HTTP/1.1", ("Host", "localhost"), ("Authorization", weir.basic("ann")),
                            ("Content-Type", "application/json"), ("Content-Length", str(len(body))), body=body))
        weir.wait_for("the request", lambda: [each for each in waiting(weir) if "mark-gone" in json.dumps(each)])
    weir.wait_for("its end", lambda: not [each for each in waiting(weir) if "mark-gone" in json.dumps(each)])
    assert api.received == b""


# --- who it is


def test_without_credentials_nothing_is_told(weir, api):
    answer = ask(weir, "crm", "/customers", user=None)
    assert answer.status == 401 and answer.values("www-authenticate")
    assert api.received == b""


@pytest.mark.parametrize("authorization", [
    "Basic " + base64.b64encode(b"ann:wrong").decode(), "Basic " + base64.b64encode(b"nobody:wrong").decode(),
    "Basic " + base64.b64encode(b"ann").decode(), "Basic !!!", "Basic", "Bearer wrong", "Bearer ", "Bearer " + TOKEN, "Digest a=b", "weir",
])
def test_wrong_credentials_are_all_alike(weir, api, authorization):
    with RawHttp(*weir.address("crm")) as client:
        client.send(request("GET /crm/customers HTTP/1.1", ("Host", "localhost"), ("Authorization", authorization)))
        answer = client.answer()
    # What has not even the form of credentials may be called malformed instead.
    has_form = authorization.startswith("Basic ") and b":" in base64.b64decode(authorization[6:] + "==", validate=False) or authorization == "Bearer wrong"
    assert answer.status in ((401,) if has_form else (400, 401))
    assert api.received == b"" and b"nobody" not in answer.body


def test_an_unknown_user_is_told_what_a_wrong_password_is(weir):
    answers = [curl(weir.url("crm", "/customers"), user=user) for user in ("ann:wrong", "nobody:wrong")]
    assert answers[0].status == answers[1].status == 401 and answers[0].body == answers[1].body
    failed = weir.trail(kind="login-failed")
    assert {"ann", "nobody"} <= {each["payload"].get("claimed_user") for each in failed}


def test_who_may_not_open_it_is_told_so(weir, api):
    assert ask(weir, "crm", "/customers", user="eve").status == 403
    assert ask(weir, "leads", "/customers", user="ann").status == 403
    assert api.received == b""
    assert ask(weir, "leads", "/customers", user="lea").status == 200


def token_of(weir: Weir, user: str, *more: str) -> tuple[str, str]:
    """The ID and the text."""
    text = weir.command("token", "create", "--user", user, *more).stdout.strip()
    return text.split("_")[1], text


def test_a_token_proves_who_it_is_until_it_is_revoked(weir, api):
    identifier, token = token_of(weir, "ann")
    bearer = ("--header", f"Authorization: Bearer {token}")
    assert ask(weir, "crm", "/customers/9001", *bearer, user=None).status == 200
    # Those who can only send a name and a password.
    assert curl(weir.url("crm", "/customers/9001"), user=f"ann:{token}").status == 200
    assert curl(weir.url("crm", "/customers/9001"), user=f"lea:{token}").status == 401
    opened = weir.trail(kind="session-opened", principal="ann")
    assert f"token {identifier}" in [each["body"]["detail"]["method"] for each in opened]
    assert token.encode() not in api.received
    weir.command("token", "revoke", identifier)
    api.forget()
    assert ask(weir, "crm", "/customers/9001", *bearer, user=None).status == 401
    assert api.received == b"" and token not in weir.command("audit", "export").stdout and token not in weir.log.read_text()


def test_a_token_for_one_resource_opens_no_other(weir):
    _, token = token_of(weir, "ann", "--resource", "open")
    bearer = ("--header", f"Authorization: Bearer {token}")
    assert ask(weir, "open", "/harmless", *bearer, user=None).status == 200
    assert ask(weir, "crm", "/harmless", *bearer, user=None).status in (401, 403)


def test_a_way_that_a_resource_does_not_take(weir):
    _, token = token_of(weir, "ann")
    answer = ask(weir, "basic-only", "/harmless", "--header", f"Authorization: Bearer {token}", user=None)
    assert answer.status == 401 and all(value.startswith("Basic") for value in answer.values("www-authenticate"))
    assert ask(weir, "basic-only", "/harmless").body == HARMLESS


@pytest.mark.parametrize("resource, path, header, value", [
    ("crm", "/echo", "authorization", f"Bearer {TOKEN}"),
    ("open", "/customers", "x-api-key", API_KEY),
    ("open-echo", "", "authorization", "Basic " + base64.b64encode(f"weir:{API_KEY}".encode()).decode()),
])
def test_the_upstream_sees_the_gateways_credentials_only(weir, api, resource, path, header, value):
    ask(weir, resource, path, "--header", f"{header if header != 'authorization' else 'x-other'}: mine")
    (seen,) = api.requests
    assert seen.values(header) == [value]
    (secret,) = [user.secret for user in EVERYBODY if user.name == "ann"]
    for form in (secret.encode(), base64.b64encode(login().encode())):
        assert form not in api.received


def test_credentials_are_nowhere(weir):
    """Not in the trail, the log or the state: neither those of clients nor those of upstreams."""
    ask(weir, "crm", "/customers")
    ask(weir, "open", "/customers")
    secrets = [TOKEN.encode(), API_KEY.encode(), *(user.secret.encode() for user in EVERYBODY),
               *(base64.b64encode(login(user.name).encode()) for user in EVERYBODY)]
    places = [weir.log.read_bytes(), weir.command("audit", "export").stdout.encode(),
              *(file.read_bytes() for file in weir.state_folder.rglob("*") if file.is_file() and "compiled" not in file.parts)]
    for secret in secrets:
        assert not any(secret in place for place in places)


def test_cookies_pass_or_do_not(weir, api):
    ask(weir, "crm", "/echo", "--cookie", "a=b")
    ask(weir, "open", "/cookies", "--cookie", "a=b")
    assert [each.values("cookie") for each in api.requests] == [["a=b"], []]
    assert ask(weir, "open", "/cookies").values("set-cookie") == []
    assert len(ask(weir, "crm", "/cookies").values("set-cookie")) == 2


# --- which resource


def test_the_longest_prefix_wins_and_is_stripped_where_that_is_said(weir, api):
    ask(weir, "open", "/customers")
    ask(weir, "open-echo", "/deeper")
    assert [each.target for each in api.requests] == ["/v1/customers", "/v1/open/echo/deeper"]


@pytest.mark.parametrize("path", ["/", "/customers", "/crmx/customers", "/CRM/customers"])
def test_what_is_nobodys_is_not_found(weir, api, path):
    host, port = weir.address("crm")
    answer = curl(f"http://{host}:{port}{path}", user=login())
    assert answer.status == 404 and api.received == b""


# --- recorded


def test_every_request_is_in_the_trail(weir, api):
    ask(weir, "crm", "/customers/4711?since=yesterday")
    (intent,) = [each for each in weir.trail(kind="intent") if '"4711"' in json.dumps(each["payload"])]
    assert re.fullmatch(r"GET /v1/customers/\{id\}", intent["payload"]["text"])
    body = intent["body"]
    assert (body["principal"], body["resource"], body["detail"]["action"]) == ("ann", "crm", "read")
    parameters = {each["name"]: each["value"] for each in intent["payload"]["parameters"]}
    assert parameters["query.since"] == "yesterday"
    (outcome,) = weir.wait_for("the outcome", lambda: [
        each for each in weir.trail(kind="outcome") if (each["body"]["session"], each["body"]["operation"]) == (body["session"], body["operation"])])
    assert outcome["body"]["status"] == "ok" and intent["seq"] < outcome["seq"]
    assert "customers" in weir.command("audit", "search", "--user", "ann").stdout


def test_personal_data_in_a_request_is_not_in_the_trail(weir, api):
    ask(weir, "crm", f"/customers?email={PERSONAL['email']}")
    ask(weir, "crm", f"/customers/{PERSONAL['email']}")
    ask(weir, "crm", f"/customers/x/{PERSONAL['email'].replace('@', '%40')}")
    assert len(api.requests) == 3 and PERSONAL["email"] in api.requests[0].target
    exported = weir.command("audit", "export").stdout
    shows_nothing(exported.encode())
    assert PERSONAL["email"].split("@")[0] not in exported, "escapes hide it from the masker, not from people"


def test_an_error_of_the_upstream_is_an_error_in_the_trail(weir):
    ask(weir, "crm", "/status/500?mark=failed")
    (intent,) = [each for each in weir.trail(kind="intent") if "failed" in json.dumps(each["payload"])]
    (outcome,) = weir.wait_for("the outcome", lambda: [
        each for each in weir.trail(kind="outcome")
        if (each["body"]["session"], each["body"]["operation"]) == (intent["body"]["session"], intent["body"]["operation"])])
    assert outcome["body"]["status"] == "error" and "500" in json.dumps(outcome["body"]["detail"])


def test_many_at_once(weir, api):
    """Each client gets its own answer."""
    wrong = []

    def many(number: int) -> None:
        with RawHttp(*weir.address("open")) as client:
            for turn in range(20):
                client.send(request(f"GET /open/big?bytes={17 * (number + 1)}&type=text/x-{number}-{turn} HTTP/1.1", ("Host", "localhost"),
                                    ("Authorization", weir.basic("ann"))))
                answer = client.answer()
                if answer.header("content-type") != f"text/x-{number}-{turn}" or len(answer.body) != 17 * (number + 1):
                    wrong.append(answer)

    threads = [threading.Thread(target=many, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert wrong == [] and len(api.requests) == 320


# --- TLS


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    return certificates.make(tmp_path_factory.mktemp("tls"))


def test_tls_on_both_legs(certificate):
    tls = {"certificate": str(certificate.certificate), "key": str(certificate.key)}
    with HttpUpstream(own=certificate) as api, Weir(resources=[
            http("crm", api.url, upstream_ca=str(certificate.authority), tls=tls, pipeline=["http-api", "pii-mask"])],
            plugins={"pii-mask": {"settings": MASK}}) as weir:
        for version in ("--http1.1", "--http2"):
            answer = ask(weir, "crm", "/customers", version, "--cacert", str(certificate.authority))
            assert answer.status == 200 and answer.head.startswith(b"HTTP/2" if version == "--http2" else b"HTTP/1.1")
            shows_nothing(answer.body)
        # In the clear: no answer that is one of HTTP, and nothing of it gets further.
        api.forget()
        with RawHttp(*weir.address("crm")) as client:
            client.send(request("GET /harmless HTTP/1.1", ("Host", "localhost"), ("Authorization", weir.basic("ann"))))
            answer = client.answer()
            assert answer is None or answer.status in (400, 403)
        assert api.received == b""


def test_an_upstream_with_a_certificate_of_somebody_else(certificate, tmp_path):
    other = certificates.make(tmp_path / "other")
    with HttpUpstream(own=certificate) as api, Weir(resources=[http("crm", api.url, upstream_ca=str(other.authority))]) as weir:
        assert ask(weir, "crm", "/customers").status == 502
        assert api.received == b"" and api.requests == []


# --- other clients


def test_httpx(weir):
    httpx = pytest.importorskip("httpx")
    with httpx.Client(base_url=weir.url("crm"), auth=tuple(login().split(":", 1)), timeout=20) as client:
        answer = client.get("/customers/9001")
        assert answer.status_code == 200 and answer.json()["id"] == 9001
        shows_nothing(answer.content)
        with client.stream("GET", "/chunked", params={"size": 5}) as stream:
            shows_nothing(b"".join(stream.iter_bytes()))
        assert client.delete("/customers/1").status_code == 403


def test_urllib(weir):
    def opened(method: str):
        asked = urllib.request.Request(weir.url("crm", "/customers/9001"), method=method, headers={"Authorization": weir.basic("ann")})
        return urllib.request.urlopen(asked, timeout=20)

    with opened("GET") as answer:
        shows_nothing(answer.read())
    with pytest.raises(urllib.error.HTTPError, match="403"):
        opened("DELETE")

