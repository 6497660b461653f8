"""One running host, four protocols: psql, curl, git and MCP under the same two files, the same rules and one trail."""

from __future__ import annotations

import json
import subprocess
import threading
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from curl import curl
from git_server import GitServer, git
from http_upstream import PERSONAL, HttpUpstream
from raw_http import RawHttp, request
from test_git import commit, head
from test_git import url as git_url
from test_mcp import EMAIL, Tools, as_client, call, text
from test_reload import another_build, applied, digest, edit, put
from weir import PLUGINS, Weir, http, toml
from wire import Wire, errors

RESOURCES = {"customers", "crm", "git", "tools"}
#: One table of settings for all four.
RULES = [
    {"kinds": ["sql.*"], "objects": ["public.orders"]},
    {"kinds": ["http.*"], "objects": ["DELETE /v1/customers/**"]},
    {"kinds": ["git.*"], "objects": ["refs/heads/main"]},
    {"kinds": ["mcp.tool-call"], "objects": ["delete_*"]},
]
REASON, STRICTER = "it is protected", "it is frozen"
HOLD = {"answer": "hold", "reason": REASON, "reviewers": ["group:leads"]}
DENY = {"answer": "deny", "reason": STRICTER}
GUARD = {"protect": [rule | HOLD for rule in RULES]}
MASK = {"detect": ["email", "phone", "card", "iban"], "columns": ["customers.full_name", "*customers*.name"]}
HOOK_EMAIL = "build@leak.example"
PATIENCE_SECONDS = 60
PATH = "/customers/7"
UPDATE = "update orders set state = 'paid' where id = 7"


@dataclass
class Place:
    """The gateway and the four things behind it."""
    weir: Weir
    database: object
    api: HttpUpstream
    server: GitServer
    tools: Tools
    #: Ann's clone, one commit ahead of `main`
    work: Path

    def psql(self, statement: str) -> str:
        endpoint = self.weir.endpoint
        done = subprocess.run(["psql", "-X", "-v", "ON_ERROR_STOP=1", "-c", statement], env=endpoint.environment(),
                              capture_output=True, text=True, timeout=PATIENCE_SECONDS)
        return done.stdout + done.stderr

    def curl(self, method: str, path: str = PATH) -> str:
        ann = self.weir.user("ann")
        answer = curl(self.weir.url("crm", path), "--request", method, user=f"ann:{ann.secret}")
        return (answer.head + answer.body).decode()

    def push(self) -> str:
        return git("-C", self.work, "push", "origin", "main", check=False).stderr

    def tool(self, name: str, arguments: dict) -> str:
        return call(self.weir, name, arguments).model_dump_json()

    def changes(self) -> dict:
        """A change of a protected thing in each protocol, by resource."""
        return {
            "customers": lambda: self.psql(UPDATE),
            "crm": lambda: self.curl("DELETE"),
            "git": self.push,
            "tools": lambda: self.tool("delete_customer", {"name": "Maria"}),
        }

    def done(self) -> dict[str, bool]:
        """Whether the change has got to what is behind the gateway."""
        main = self.server.refs("team/shop")["refs/heads/main"]
        return {
            "customers": self.database.sql("select state from orders where id = 7", "customers") == "paid",
            "crm": bool(self.api.asked("DELETE", "/customers/7")),
            "git": main == head(self.work),
            "tools": ("delete_customer", "Maria") in self.tools.called,
        }

    def waiting(self) -> dict[str, dict]:
        listed = json.loads(self.weir.as_person("lea", "approvals", "list", "--json").stdout)
        return {each["resource"]: each for each in listed}

    def search(self, *arguments: str) -> list[dict]:
        """What one `weir audit search` finds."""
        return [json.loads(line) for line in self.weir.command("audit", "search", "--json", *arguments).stdout.splitlines()]


@dataclass
class Asking:
    """All four changes at once, each by its own client, until all of them wait for a person."""
    place: Place
    said: dict[str, str] = field(default_factory=dict)

    def __enter__(self) -> dict[str, dict]:
        def ask(resource, change):
            self.said[resource] = change()

        self.threads = [threading.Thread(target=ask, args=each, daemon=True) for each in self.place.changes().items()]
        for thread in self.threads:
            thread.start()
        return self.place.weir.wait_for("four requests for approval", self._all_wait)

    def _all_wait(self):
        waiting = self.place.waiting()
        assert not self.said, f"answered without a person: {self.said}"
        return waiting if set(waiting) == RESOURCES else None

    def __exit__(self, failed, *_) -> None:
        if failed:  # then nobody approves, and nothing ends
            return
        for thread in self.threads:
            thread.join(PATIENCE_SECONDS)
        assert set(self.said) == RESOURCES, f"no end: {RESOURCES - set(self.said)}"


@pytest.fixture
def place(server, upstream, tmp_path):
    server.sql("update orders set state = 'new' where id = 7", "customers")
    with HttpUpstream(base="/v1") as api, GitServer() as repositories, Tools() as tools:
        repositories.create("team/shop", files={"README": "hello\n"})
        repositories.hook("team/shop", "pre-receive", f"echo 'tell {HOOK_EMAIL}'")
        # Who reviews is said by the rules alone.
        behind = {"default": "allow", "reviewers": []}
        resources = [
            http("crm", api.url.removesuffix("/v1"), path_prefix="/v1", pipeline=["http-api", "change-guard", "pii-mask"], **behind),
            http("git", repositories.url, path_prefix="/git", strip_prefix=True, pipeline=["git", "change-guard", "pii-mask"], **behind),
            http("tools", tools.url, path_prefix="/mcp", pipeline=["mcp", "change-guard", "pii-mask"], **behind),
        ]
        plugins = {"change-guard": {"settings": GUARD}, "pii-mask": {"settings": MASK}, "mcp": {"settings": {"paths": ["/mcp"]}}}
        with Weir(upstream, pipeline=("postgres", "change-guard", "pii-mask"), resource=behind, resources=resources, plugins=plugins) as weir:
            work = tmp_path / "work"
            git("clone", "--quiet", git_url(weir, "team/shop"), work)
            commit(work, "second")
            yield Place(weir, server, api, repositories, tools, work)


def digests(intents: list[dict]) -> dict[str, dict[str, set[str]]]:
    """By resource and plugin, whose verdicts the records name."""
    found: dict[str, dict[str, set[str]]] = {}
    for each in intents:
        for judge in each["body"]["detail"]["judged_by"]:
            found.setdefault(each["body"]["resource"], {}).setdefault(judge["plugin"], set()).add(judge["digest"])
    return found


def test_reads_of_all_four_are_masked_by_one_file(place):
    shown = {
        "customers": place.psql("select full_name, email, phone, card_number from customers where id = 9001"),
        "crm": place.curl("GET", "/customers/9001"),
        "tools": place.tool("find", {"name": "Maria"}),
        # Of git, what the server says; what is in packs is not looked into.
        "git": git("-C", place.work, "push", "origin", "main:free").stderr,
    }
    assert "(1 row)" in shown["customers"] and '"balance": 10.50' in shown["crm"] and "remote: tell" in shown["git"]
    for secret in (*PERSONAL.values(), EMAIL, HOOK_EMAIL):
        assert secret not in json.dumps(shown, ensure_ascii=False), secret
    # One command finds what one file has masked.
    outcomes = lambda: [each for each in place.search("--kind", "outcome") if each["body"]["detail"].get("masked")]
    place.weir.wait_for("the outcomes", lambda: {each["body"]["resource"] for each in outcomes()} == RESOURCES)
    maskers = {judge["digest"] for each in outcomes() for judge in each["body"]["detail"]["masked_by"]}
    assert maskers == {digest(PLUGINS / "pii-mask.wasm")}


def test_a_protected_thing_of_each_is_held_by_one_rule_set_and_done_when_lea_approves(place):
    with Asking(place) as waiting:
        assert not any(place.done().values())
        assert {each["reason"] for each in waiting.values()} == {REASON}
        assert {each["requester"]["id"] for each in waiting.values()} == {"ann"}
        for each in waiting.values():
            place.weir.as_person("lea", "approvals", "approve", each["id"], "--reason", "agreed")
    assert all(place.done().values()), place.done()
    guard = digest(PLUGINS / "change-guard.wasm")
    held = place.search("--plugin", guard, "--kind", "intent", "--verdict", "hold")
    assert sorted(each["body"]["resource"] for each in held) == sorted(RESOURCES)
    assert {each["body"]["detail"]["operation_kind"].split(".")[0] for each in held} == {"sql", "http", "git", "mcp"}
    used = digests(held)
    assert {resource: used[resource]["change-guard"] for resource in RESOURCES} == dict.fromkeys(RESOURCES, {guard})
    # As a person reads it: four lines, each with its own words.
    lines = place.weir.command("audit", "search", "--kind", "intent", "--verdict", "hold").stdout
    for words in (UPDATE, "DELETE /v1/customers/{id}", "update refs/heads/main", "delete_customer"):
        assert words in lines
    reviewed = place.search("--kind", "reviewed")
    assert {each["body"]["detail"]["approval"] for each in reviewed} == {each["id"] for each in waiting.values()}
    assert "the trail is whole" in place.weir.command("audit", "verify").stdout


def test_a_policy_replaced_while_all_four_are_under_way_takes_effect_in_all(place):
    """In connections that are open, and in what waits for a person: it is judged once more before it goes on."""
    weir = place.weir
    newer = another_build(PLUGINS / "change-guard.wasm", "newer")
    keep = request(f"GET /v1{PATH} HTTP/1.1", ("Host", "localhost"), ("Authorization", weir.basic("ann")))
    delete = keep.replace(b"GET", b"DELETE", 1)
    asking = Asking(place)
    with Wire(weir.endpoint) as sql, RawHttp(*weir.address("crm")) as client, asking as waiting:
        assert errors(sql.ask_text("select 1")) == []
        client.send(keep)
        assert client.answer().status == 200

        async def before_and_after(session):
            await session.list_tools()
            before = await session.call_tool("find", {"name": "Maria"})
            put(weir, "change-guard", newer)
            weir.wait_for("the new policy", lambda: weir.trail(kind="plugin-loaded")[-1]["body"]["detail"]["digest"] == digest(newer))
            edit(weir, toml(HOLD)[1:-1], toml(DENY)[1:-1])
            weir.wait_for("its new settings", applied(weir, "change-guard"))
            return before, await session.call_tool("delete_customer", {"name": "Bo"})

        before, after = as_client(weir, before_and_after, "legacy")
        assert not before.is_error and after.is_error and STRICTER in text(after)
        assert STRICTER in str(errors(sql.ask_text(UPDATE)))
        client.send(delete)
        refused = client.answer()
        assert refused.status == 403 and STRICTER in refused.json()["detail"]
        for each in waiting.values():
            weir.as_person("lea", "approvals", "approve", each["id"])
    # What was approved under the old rules, and what is asked under the new ones: nothing gets through.
    asking.said["git, once more"] = place.push()
    assert [resource for resource, said in asking.said.items() if STRICTER not in said] == [], asking.said
    assert not any(place.done().values())
    refused = place.search("--plugin", digest(newer), "--kind", "refused")
    assert {each["body"]["resource"] for each in refused} == RESOURCES and len(refused) == 8
    last = [[judge["digest"] for judge in each["body"]["detail"]["judged_by"] if judge["plugin"] == "change-guard"][-1] for each in refused]
    assert set(last) == {digest(newer)}
    assert "the trail is whole" in weir.command("audit", "verify").stdout
